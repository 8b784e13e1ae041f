// SPDX-License-Identifier: Apache-2.0
// A node whose one contract costs what gas.json says, at /WHO/CASE of the port it prints: what the gas
// checks of all languages are asked about, so that their answers can be compared to the unit.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

const cases = Object.fromEntries(JSON.parse(readFileSync(process.argv[2])).map(c => [c.name, c]))
const TO = '0x' + 'aa'.repeat(20), HEAD = 64
const hex = n => '0x' + n.toString(16), senderOf = s => '0x' + s.repeat(20)
const looks = new Map() // how often each asker looked at the newest block of each case
class Refused extends Error { constructor(code, message) { super(message); this.code = code } }

/** What the call costs when `before` came first. */
function outcome(c, moved, before, time) {
  const first = before?.[0], by = Object.keys(c.from ?? {}).find(s => senderOf(s) === first?.from?.toLowerCase())
  const changed = (time ? c.later : undefined) ?? c.after?.[first?.input] ?? (by && first.input === c.data ? c.from[by] : undefined)
  if (changed?.refused) throw new Refused(-32003, changed.refused)
  const more = (changed?.each ?? 0) * ((before?.length ?? 1) - 1) + moved * (c.step ?? 0)
  return { used: (changed ?? c).used + more, least: ((changed ?? c).least ?? 0) + more, fails: changed?.fails }
}
function run(c, moved, call, before, time) {
  const o = outcome(c, moved, before, time), gas = call.gas === undefined ? Infinity : Number(call.gas)
  return { ok: !o.fails && gas >= o.least, used: c.metered && gas < o.used ? gas : o.used }
}
function block(c, n) {
  const txs = (c.history ?? [])[HEAD - n] ?? []
  return { number: hex(n), transactions: txs.map(([from, input, warm], i) => ({ hash: hex(n * 16 + i), blockNumber: hex(n), from: senderOf(from), to: TO,
    input, value: '0x0', accessList: warm ? [{ address: TO, storageKeys: [] }] : [] })) }
}
function answer(c, key, method, params) {
  const moved = Math.min(looks.get(key) ?? 0, c.moves ?? 0)
  if (c.without?.includes(method)) throw new Refused(-32601, 'the method does not exist/is not available')
  if (method === 'eth_chainId') return '0x1'
  if (method === 'eth_getCode') return '0x600160005500'
  if (method === 'eth_getBlockByNumber') {
    if (params[0] !== 'latest') return block(c, Number(params[0]))
    looks.set(key, (looks.get(key) ?? 0) + 1)
    const state = Math.min(looks.get(key), c.moves ?? 0)
    return { number: hex(HEAD), timestamp: hex(1000), gasLimit: hex(c.gasLimit ?? 36000000), stateRoot: hex(0xabc000 + state) }
  }
  if (method === 'eth_simulateV1') {
    const blocks = params[0].blockStateCalls, mine = blocks.at(-1)
    const o = run(c, moved, mine.calls[0], blocks.length > 1 ? blocks[0].calls : undefined, mine.blockOverrides?.time)
    return blocks.map((b, i) => ({ calls: i < blocks.length - 1 ? b.calls.map(() => ({ status: '0x1', gasUsed: '0x5208' }))
      : [{ status: o.ok ? '0x1' : '0x0', gasUsed: hex(o.used), returnData: '0x', ...(o.ok ? {} : { error: { code: -32015, message: 'out of gas' } }) }] }))
  }
  const o = run(c, moved, params[0], undefined, params[2]?.blockOverrides?.time)
  if (method === 'debug_traceCall') return { gasUsed: hex(o.used), output: '0x', ...(o.ok ? {} : { error: 'out of gas' }) }
  if (method === 'eth_call' && o.ok) return '0x'
  if (method === 'eth_call') throw new Refused(-32000, 'out of gas')
  throw new Refused(-32601, `the method ${method} does not exist/is not available`)
}
function reply(key, { id, method, params }) {
  try { return { jsonrpc: '2.0', id, result: answer(cases[key.split('/')[1]], key, method, params) } } catch (e) {
    return { jsonrpc: '2.0', id, error: { code: e.code ?? -32603, message: e.message } }
  }
}
const server = createServer((request, response) => {
  let body = ''
  request.on('data', d => { body += d })
  request.on('end', () => {
    const asked = JSON.parse(body), key = request.url.slice(1)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(Array.isArray(asked) ? asked.map(q => reply(key, q)) : reply(key, asked)))
  })
})
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
