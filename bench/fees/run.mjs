// SPDX-License-Identifier: Apache-2.0
// The fee evaluation: what is suggested on each chain, and where a transaction with it lands. See bench/fees.sh.
//   node run.mjs SENNIT PEERS_FOLDER [--seed N] [--probes N] [--blocks 1,3,6] [--replay FILE] [--python PYTHON]
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import path from 'node:path'
import readline from 'node:readline'
import { mean, pct, quantile, randomOf } from '../gas/stats.mjs'
import { cheapest, demandNames, include, Node, replay, replayBlocks, simulate } from './chain.mjs'

const [sennit, peers, ...rest] = process.argv.slice(2)
const opt = (name, other) => { const i = rest.indexOf('--' + name); return i < 0 ? other : rest[i + 1] }
const seed = opt('seed', '1'), probes = Number(opt('probes', 100)), windows = opt('blocks', '1,3,6').split(',').map(Number)
const HISTORY = 128, STEP = 7, require = createRequire(path.join(peers, 'package.json'))
const { ethers } = require('ethers'), viem = require('viem')

// ---- the scripted node
let node
const server = createServer((request, response) => {
  let body = ''
  request.on('data', d => { body += d })
  request.on('end', () => {
    const one = q => { try { return { jsonrpc: '2.0', id: q.id, result: node.answer(q.method, q.params) } } catch (e) { return { jsonrpc: '2.0', id: q.id, error: { code: e.code ?? -32603, message: e.message } } } }
    const asked = JSON.parse(body)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(Array.isArray(asked) ? asked.map(one) : one(asked)))
  })
})
await new Promise(r => server.listen(0, '127.0.0.1', r))
const url = `http://127.0.0.1:${server.address().port}`

// ---- who suggests: [maxFeePerGas, maxPriorityFeePerGas], for that many blocks where one can say so
async function ours(blocks) {
  const p = spawn(sennit, ['abi', 'fees', '--rpc', url, '--blocks', String(blocks), '--json'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  for await (const d of p.stdout) text += d
  const f = JSON.parse(text)
  return [f.maxFeePerGas, f.maxPriorityFeePerGas]
}
const provider = new ethers.JsonRpcProvider(url, 1, { staticNetwork: true, cacheTimeout: -1 })
const chain = { id: 1, name: 'x', nativeCurrency: { name: 'E', symbol: 'E', decimals: 18 }, rpcUrls: { default: { http: [url] } } }
const client = viem.createPublicClient({ chain, transport: viem.http(url), cacheTime: 0 })
const suggesters = {
  Sennit: ours,
  ethers: async () => { const f = await provider.getFeeData(); return [Number(f.maxFeePerGas), Number(f.maxPriorityFeePerGas)] },
  viem: async () => { const f = await client.estimateFeesPerGas(); return [Number(f.maxFeePerGas), Number(f.maxPriorityFeePerGas)] },
}
let python
if (opt('python')) { // web3.py: what it fills a transaction with
  const code = `import sys\nfrom web3 import Web3, HTTPProvider\nfrom web3._utils.transactions import fill_transaction_defaults\nw3 = Web3(HTTPProvider("${url}"))
for _ in sys.stdin:\n    t = fill_transaction_defaults(w3, {"gas": 21000, "value": 0, "data": b"", "to": "0x" + "00" * 20, "from": "0x" + "00" * 20})\n    print(t["maxFeePerGas"], t["maxPriorityFeePerGas"], flush=True)`
  python = spawn(opt('python'), ['-c', code], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = readline.createInterface({ input: python.stdout })[Symbol.asyncIterator]()
  suggesters['web3.py'] = async () => { python.stdin.write('\n'); return (await lines.next()).value.split(' ').map(Number) }
}
// What geth's two answers make, as its own console and bind use them: twice the newest block's base fee and the tip.
suggesters['go-ethereum bind'] = async () => { const tip = node.tip(); return [tip + 2 * node.chain[node.at].base, tip] }

// ---- the evaluation
const recorded = opt('replay') && JSON.parse(readFileSync(opt('replay'), 'utf8'))
const paths = recorded ? { replayed: (Array.isArray(recorded) ? replayBlocks : replay)(recorded) }
  : Object.fromEntries(demandNames.map((d, i) => [d, simulate(d, randomOf(Number(seed) * 1000 + i), HISTORY + probes * STEP + 20)]))
const rows = [], totals = new Map()
for (const [name, road] of Object.entries(paths)) {
  node = new Node(road)
  const said = new Map()
  for (const blocks of windows) for (const who of Object.keys(suggesters)) said.set(`${blocks} ${who}`, [])
  for (let k = 0; k < probes; k++) {
    node.at = HISTORY + k * STEP
    if (node.at + Math.max(...windows) >= road.chain.length) break
    for (const [who, ask] of Object.entries(suggesters)) {
      const same = who === 'Sennit' ? null : await ask()
      for (const blocks of windows) {
        const [max, tip] = same ?? (await ask(blocks)), got = include(road, node.at, blocks, max, tip)
        const list = said.get(`${blocks} ${who}`), best = cheapest(road, node.at, blocks)
        list.push({ in: got !== null, over: got ? got.price / best - 1 : NaN, tip, held: got ? max / got.price : NaN })
      }
    }
    // Who leaves out the dear ones pays less for the rest: compared where all got in.
    for (const blocks of windows) {
      const each = Object.keys(suggesters).map(who => said.get(`${blocks} ${who}`).at(-1)), all = each.every(x => x.in)
      for (const x of each) x.all = all
    }
  }
  for (const [key, list] of said) totals.set(key, [...(totals.get(key) ?? []), ...list.map(x => ({ ...x, name }))])
}
function row(key, list) {
  const [blocks, ...who] = key.split(' '), paid = list.filter(x => x.in)
  return [blocks, who.join(' '), list.length, pct(paid.length / list.length), pct(mean(paid.map(x => x.over)), 2), pct(mean(list.filter(x => x.all).map(x => x.over)), 2), pct(quantile(paid.map(x => x.over), 0.95), 1),
    (quantile(paid.map(x => x.tip), 0.5) / 1e9).toFixed(3), mean(paid.map(x => x.held)).toFixed(2)]
}
const table = (heads, lines) => [heads, heads.map(() => '---'), ...lines].map(l => `| ${l.join(' | ')} |`).join('\n') + '\n'
for (const [key, list] of totals) rows.push(row(key, list))
console.log(`${Object.keys(paths).join(', ')}; ${recorded ? `${Object.values(paths)[0].chain.length} blocks` : `${probes} suggestions on each, seed ${seed}`}\n`)
console.log(table(['within blocks', 'by', 'suggestions', 'included, %', 'paid over the least, mean %', 'where all got in, mean %', '95th percentile %', 'tip, median gwei', 'max fee over paid, mean'], rows))
const parts = []
for (const [key, list] of totals) {
  const cells = Object.keys(paths).map(p => { const m = list.filter(x => x.name === p), paid = m.filter(x => x.in); return `${pct(paid.length / m.length, 0)} / ${pct(mean(paid.map(x => x.over)), 1)}` })
  parts.push([key.split(' ')[0], key.split(' ').slice(1).join(' '), ...cells])
}
console.log(table(['within blocks', 'by: included % / over %', ...Object.keys(paths)], parts))
python?.kill()
process.exit(0)
