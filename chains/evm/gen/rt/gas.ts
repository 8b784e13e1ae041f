// SPDX-License-Identifier: Apache-2.0
// The gas check: what a transaction will use and what limit to give it, before it is sent. These are
// different numbers: refunds come back only at the end, and a call keeps a 64th back from its callee.
import { toHex, type Account, type Address, type Chain, type Client, type Hex, type Transport } from 'viem';
import { estimateGas } from 'viem/actions';

/** All in units of gas. */
export interface GasReport {
  /** To put into the transaction. */
  readonly limit: bigint;
  /** Most likely the receipt's gasUsed. */
  readonly used: bigint;
  /** Where gasUsed will be if nobody touches the same state before. */
  readonly interval: readonly [low: bigint, high: bigint];
  /** Where `used` comes from; `estimate` is an upper bound only. */
  readonly method: 'simulate' | 'trace' | 'estimate';
}
export interface GasRequest {
  readonly from: Address;
  readonly to: Address | undefined;
  readonly data: Hex;
  readonly value: bigint | undefined;
}
/** EIP-7825: no transaction may ask for more. */
const TX_GAS_MAX = 16_777_216n;

type AnyClient = Client<Transport, Chain | undefined, Account | undefined>;
type Answer = { readonly [key: string]: unknown } | readonly unknown[] | string | null | undefined;

async function ask(client: AnyClient, method: string, params: readonly unknown[]): Promise<Answer> {
  const request = client.request as (call: { method: string; params: readonly unknown[] }) => Promise<Answer>;
  try {
    return await request({ method, params });
  } catch {
    return undefined; // Not every node has these methods: the next one is asked.
  }
}
function field(value: unknown, key: string | number): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[key] : undefined;
}
async function usedBySimulation(client: AnyClient, call: object): Promise<[bigint, GasReport['method']] | undefined> {
  const blocks = await ask(client, 'eth_simulateV1', [{ blockStateCalls: [{ calls: [call] }] }, 'pending']);
  const simulated = field(field(field(blocks, 0), 'calls'), 0);
  const status = field(simulated, 'status'), used = field(simulated, 'gasUsed');
  if (status === '0x1' && typeof used === 'string') return [BigInt(used), 'simulate'];
  const trace = await ask(client, 'debug_traceCall', [call, 'pending', { tracer: 'callTracer' }]);
  const traced = field(trace, 'gasUsed');
  if (typeof traced === 'string' && field(trace, 'error') === undefined) return [BigInt(traced), 'trace'];
  return undefined;
}
const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** Asks the node what the transaction would use if it were sent now. */
export async function gasCheck(client: AnyClient, request: GasRequest): Promise<GasReport> {
  const { from, to, data, value } = request;
  const estimate = await estimateGas(client, {
    account: from,
    to: to ?? null,
    data,
    ...(value === undefined ? {} : { value }),
  });
  const found = await usedBySimulation(client, {
    from,
    ...(to === undefined ? {} : { to }),
    input: data,
    ...(value === undefined ? {} : { value: toHex(value) }),
  });
  const [used, method] = found ?? [estimate, 'estimate' as const];
  // 2 % above what is enough now; a refund is at most a fifth, a 64th stays behind at nested calls.
  const need = max(estimate, used), padded = need + (need + 49n) / 50n;
  const limit = padded > TX_GAS_MAX ? max(need, TX_GAS_MAX) : padded;
  const low = method === 'estimate' ? used - used / 5n - used / 32n : used - (used * 12n) / 1000n;
  const high = method === 'estimate' ? used : used + (used * 12n + 999n) / 1000n;
  return { limit, used, interval: [low, high], method };
}
