// SPDX-License-Identifier: Apache-2.0
// viem and ethers over the corpus: node peers.mjs viem|ethers CORPUS, as bench_evm.
import { readFileSync } from 'node:fs'

const [who, path] = process.argv.slice(2)
const rows = readFileSync(path, 'utf8').trim().split('\n').map((l) => JSON.parse(l))
  .map((r) => ({ data: r.data, out: JSON.parse(r.abi).find((x) => x.name === 'test').outputs }))
const codec = {
  async viem() {
    const { decodeAbiParameters, encodeAbiParameters } = await import('viem')
    return { types: (o) => o, decode: decodeAbiParameters, encode: encodeAbiParameters, values: (v) => v }
  },
  async ethers() {
    const { AbiCoder, ParamType } = await import('ethers')
    const c = AbiCoder.defaultAbiCoder()
    return {
      types: (o) => o.map((p) => ParamType.from(p)), decode: (t, d) => c.decode(t, d).toArray(true),
      encode: (t, v) => c.encode(t, v), values: (v) => v,
    }
  },
}
const c = await codec[who]()
for (const r of rows) {
  r.types = c.types(r.out)
  r.value = c.decode(r.types, r.data)
  if (c.encode(r.types, r.value) !== r.data) throw new Error(`${who} disagrees`)
}
function measure(one) {
  let bytes = 0
  for (const r of rows) one(r) // compiled before it is measured
  const begin = process.cpuUsage()
  let used
  do {
    for (const r of rows) { one(r); bytes += r.data.length / 2 - 1 }
    used = process.cpuUsage(begin)
  } while (used.user + used.system < 2e6)
  return bytes / (used.user + used.system)
}
console.log(`${who} decode ${measure((r) => c.decode(r.types, r.data)).toFixed(1)}`)
console.log(`${who} encode ${measure((r) => c.encode(r.types, r.value)).toFixed(1)}`)
