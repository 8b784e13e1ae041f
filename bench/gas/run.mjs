// SPDX-License-Identifier: Apache-2.0
// The gas evaluation: estimates against receipts on anvil. See bench/gas.sh.
//   node run.mjs SENNIT PEERS_FOLDER [--calls N] [--seed N] [--drifts 0,1,6] [--fresh-history]
import { createRequire } from 'node:module'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import readline from 'node:readline'

const [sennit, peers, ...rest] = process.argv.slice(2)
const opt = (name, other) => { const i = rest.indexOf('--' + name); return i < 0 ? other : rest[i + 1] }
const calls = Number(opt('calls', 300)), drifts = opt('drifts', '0,1,6').split(',').map(Number)
const port = Number(opt('port', 18546)), url = `http://127.0.0.1:${port}`
const require = createRequire(path.join(peers, 'package.json'))
const { ethers } = require('ethers')
const viem = require('viem')

// mulberry32: the corpus is the seed's.
let state = Number(opt('seed', 1)) >>> 0
const random = () => { state = (state + 0x6d2b79f5) >>> 0; let t = state
  t = Math.imul(t ^ (t >>> 15), t | 1); t ^= t + Math.imul(t ^ (t >>> 7), t | 61); return ((t ^ (t >>> 14)) >>> 0) / 4294967296 }
const below = n => Math.floor(random() * n)
const pick = a => a[below(a.length)]

function compile() {
  const solc = require('solc')
  const file = new URL('corpus.sol', import.meta.url)
  const input = { language: 'Solidity', sources: { 'corpus.sol': { content: readFileSync(file, 'utf8') } },
    settings: { optimizer: { enabled: true, runs: 200 }, outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } } } }
  const find = p => { try { return { contents: readFileSync(path.join(peers, 'node_modules', p), 'utf8') } } catch (e) { return { error: String(e) } } }
  const out = JSON.parse(solc.compile(JSON.stringify(input), { import: find }))
  const bad = (out.errors ?? []).filter(e => e.severity === 'error')
  if (bad.length) throw new Error(bad.map(e => e.formattedMessage).join('\n'))
  return out.contracts['corpus.sol']
}
const artifact = p => { const j = JSON.parse(readFileSync(path.join(peers, 'node_modules', p))); return { abi: j.abi, evm: { bytecode: { object: (j.bytecode?.object ?? j.bytecode ?? j.evm.bytecode.object).replace(/^0x/, '') } } } }

// ---- the node
const anvil = spawn(path.join(peers, 'node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil'),
  ['--port', String(port), '--silent', '--accounts', '8', '--balance', '1000000', '--order', 'fifo'], { stdio: 'ignore' })
