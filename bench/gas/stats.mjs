// SPDX-License-Identifier: Apache-2.0
// What the gas and fee evaluations need of statistics, and their random numbers.

/** mulberry32: the same seed draws the same numbers anywhere. */
export function randomOf(seed) {
  let state = Number(seed) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** The logarithm of n over k. */
function logChoose(n, k) {
  let s = 0
  for (let i = 1; i <= k; i++) s += Math.log((n - k + i) / i)
  return s
}
/** P(at least k of n), each with probability p. */
function atLeast(k, n, p) {
  let s = 0
  for (let i = k; i <= n; i++) s += Math.exp(logChoose(n, i) + i * Math.log(p) + (n - i) * Math.log1p(-p))
  return s
}
/** Clopper and Pearson's one-sided 95 % lower bound of a share of which k of n were seen. */
export function lower(k, n) {
  if (k === 0) return 0
  let low = 0, high = 1
  for (let i = 0; i < 50; i++) {
    const m = (low + high) / 2
    if (atLeast(k, n, m) > 0.05) high = m
    else low = m
  }
  return low
}
export function quantile(values, p) {
  const v = [...values].sort((a, b) => a - b)
  return v.length ? v[Math.min(v.length - 1, Math.floor(p * v.length))] : NaN
}
export const mean = v => v.reduce((s, x) => s + x, 0) / v.length
export const pct = (x, digits = 1) => (Number.isFinite(x) ? (100 * x).toFixed(digits) : '–')
