// SPDX-License-Identifier: Apache-2.0
// `sennit abi gas` against anvil behind a proxy that takes methods away, limits rates, moves the state or
// lies: which way it takes, what it predicts against receipts, and how it fails. See tests/interop/gas.sh.
//   node gas.mjs SENNIT PEERS_FOLDER
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import { writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { startNode } from '../../../bench/gas/node.mjs'
import { randomOf } from '../../../bench/gas/stats.mjs'

const [sennit, peers] = process.argv.slice(2)
const source = `// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;
contract Store { mapping(uint256 => uint256) s; function put(uint256 k, uint256 v) external { s[k] = v; } function clear(uint256 n) external { for (uint256 i = 0; i < n; i++) delete s[i]; } }
contract Shop { Store store; constructor(Store x) { store = x; } function nested(uint256 k) external { store.put(k, 1); } function fails() external pure { revert("closed"); } }`
let failed = 0
const check = (what, ok, said) => { console.log(`${ok ? 'ok' : 'FAIL'} ${what}${ok ? '' : ': ' + JSON.stringify(said).slice(0, 600)}`); if (!ok) failed++ }

const node = await startNode(peers, randomOf(1))
const file = path.join(os.tmpdir(), `sennit-gas-${process.pid}.sol`)
writeFileSync(file, source)
const built = node.compile(file)
await node.deploy('Store', built.Store)
await node.deploy('Shop', built.Shop, [node.at('Store')])
for (let i = 0; i < 8; i++) await node.send(node.tx(node.accounts[0], 'Store', 'put', [i, 7]))

// ---- the proxy: mode(method) gives undefined to pass on, or what to do instead
let mode = () => undefined, asked = 0, looks = 0
const proxy = createServer((request, response) => {
  let body = ''
  request.on('data', d => { body += d })
  request.on('end', async () => {
    asked++
    const calls = [JSON.parse(body)].flat(), whole = mode(calls[0].method, calls)
    if (whole?.status) { response.writeHead(whole.status, whole.headers); return response.end(whole.body ?? '') }
    if (whole?.text !== undefined) return response.end(whole.text)
    const answers = await Promise.all(calls.map(async c => {
      const m = mode(c.method)
      if (m?.error) return { jsonrpc: '2.0', id: c.id, error: m.error }
      let result
      try { result = await node.rpc(c.method, ...c.params) } catch (e) { return { jsonrpc: '2.0', id: c.id, error: { code: 3, message: e.message, data: e.data } } }
      return { jsonrpc: '2.0', id: c.id, result: m?.change ? m.change(result, c) : result }
    }))
    response.end(JSON.stringify(Array.isArray(JSON.parse(body)) ? answers : answers[0]))
  })
})
await new Promise(r => proxy.listen(0, '127.0.0.1', r))
const url = `http://127.0.0.1:${proxy.address().port}`
const secret = 'sesame-secret'
async function gas(t, ...args) {
  const p = spawn(sennit, ['abi', 'gas', '--rpc', url, '--header', `Authorization: Bearer ${secret}`, '--from', t.from, '--to', t.to, '--data', t.data, ...args])
  let out = '', err = ''
  p.stdout.on('data', d => { out += d })
  p.stderr.on('data', d => { err += d })
  const code = await new Promise(r => p.on('close', r))
  check('no secret is shown', !(out + err).includes(secret), out + err)
  return { code, out, err, e: out.startsWith('{') ? JSON.parse(out) : undefined }
}
const gone = (...names) => m => (names.includes(m) ? { error: { code: -32601, message: 'the method does not exist/is not available' } } : undefined)

const [a] = node.accounts
const calls = { write: node.tx(a, 'Store', 'put', [100, 1]), refund: node.tx(a, 'Store', 'clear', [6]), nested: node.tx(a, 'Shop', 'nested', [200]) }
for (const [method, without] of [['simulate', []], ['trace', ['eth_simulateV1']], ['bisect', ['eth_simulateV1', 'debug_traceCall']]])
  for (const [name, t] of Object.entries(calls)) {
    mode = gone(...without)
    const { e } = await gas(t, '--json', '--drift', '0'), snap = await node.rpc('evm_snapshot')
    const r = await node.send(t, '0x' + e.limit.toString(16))
    await node.rpc('evm_revert', snap)
    check(`${method} ${name}: the method`, e.method === method, e)
    check(`${method} ${name}: the limit suffices`, r.ok, e)
    check(`${method} ${name}: the receipt in the interval`, e.interval[0] <= r.used && r.used <= e.interval[1], [e, r])
    if (method !== 'bisect') check(`${method} ${name}: used within 1.2 %`, Math.abs(e.used - r.used) <= 0.012 * r.used, [e, r])
  }
mode = () => undefined
const refused = await gas(node.tx(a, 'Shop', 'fails'), '--json')
check('a revert is told, with its data', refused.code === 1 && refused.e?.reverts && refused.e.revertData.startsWith('0x08c379a0'), refused)

looks = 0
mode = m => (m === 'eth_getBlockByNumber' ? { change: b => ({ ...b, stateRoot: '0x' + String(++looks).padStart(64, '0') }) } : undefined)
const moving = await gas(calls.write, '--json', '--no-history')
check('a state that always moves: three retries, then the last answer', moving.e?.retries === 3 && moving.e.confidence <= 0.5, moving)
let busy = 2
mode = () => (busy-- > 0 ? { status: 429, headers: { 'retry-after': '0' } } : undefined)
check('two refusals for rate are waited out', (await gas(calls.write, '--json')).code === 0)
for (const [what, bad, says] of [
  ['a rate limit for ever', () => ({ status: 429, headers: { 'retry-after': '0' } }), /too many requests/i],
  ['a rate limit inside', m => (m === 'eth_simulateV1' ? { error: { code: -32005, message: 'limit exceeded' } } : undefined), /limit exceeded/],
  ['no JSON', () => ({ text: '<html>' }), /JSON/i],
  ['half an answer', () => ({ text: '[{"jsonrpc":"2.0","id":' }), /JSON/i],
  ['a negative gasUsed', m => (m === 'eth_simulateV1' ? { change: r => { r.at(-1).calls[0].gasUsed = '-0x1'; return r } } : undefined), /gasUsed/],
  ['gasUsed beyond reason', m => (m === 'eth_simulateV1' ? { change: r => { r.at(-1).calls[0].gasUsed = '0xffffffffffffffff'; return r } } : undefined), /gasUsed/],
  ['a block without number', m => (m === 'eth_getBlockByNumber' ? { change: () => null } : undefined), /block number/],
  ['nothing but refusals', gone('eth_simulateV1', 'debug_traceCall', 'eth_call'), /no way to simulate|not available/],
]) {
  mode = bad
  asked = 0
  const r = await gas(calls.write, '--json', ...(/gasUsed/.test(what) ? ['--method', 'simulate'] : []))
  check(`${what}: exit 1 with what and where`, r.code === 1 && says.test(r.err) && r.out === '', r)
  check(`${what}: a bounded number of questions`, asked < 60, asked)
}
mode = () => undefined
const typo = await gas({ ...calls.write, to: '0x12' })
check('a short address is named', typo.code !== 0 && /to: 20 bytes/.test(typo.err), typo)
const fees = spawn(sennit, ['abi', 'fees', '--rpc', url, '--json'])
let text = ''
for await (const d of fees.stdout) text += d
check('fees: of anvil', JSON.parse(text).maxFeePerGas >= JSON.parse(text).baseFee, text)
process.exit(failed ? 1 : 0)
