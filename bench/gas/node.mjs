// SPDX-License-Identifier: Apache-2.0
// An anvil of one's own, with contracts on it: what the evaluation stands on.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import readline from 'node:readline'

export async function startNode(peers, random) {
  const require = createRequire(path.join(peers, 'package.json'))
  const { ethers } = require('ethers'), modules = path.join(peers, 'node_modules')
  const anvil = spawn(path.join(modules, `@foundry-rs/anvil-linux-${process.arch === 'x64' ? 'amd64' : process.arch}/bin/anvil`),
    ['--port', '0', '--accounts', '8', '--balance', '1000000', '--order', 'fifo'], { stdio: ['ignore', 'pipe', 'ignore'] })
  process.on('exit', () => anvil.kill())
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1)) // or nobody ends anvil
  const url = await new Promise((found, failed) => {
    readline.createInterface({ input: anvil.stdout }).on('line', l => { if (l.startsWith('Listening on ')) found('http://' + l.slice(13)) })
    anvil.on('exit', () => failed(new Error('anvil ended')))
  })
  let id = 0
  async function rpc(method, ...params) {
    const body = JSON.stringify({ jsonrpc: '2.0', id: ++id, method, params })
    const answer = await (await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).json()
    if (answer.error) throw Object.assign(new Error(`${method}: ${answer.error.message}`), { data: answer.error.data })
    return answer.result
  }
  async function receipt(hash, tries) {
    for (let i = 0; i < tries; i++) {
      const r = await rpc('eth_getTransactionReceipt', hash)
      if (r) return r
      await new Promise(f => setTimeout(f, 2))
    }
    return null
  }
  const bare = t => ({ from: t.from, to: t.to, data: t.data, value: t.value ?? '0x0' })
  async function send(t, gas = '0x989680') {
    const again = async () => { // after a revert to a snapshot the pool may wait for a nonce that is gone
      await rpc('anvil_dropAllTransactions')
      const nonce = await rpc('eth_getTransactionCount', t.from, 'latest')
      return receipt(await rpc('eth_sendTransaction', { ...bare(t), gas, nonce }), 2000)
    }
    const r = (await receipt(await rpc('eth_sendTransaction', { ...bare(t), gas }), 200)) ?? (await again())
    if (!r) throw new Error('a transaction was not mined')
    return { ok: r.status === '0x1', used: Number(r.gasUsed), at: r.contractAddress }
  }

  await rpc('anvil_setBlockTimestampInterval', 12) // as on the main network, not as fast as this machine mines
  const contracts = {}
  const name = (n, at, c) => (contracts[n] = { at, i: new ethers.Interface(c.abi) })
  const encode = (n, fn, args) => contracts[n].i.encodeFunctionData(fn, args)
  const tools = {
    rpc, send, url, ethers, name, encode, accounts: await rpc('eth_accounts'), zero: ethers.ZeroAddress, id: ethers.id, contracts,
    at: n => contracts[n].at,
    below: n => Math.floor(random() * n),
    pick: a => a[Math.floor(random() * a.length)],
    now: async () => Number((await rpc('eth_getBlockByNumber', 'latest', false)).timestamp),
    tx: (from, n, fn, args = [], value) => ({ name: `${n}.${fn}`, from, to: contracts[n].at, data: encode(n, fn, args), ...(value ? { value } : {}) }),
    view: async (n, fn, args) => contracts[n].i.decodeFunctionResult(fn, await rpc('eth_call', { to: contracts[n].at, data: encode(n, fn, args) }, 'latest'))[0],
    artifact(p) {
      const j = JSON.parse(readFileSync(path.join(modules, p)))
      return { abi: j.abi, code: (j.bytecode?.object ?? j.bytecode ?? j.evm.bytecode.object).replace(/^0x/, '') }
    },
    async deploy(n, c, args = [], value = '0x0') {
      const i = new ethers.Interface(c.abi)
      const r = await send({ from: tools.accounts[0], data: '0x' + c.code + i.encodeDeploy(args).slice(2), value }, '0xf00000')
      if (!r.ok) throw new Error('deploying ' + n + ' failed')
      return name(n, r.at, c)
    },
    /** What solc makes of the file; kept beside the packages, whose versions are fixed, by the input's digest. */
    compile(file) {
      const input = { language: 'Solidity', sources: { main: { content: readFileSync(file, 'utf8') } },
        settings: { optimizer: { enabled: true, runs: 200 }, outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } } } }
      const kept = path.join(peers, `solc-${createHash('sha256').update(JSON.stringify(input)).digest('hex')}.json`)
      if (existsSync(kept)) return JSON.parse(readFileSync(kept, 'utf8'))
      const find = p => { try { return { contents: readFileSync(path.join(modules, p), 'utf8') } } catch (e) { return { error: String(e) } } }
      const out = JSON.parse(require('solc').compile(JSON.stringify(input), { import: find }))
      const bad = (out.errors ?? []).filter(e => e.severity === 'error')
      if (bad.length) throw new Error(bad.map(e => e.formattedMessage).join('\n'))
      const built = Object.fromEntries(Object.entries(out.contracts.main).map(([n, c]) => [n, { abi: c.abi, code: c.evm.bytecode.object }]))
      writeFileSync(`${kept}.${process.pid}`, JSON.stringify(built))
      renameSync(`${kept}.${process.pid}`, kept)
      return built
    },
  }
  const hex = digits => Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('')
  tools.random = { address: () => '0x' + hex(40), word: () => '0x' + hex(64) }
  return tools
}