process.on('exit', () => anvil.kill())
let rpcId = 0
async function rpc(method, ...params) {
  const r = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ jsonrpc: '2.0', id: ++rpcId, method, params }) })
  const j = await r.json()
  if (j.error) throw Object.assign(new Error(j.error.message), { data: j.error.data })
  return j.result
}
for (let i = 0; ; i++) { try { await rpc('eth_chainId'); break } catch (e) { if (i > 100) throw e; await new Promise(r => setTimeout(r, 100)) } }
const accounts = await rpc('eth_accounts')
async function receipt(hash, tries) {
  for (let i = 0; i < tries; i++) { const r = await rpc('eth_getTransactionReceipt', hash); if (r) return r; await new Promise(f => setTimeout(f, 10)) }
  return null
}
async function send(tx, gas = '0x989680') {
  const again = async () => { // after a revert to a snapshot the pool may wait for a nonce that is gone
    await rpc('anvil_dropAllTransactions')
    return receipt(await rpc('eth_sendTransaction', { ...tx, gas, nonce: await rpc('eth_getTransactionCount', tx.from, 'latest') }), 2000)
  }
  const r = (await receipt(await rpc('eth_sendTransaction', { ...tx, gas }), 100)) ?? (await again())
  return { ok: r.status === '0x1', used: Number(r.gasUsed), at: r.contractAddress }
}
const built = compile()
const v2 = '@uniswap/v2-core/build/'
const deployed = {}
async function deploy(name, c, args = [], value = '0x0') {
  const i = new ethers.Interface(c.abi)
  const r = await send({ from: accounts[0], data: '0x' + c.evm.bytecode.object + i.encodeDeploy(args).slice(2), value }, '0xf00000')
  if (!r.ok) throw new Error('deploy ' + name)
  return (deployed[name] = { at: r.at, i })
}
for (const name of Object.keys(built).filter(n => /^C\d\d/.test(n))) {
  const now = Number((await rpc('eth_getBlockByNumber', 'latest', false)).timestamp)
  const args = { C06Wrapper: () => [deployed.C01Token.at], C07Vault: () => [deployed.C01Token.at],
    C16Vesting: () => [accounts[1], now, 100000], C17Clones: () => [deployed.C15Owned.at],
    C19Proxy: () => [deployed.C18Logic.at], C33Try: () => [deployed.C18Logic.at] }[name]
  await deploy(name, built[name], args ? args() : [], name === 'C16Vesting' ? '0xde0b6b3a7640000' : '0x0')
}
const factory = await deploy('UniswapV2Factory', artifact(v2 + 'UniswapV2Factory.json'), [accounts[0]])
const d = n => deployed[n]
const tx = (from, name, fn, args = [], value) => ({ name: `${name}.${fn}`, from, to: d(name).at, data: d(name).i.encodeFunctionData(fn, args), ...(value ? { value } : {}) })
const A = () => pick(accounts), n = () => 1 + below(1000)
// Money and permissions that the calls need.
for (const a of accounts) {
  for (const t of ['C01Token', 'C02Burnable', 'C03Capped', 'C04Pausable', 'C05Votes', 'C20Batch', 'C28Solmate']) await send(tx(a, t, 'mint', [a, 10n ** 18n]))
  for (const to of ['C06Wrapper', 'C07Vault']) { await send(tx(a, 'C01Token', 'approve', [d(to).at, 10n ** 30n])) }
  await send(tx(a, 'C06Wrapper', 'depositFor', [a, 10n ** 9n])); await send(tx(a, 'C07Vault', 'deposit', [10n ** 9n, a]))
  await send(tx(a, 'C27Weth', 'deposit', [], '0xde0b6b3a7640000'))
  await send(tx(a, 'C11Multi', 'mint', [a, 1, 1000000]))
}
await send(tx(accounts[0], 'UniswapV2Factory', 'createPair', [d('C01Token').at, d('C28Solmate').at]))
const pairAt = new ethers.AbiCoder().decode(['address'], await rpc('eth_call', { to: factory.at, data: factory.i.encodeFunctionData('getPair', [d('C01Token').at, d('C28Solmate').at]) }, 'latest'))[0]
deployed.UniswapV2Pair = { at: pairAt, i: new ethers.Interface(artifact(v2 + 'UniswapV2Pair.json').abi) }
await send(tx(accounts[0], 'C01Token', 'transfer', [pairAt, 10n ** 15n])); await send(tx(accounts[0], 'C28Solmate', 'transfer', [pairAt, 10n ** 15n]))
await send(tx(accounts[0], 'UniswapV2Pair', 'mint', [accounts[0]]))

