// SPDX-License-Identifier: Apache-2.0
// Chains to suggest fees on: blocks with base fees (EIP-1559), how full they were and the tips they
// took - simulated from a demand, or replayed from an eth_feeHistory answer.
const WARM = 300, LIMIT = 30_000_000, TARGET = LIMIT / 2, GAS = 100_000, POOL_MAX = 3000, EXPIRES = 40
const GWEI = 1e9, PERCENTILES = [10, 25, 50, 75, 90]

/** EIP-1559's next base fee. */
export function nextBase(base, used) {
  const d = Math.floor((base * Math.abs(used - TARGET)) / TARGET / 8)
  return used === TARGET ? base : used > TARGET ? base + Math.max(d, 1) : base - d
}
const gauss = random => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
function poisson(random, mean) { return Math.max(0, Math.round(mean + Math.sqrt(mean) * gauss(random))) }

/** Arrivals a block of each demand: how many, and what they bid (wei). */
const demands = {
  steady: () => ({ rate: 160, price: 12, tip: 0.5 }),
  bursts: (i, s) => { // a sale now and then: four times the demand, in a hurry
    if (s.left > 0) s.left--
    else if (s.random() < 1 / 70) s.left = 3 + Math.floor(12 * s.random())
    return s.left > 0 ? { rate: 620, price: 40, tip: 4 } : { rate: 140, price: 12, tip: 0.4 }
  },
  ramps: i => { const up = (1 - Math.cos((2 * Math.PI * i) / 260)) / 2; return { rate: 110 + 130 * up, price: 8 + 60 * up, tip: 0.3 + 2 * up } },
  elastic: (i, s, base) => ({ rate: Math.min(800, 160 * (12 * GWEI / base) ** 1.5), price: 60, tip: 0.5 }),
  quiet: (i, s, base) => ({ rate: Math.min(800, (150 * 0.05 * GWEI) / base), price: 1, tip: 0.01 }),
}
export const demandNames = Object.keys(demands)

/** One block out of the pool: the best tips first, until it is full. */
function produce(pool, base, capacity) {
  const tipOf = t => Math.min(t.tip, t.max - base)
  const able = pool.filter(t => t.max >= base + 1).sort((a, b) => tipOf(b) - tipOf(a))
  const taken = able.slice(0, capacity), tips = taken.map(tipOf)
  return { taken: new Set(taken), tips, full: taken.length >= capacity }
}
export function simulate(name, random, blocks) {
  const state = { random, left: 0 }, chain = []
  let base = 10 * GWEI, pool = []
  for (let i = 0; i < blocks + WARM; i++) {
    const d = demands[name](i, state, base)
    for (let k = poisson(random, d.rate); k > 0; k--) {
      const tip = Math.round(d.tip * GWEI * Math.exp(0.9 * gauss(random)))
      pool.push({ tip, max: Math.round(d.price * GWEI * Math.exp(0.6 * gauss(random))) + tip, until: i + EXPIRES })
    }
    const made = produce(pool, base, LIMIT / GAS), used = made.taken.size * GAS
    // What one more transaction would have had to tip: one wei where there was room.
    const least = made.full ? made.tips.at(-1) + 1 : 1, low = [...made.tips].reverse()
    chain.push({ base, ratio: used / LIMIT, least, lowest: low.slice(0, 3),
      tips: PERCENTILES.map(p => (low.length ? low[Math.min(low.length - 1, Math.floor((low.length * p) / 100))] : 0)) })
    pool = pool.filter(t => !made.taken.has(t) && t.until > i).slice(-POOL_MAX)
    base = Math.max(nextBase(base, used), 7)
  }
  return { chain: chain.slice(WARM), next: base }
}
/** A recorded path: eth_feeHistory's answer with rewards at 10, 25, 50, 75 and 90 %. */
export function replay(history) {
  const chain = history.gasUsedRatio.map((ratio, i) => {
    const tips = history.reward[i].map(Number)
    return { base: Number(history.baseFeePerGas[i]), ratio, least: ratio > 0.95 ? tips[0] + 1 : 1, lowest: tips.slice(0, 1), tips }
  })
  return { chain, next: Number(history.baseFeePerGas.at(-1)) }
}
/** Recorded blocks ({number, base_fee_per_gas, gas_used, gas_limit, avg_priority_fee}): base fees, which must follow
 *  from each other, and how full they were. Of tips they have the mean alone: it is spread as in the demands above. */
