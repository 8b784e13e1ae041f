// SPDX-License-Identifier: Apache-2.0
// The gas evaluation: estimates against receipts on anvil. See bench/gas.sh.
//   node run.mjs SENNIT PEERS_FOLDER [--calls N] [--seed N] [--drifts 0,1,6] [--corpus FILE] [--misses]
//                [--args "--quick"] (for sennit abi gas) [--dump FILE] (a JSON object for each call)
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { appendFileSync } from 'node:fs'
import path from 'node:path'
import readline from 'node:readline'
import { pathToFileURL } from 'node:url'
import { startNode } from './node.mjs'
import { lower, mean, pct, quantile, randomOf } from './stats.mjs'

const [sennit, peers, ...rest] = process.argv.slice(2)
const opt = (name, other) => { const i = rest.indexOf('--' + name); return i < 0 ? other : rest[i + 1] }
const calls = Number(opt('calls', 300)), drifts = opt('drifts', '0,1,6').split(',').map(Number), seed = opt('seed', '1')
const NEAR = 0.012, PAST = 300

const node = await startNode(peers, randomOf(seed))
const { rpc, send, below, pick, ethers } = node
const viem = createRequire(path.join(peers, 'package.json'))('viem')
const { corpus } = await import(opt('corpus') ? pathToFileURL(path.resolve(opt('corpus'))) : './corpus.mjs')
const kinds = await corpus(node)

// ---- the calls
const bare = t => ({ from: t.from, to: t.to, data: t.data, value: t.value ?? '0x0' })
const succeeds = async t => { try { await rpc('eth_call', bare(t), 'latest'); return true } catch { return false } }
/** A call that succeeds now, of the kind if one can be found. */
async function draw(kind) {
  for (let i = 0; i < 30; i++) {
    const t = (i < 8 && kind ? kind : pick(kinds))()
    if (await succeeds(t)) return t
  }
  throw new Error('no call of the mix succeeds')
}
for (let i = 0; i < PAST; i++) await send(await draw(kinds[i % kinds.length])) // a past, and written slots

// ---- estimators
const ours = spawn(sennit, ['abi', 'gas', '--rpc', node.url, '--lines', ...opt('args', '').split(' ').filter(Boolean)], { stdio: ['pipe', 'pipe', 'inherit'] })
const answers = readline.createInterface({ input: ours.stdout })[Symbol.asyncIterator]()
async function estimateOurs(t, drift) {
  ours.stdin.write(JSON.stringify({ ...bare(t), drift }) + '\n')
  const e = JSON.parse((await answers.next()).value)
  if (e.error) throw new Error(`${t.name}: ${e.error}`)
  return e
}
const chain = { id: 31337, name: 'anvil', nativeCurrency: { name: 'E', symbol: 'E', decimals: 18 }, rpcUrls: { default: { http: [node.url] } } }
const viemClient = viem.createPublicClient({ chain, transport: viem.http(node.url) })
const ethersProvider = new ethers.JsonRpcProvider(node.url, undefined, { staticNetwork: true, cacheTimeout: -1 })
/** What the peers' own functions say; they hand on what the node says, which is checked here. */
async function estimatePeers(t) {
  const [eth, e, v] = [Number(await rpc('eth_estimateGas', bare(t))), Number(await ethersProvider.estimateGas(bare(t))),
    Number(await viemClient.estimateGas({ account: t.from, to: t.to, data: t.data, value: BigInt(t.value ?? 0) }))]
  if (e !== eth || v !== eth) throw new Error(`${t.name}: eth_estimateGas says ${eth}, ethers ${e}, viem ${v}`)
  return eth
}
/** The gas the transaction uses with that limit, 0 where it fails: sent, and taken back. */
async function usedWith(t, gas) {
  const snap = await rpc('evm_snapshot')
  try {
    const r = await send(t, '0x' + gas.toString(16))
    return r.ok ? r.used : 0
  } catch { return 0 } finally {
    await rpc('evm_revert', snap)
    await rpc('anvil_dropAllTransactions')
  }
}
/** The least limit that suffices, within 0.1 %, known not to be below `low`. */
async function least(t, low) {
  let high = low
  do high *= 2; while (!(await usedWith(t, high)) && high < 1e7)
  while (high - low > 1 + high / 1000) {
    const m = (low + high) >> 1
    if (await usedWith(t, m)) high = m
    else low = m
  }
  return high
}

/** One call: estimated, then `drift` others mined, then its own receipt. */
async function trial(i, drift) {
  const kind = kinds[i % kinds.length], t = await draw(kind), t0 = process.hrtime.bigint()
  const e = await estimateOurs(t, drift), ms = Number(process.hrtime.bigint() - t0) / 1e6, peer = await estimatePeers(t)
  for (let k = 0; k < drift; k++) await send(await draw(below(2) ? kind : undefined))
  if (!(await succeeds(t))) return null // another took its place
  // Each is compared with the receipt of the transaction with its own limit.
  const with_ = { ours: await usedWith(t, e.limit), peer: await usedWith(t, peer) }
  const need = with_.peer ? 0 : await least(t, peer)
  const r = await send(t)
  if (!r.ok) return null
  return { t, e, ms, peer, fits: with_.ours > 0, peerFits: with_.peer > 0, need, used: with_.ours || r.used, peerUsed: with_.peer || r.used }
}