// ---- the mix: every kind of call equally often
const role = ethers.id('R')
const kinds = [
  () => ({ name: 'ether', from: A(), to: '0x' + (below(2) ? A().slice(2) : below(1 << 30).toString(16).padStart(40, '1')), data: '0x', value: '0x1' }),
  ...['C01Token', 'C02Burnable', 'C03Capped', 'C05Votes', 'C28Solmate'].map(t => () => tx(A(), t, 'transfer', [below(3) ? A() : ethers.Wallet.createRandom().address, n()])),
  () => tx(A(), 'C01Token', 'approve', [A(), n()]), () => tx(A(), 'C02Burnable', 'burn', [n()]), () => tx(A(), 'C03Capped', 'mint', [A(), n()]),
  () => tx(A(), 'C04Pausable', 'mint', [A(), n()]), () => tx(A(), 'C05Votes', 'delegate', [A()]),
  () => tx(A(), 'C06Wrapper', 'depositFor', [A(), n()]), () => tx(A(), 'C06Wrapper', 'withdrawTo', [A(), 1]),
  () => tx(A(), 'C07Vault', 'deposit', [n(), A()]), () => { const a = A(); return tx(a, 'C07Vault', 'redeem', [1, A(), a]) },
  () => tx(A(), 'C08Nft', 'mint', [A()]), () => tx(A(), 'C09NftEnumerable', 'mint', [A()]), () => tx(A(), 'C10NftUri', 'mint', [A(), 'ipfs://' + 'x'.repeat(below(60))]),
  () => tx(A(), 'C11Multi', 'mint', [A(), below(20), n()]), () => { const a = A(); return tx(a, 'C11Multi', 'safeTransferFrom', [a, A(), 1, 1, '0x']) },
  () => tx(A(), 'C12MultiSupply', 'mintBatch', [A(), [below(30), 30 + below(30)], [n(), n()]]),
  () => tx(accounts[0], 'C13Roles', 'grantRole', [role, A()]), () => tx(accounts[0], 'C14RolesEnumerable', 'grantRole', [role, A()]), () => tx(accounts[0], 'C14RolesEnumerable', 'revokeRole', [role, A()]),
  () => tx(accounts[0], 'C15Owned', 'set', [below(3)]), () => tx(accounts[0], 'C15Owned', 'transferOwnership', [A()]),
  () => tx(A(), 'C16Vesting', 'release()'), () => tx(A(), 'C17Clones', 'make'), () => tx(A(), 'C17Clones', 'make2', [ethers.hexlify(ethers.randomBytes(32))]),
  () => tx(A(), 'C18Logic', 'add', [n()]), () => ({ ...tx(A(), 'C18Logic', 'add', [n()]), name: 'C19Proxy.add', to: d('C19Proxy').at }),
  () => tx(A(), 'C20Batch', 'multicall', [Array.from({ length: 1 + below(4) }, () => d('C20Batch').i.encodeFunctionData('transfer', [A(), n()]))]),
  () => tx(A(), 'C21Bits', 'set', [below(2000)]), () => tx(A(), 'C21Bits', 'clear', [below(2000)]), () => tx(A(), 'C22Trace', 'push', [n()]), () => tx(A(), 'C22Trace', 'find', [below(1000)]),
  () => tx(A(), 'C23Deque', 'push', [ethers.id(String(n()))]), () => tx(A(), 'C23Deque', 'pop'), () => tx(A(), 'C24Map', 'set', [below(40), n()]), () => tx(A(), 'C24Map', 'remove', [below(40)]),
  () => tx(A(), 'C25Set', 'add', [below(40)]), () => tx(A(), 'C25Set', 'remove', [below(40)]), () => tx(A(), 'C26Heap', 'insert', [n()]), () => tx(A(), 'C26Heap', 'pop'),
  () => tx(A(), 'C27Weth', 'deposit', [], '0x10'), () => tx(A(), 'C27Weth', 'withdraw', [1 + below(10)]), () => tx(A(), 'C29SolmateNft', 'mint', [A()]),
  () => tx(A(), 'C30Cleaner', 'fill', [below(100), 1 + below(10)]), () => tx(A(), 'C30Cleaner', 'clear', [below(100), 1 + below(10)]),
  () => tx(A(), 'C31Book', 'bid', [n()]), () => tx(A(), 'C31Book', 'fill', [900 + below(100)]), () => tx(A(), 'C32Metered', 'burn', [30000 + below(1000)]),
  () => tx(A(), 'C33Try', 'go', [n()]), () => tx(A(), 'UniswapV2Pair', 'sync'), () => tx(A(), 'UniswapV2Pair', 'skim', [A()]), () => tx(accounts[0], 'UniswapV2Pair', 'transfer', [A(), 1]),
]
const succeeds = async t => { try { await rpc('eth_call', t, 'latest'); return true } catch { return false } }
async function draw(kind) { for (let i = 0; i < 20; i++) { const t = (kind ?? pick(kinds))(); if (await succeeds(t)) return t; if (i > 5) kind = undefined } throw new Error('no call of the mix succeeds') }
for (let i = 0; i < 200; i++) await send(await draw(kinds[i % kinds.length])) // a past, and warm slots

// ---- estimators
const ours = spawn(sennit, ['abi', 'gas', '--rpc', url, '--lines', ...(rest.includes('--method') ? ['--method', opt('method')] : [])], { stdio: ['pipe', 'pipe', 'inherit'] })
const lines = readline.createInterface({ input: ours.stdout })[Symbol.asyncIterator]()
async function estimateOurs(t, drift) {
  ours.stdin.write(JSON.stringify({ from: t.from, to: t.to, data: t.data, value: t.value ?? '0x0', drift }) + '\n')
  const e = JSON.parse((await lines.next()).value)
  if (e.error) throw new Error(`${t.name}: ${e.error}`)
  return e
}
const chain = { id: 31337, name: 'anvil', nativeCurrency: { name: 'E', symbol: 'E', decimals: 18 }, rpcUrls: { default: { http: [url] } } }
const viemClient = viem.createPublicClient({ chain, transport: viem.http(url) })
const ethersProvider = new ethers.JsonRpcProvider(url, undefined, { staticNetwork: true, cacheTimeout: -1 })
const bare = t => ({ from: t.from, to: t.to, data: t.data, value: t.value ?? '0x0' })
async function limitSuffices(t, gas) {
  const snap = await rpc('evm_snapshot')
  let ok = false
  try { ok = (await send(bare(t), '0x' + gas.toString(16))).ok } catch { ok = false }
  await rpc('evm_revert', snap); await rpc('anvil_dropAllTransactions')
  return ok
}