export function replayBlocks(rows) {
  const spread = [-1.2816, -0.6745, 0, 0.6745, 1.2816].map(z => Math.exp(0.9 * z - (0.9 * 0.9) / 2)) // of a mean of 1
  const after = b => {
    const target = BigInt(b.gas_limit) / 2n, base = BigInt(b.base_fee_per_gas), used = BigInt(b.gas_used)
    const d = (base * (used > target ? used - target : target - used)) / target / 8n
    return Number(used > target ? base + (d > 1n ? d : 1n) : base - d)
  }
  const chain = rows.map((b, i) => {
    for (const key of ['number', 'base_fee_per_gas', 'gas_used', 'gas_limit', 'avg_priority_fee'])
      if (!Number.isSafeInteger(b[key])) throw new Error(`replay: block ${i}: ${key}: a number expected, found ${b[key]}`)
    const next = rows[i + 1]
    if (next && (next.number !== b.number + 1 || next.base_fee_per_gas !== after(b)))
      throw new Error(`replay: block ${next.number} with base fee ${next.base_fee_per_gas} does not follow ${b.number}: ${after(b)} expected`)
    const ratio = b.gas_used / b.gas_limit, tips = spread.map(x => Math.round(x * b.avg_priority_fee))
    return { base: b.base_fee_per_gas, ratio, least: ratio > 0.95 ? tips[0] + 1 : 1, lowest: tips.slice(0, 1), tips }
  })
  return { chain, next: after(rows.at(-1)) }
}

/** What a node says after block `at`: fee history, and geth's own suggestion of a tip. */
export class Node {
  constructor({ chain, next }) { Object.assign(this, { chain, last: next, at: chain.length - 1 }) }
  baseAfter(i) { return i + 1 < this.chain.length ? this.chain[i + 1].base : this.last }
  // geth's oracle with its defaults: of the last 20 blocks the three lowest tips each (from 2 wei), the 60th percentile.
  tip() {
    const seen = []
    for (let i = Math.max(0, this.at - 19); i <= this.at; i++) seen.push(...this.chain[i].lowest.filter(t => t >= 2))
    seen.sort((a, b) => a - b)
    return seen.length ? Math.min(seen[Math.floor(((seen.length - 1) * 60) / 100)], 500 * GWEI) : GWEI
  }
  answer(method, params) {
    const hex = n => '0x' + n.toString(16), b = this.chain[this.at]
    switch (method) {
      case 'eth_chainId': return '0x1'
      case 'net_version': return '1'
      case 'eth_blockNumber': return hex(this.at)
      case 'eth_maxPriorityFeePerGas': return hex(this.tip())
      case 'eth_gasPrice': return hex(this.tip() + this.baseAfter(this.at))
      case 'eth_getBlockByNumber': return { number: hex(this.at), timestamp: hex(1.7e9 + 12 * this.at), baseFeePerGas: hex(b.base), gasLimit: hex(LIMIT),
        gasUsed: hex(Math.round(b.ratio * LIMIT)), hash: '0x' + '11'.repeat(32), parentHash: '0x' + '10'.repeat(32), transactions: [], miner: '0x' + '00'.repeat(20),
        nonce: '0x0000000000000000', difficulty: '0x0', extraData: '0x', stateRoot: '0x' + '12'.repeat(32), receiptsRoot: '0x' + '13'.repeat(32), logsBloom: '0x' + '00'.repeat(256),
        sha3Uncles: '0x' + '14'.repeat(32), transactionsRoot: '0x' + '15'.repeat(32), mixHash: '0x' + '16'.repeat(32), size: '0x400', uncles: [] }
      case 'eth_feeHistory': {
        const from = Math.max(0, this.at - Number(params[0]) + 1), part = this.chain.slice(from, this.at + 1)
        return { oldestBlock: hex(from), baseFeePerGas: [...part.map(x => hex(x.base)), hex(this.baseAfter(this.at))], gasUsedRatio: part.map(x => x.ratio),
          reward: part.map(x => (params[2] ?? []).map(p => hex(x.tips[Math.max(0, PERCENTILES.findIndex(q => q >= p))]))) }
      }
      default: throw Object.assign(new Error(`the method ${method} does not exist/is not available`), { code: -32601 })
    }
  }
}
/** Where a transaction lands that is sent after block `at`: the price it pays, or nothing within the blocks. */
export function include({ chain }, at, blocks, maxFee, tip) {
  for (let i = at + 1; i <= at + blocks; i++) {
    const b = chain[i], paid = Math.min(tip, maxFee - b.base)
    if (maxFee > b.base && paid >= b.least) return { price: b.base + paid, waited: i - at }
  }
  return null
}
/** The least that would have been included within the blocks: known only afterwards. */
export const cheapest = ({ chain }, at, blocks) => Math.min(...chain.slice(at + 1, at + 1 + blocks).map(b => b.base + b.least))