// ---- tables
const near = (said, used) => Math.abs(said - used) <= NEAR * used
const holds = x => x.e.interval[0] <= x.used && x.used <= x.e.interval[1]
const share = (list, f) => list.filter(f).length / list.length

const table = (heads, lines) => [heads, heads.map(() => '---'), ...lines].map(l => `| ${l.join(' | ')} |`).join('\n') + '\n'
const rows = [], limits = [], classes = []
/** Limits, and what the peers' need times what to miss no more than Sennit's. */
function tellLimits(drift, which, all) {
  const n = all.length, ours = n - all.filter(x => x.fits).length
  const needs = all.filter(x => !x.peerFits).map(x => x.need / x.peer).sort((x, y) => y - x), enough = Math.max(1, needs[ours] ?? 1)
  const lines = [['Sennit', x => x.e.limit, x => x.fits],
    ...[1, 1.2, enough].map((m, i) => [i < 2 ? `peers × ${m}` : `peers × ${m.toFixed(3)}, to miss no more than Sennit`,
      x => Math.ceil(m * x.peer), x => x.peerFits || Math.ceil(m * x.peer) >= x.need])]
  for (const [name, limit, fits] of lines) {
    const o = all.map(x => limit(x) / (name === 'Sennit' ? x.used : x.peerUsed) - 1)
    limits.push([drift, which, name, n, pct(share(all, fits), 2), n - all.filter(fits).length, pct(lower(all.filter(fits).length, n), 2), pct(quantile(o, 0.5), 2), pct(mean(o), 2), pct(quantile(o, 0.95))])
  }
}
function tell(drift, all) {
  const n = all.length
  for (const [name, right] of [['Sennit', x => near(x.e.used, x.used)], ['`eth_estimateGas`, ethers, viem (the same)', x => near(x.peer, x.peerUsed)]]) {
    const k = all.filter(right).length
    rows.push([drift, name, n, pct(k / n), n - k, pct(lower(k, n)), name === 'Sennit' ? pct(share(all, holds)) : '–'])
  }
  tellLimits(drift, 'all', all)
  // A program that looks at its gas does less with less: its least limit is not what it would use.
  const plain = all.filter(x => x.e.class !== 'metered')
  tellLimits(drift, 'without metered', plain)
  const groups = new Map()
  for (const x of all) for (const g of [x.e.steady ? 'steady' : 'moved by others', x.e.class]) groups.set(g, [...(groups.get(g) ?? []), x])
  for (const [g, m] of groups) {
    const k = m.filter(x => near(x.e.used, x.used)).length
    classes.push([drift, g, m.length, pct(k / m.length), pct(lower(k, m.length)), pct(share(m, holds)), pct(quantile(m.map(x => (x.e.interval[1] - x.e.interval[0]) / x.used), 0.5)),
      m.filter(x => !x.fits).length])
  }
  if (rest.includes('--misses')) for (const x of all) if (!near(x.e.used, x.used) || !x.fits || !holds(x))
    console.error(drift, x.t.name, x.e.class, x.e.steady ? 'steady' : 'moves', 'used', x.used, 'said', x.e.used, x.e.interval, holds(x) ? '' : 'OUTSIDE',
      'limit', x.e.limit, x.fits ? '' : 'TOO LOW', 'scenes', x.e.scenes, 'peer', x.peer, x.need, 'samples', x.e.samples)
  if (rest.includes('--limits')) for (const x of [...all].sort((a, b) => b.e.limit / b.used - a.e.limit / a.used).slice(0, 25))
    console.error(drift, 'limit', x.t.name, (x.e.limit / x.used).toFixed(3), 'peer', (x.peer / x.used).toFixed(3), x.e.reasons.join('; '))
  console.error(`drift ${drift}: an estimate took ${quantile(all.map(x => x.ms), 0.5).toFixed(1)} ms (median)`)
}
for (const drift of drifts) {
  const all = []
  for (let i = 0; all.length < calls && i < 2 * calls; i++) {
    const x = await trial(i, drift)
    if (x) all.push(x)
  }
  tell(drift, all)
  if (opt('dump')) appendFileSync(opt('dump'), all.map(x => JSON.stringify({ drift, seed, ...x }) + '\n').join(''))
}
ours.stdin.end()
console.log(`${Object.keys(node.contracts).length} contracts, ${kinds.length} kinds of calls, seed ${seed}; drift: transactions mined between estimate and inclusion, half of them of the call's own kind.\n`)
console.log(table(['drift', '`used` by', 'calls', 'within 1.2 %, %', 'misses', 'at least, % (95 % sure)', 'interval holds, %'], rows))
console.log(table(['drift', 'calls of', 'limit by', 'calls', 'suffices, %', 'misses', 'at least, % (95 % sure)', 'over used: median %', 'mean %', '95th percentile %'], limits))
console.log(table(['drift', 'class', 'calls', 'within 1.2 %, %', 'at least, %', 'interval holds, %', 'its width, median %', 'limits too low'], classes))
process.exit(0)