// ---- statistics
const logGamma = x => { const c = [76.18009172947146, -86.50532032941677, 24.01409824083091, -1.231739572450155, 0.1208650973866179e-2, -0.5395239384953e-5]; let y = x, s = 1.000000000190015; for (const v of c) s += v / ++y; return -(x + 5.5 - (x + 0.5) * Math.log(x + 5.5)) + Math.log(2.5066282746310005 * s / x) }
const tail = (k, n, p) => { let s = 0; for (let i = k; i <= n; i++) s += Math.exp(logGamma(n + 1) - logGamma(i + 1) - logGamma(n - i + 1) + i * Math.log(p) + (n - i) * Math.log(1 - p)); return s }
// Clopper-Pearson, one-sided 95 %: the p at which k or more of n would be a 5 % event.
const lower = (k, n) => { if (k === 0) return 0; let a = 0, b = 1; for (let i = 0; i < 60; i++) { const m = (a + b) / 2; if (tail(k, n, m) > 0.05) b = m; else a = m } return a }
const median = v => v.length ? v.slice().sort((x, y) => x - y)[v.length >> 1] : NaN
const pct = x => (100 * x).toFixed(1)

const rows = [], classes = []
for (const drift of drifts) {
  const all = []
  for (let i = 0; i < calls; i++) {
    const t = await draw(kinds[i % kinds.length])
    const e = await estimateOurs(t, drift)
    const peer = { eth: Number(await rpc('eth_estimateGas', bare(t))), ethers: Number(await ethersProvider.estimateGas(bare(t))), viem: Number(await viemClient.estimateGas({ account: t.from, to: t.to, data: t.data, value: BigInt(t.value ?? 0) })) }
    for (let k = 0; k < drift; k++) await send(await draw(below(2) ? kinds[i % kinds.length] : undefined))
    if (!(await succeeds(bare(t)))) continue // another took its place
    const fit = { ours: await limitSuffices(t, e.limit), eth: await limitSuffices(t, peer.eth), ethers: await limitSuffices(t, peer.ethers), viem: await limitSuffices(t, peer.viem) }
    const r = await send(bare(t))
    if (!r.ok) continue
    all.push({ t, e, peer, fit, used: r.used })
  }
  const near = f => all.filter(x => Math.abs(f(x) - x.used) <= 0.012 * x.used).length
  for (const [name, f, l] of [['Sennit', x => x.e.used, x => x.e.limit], ...['eth', 'ethers', 'viem'].map(p => [p, x => x.peer[p], x => x.peer[p]])]) {
    const k = near(f), key = name === 'Sennit' ? 'ours' : name
    rows.push(`| ${drift} | ${name === 'eth' ? '`eth_estimateGas`' : name} | ${all.length} | ${pct(k / all.length)} | ${pct(lower(k, all.length))} | ${name === 'Sennit' ? pct(all.filter(x => x.e.interval[0] <= x.used && x.used <= x.e.interval[1]).length / all.length) : '–'} | ${pct(all.filter(x => x.fit[key]).length / all.length)} | ${(100 * median(all.map(x => l(x) / x.used - 1))).toFixed(2)} | ${(100 * all.reduce((s, x) => s + l(x) / x.used - 1, 0) / all.length).toFixed(2)} |`)
  }
  for (const c of [...new Set(all.map(x => x.e.class))].sort()) {
    const m = all.filter(x => x.e.class === c), k = m.filter(x => Math.abs(x.e.used - x.used) <= 0.012 * x.used).length
    classes.push(`| ${drift} | ${c} | ${m.length} | ${pct(k / m.length)} | ${pct(lower(k, m.length))} | ${pct(m.filter(x => x.e.interval[0] <= x.used && x.used <= x.e.interval[1]).length / m.length)} | ${pct(median(m.map(x => (x.e.interval[1] - x.e.interval[0]) / x.used)))} | ${pct(m.filter(x => x.fit.ours).length / m.length)} |`)
  }
  if (rest.includes('--misses')) for (const x of all) if (Math.abs(x.e.used - x.used) > 0.012 * x.used || !x.fit.ours) console.error(drift, x.t.name, x.e.class, 'used', x.used, 'said', x.e.used, x.e.interval, 'limit', x.e.limit, x.fit.ours ? '' : 'TOO LOW', 'eth', x.peer.eth)
}
ours.stdin.end()
console.log(`${Object.keys(deployed).length} contracts, ${kinds.length} kinds of calls, seed ${opt('seed', 1)}; drift: transactions mined between estimate and inclusion, half of them of the call's own kind.\n`)
console.log('| drift | estimator | calls | within 1.2 %, % | at least, % (95 % sure) | interval holds, % | limit suffices, % | limit over used, median % | mean % |\n|---|---|---|---|---|---|---|---|---|')
console.log(rows.join('\n') + '\n')
console.log('| drift | class | calls | within 1.2 %, % | at least, % | interval holds, % | its width, median % | limit suffices, % |\n|---|---|---|---|---|---|---|---|')
console.log(classes.join('\n'))
process.exit(0)
