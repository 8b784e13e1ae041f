// SPDX-License-Identifier: Apache-2.0
// The gas check: what a transaction will use and what limit to give it, before it is sent. These are
// different numbers: refunds come back only at the end, and a call keeps a 64th back from its callee.
// What others may change first is simulated: the contract's recent transactions, and this call from
// others and with other arguments, are put in front of it. The same algorithm, to the unit, runs in every language of sennit.
import { toHex, type Account, type Address, type Chain, type Client, type Hex, type Transport } from 'viem';
import { estimateGas } from 'viem/actions';

/** All in units of gas. */
export interface GasReport {
  /** To put into the transaction: it suffices in every simulated order. */
  readonly limit: bigint;
  /** Most likely the receipt's gasUsed. */
  readonly used: bigint;
  /** Where gasUsed will be, whatever of the simulated comes first. */
  readonly interval: readonly [low: bigint, high: bigint];
  /** How the node was asked; `bisect` knows `used` as an upper bound only. */
  readonly method: 'simulate' | 'trace' | 'bisect';
  /** No simulated order moved `used` by more than 1.2 %. */
  readonly steady: boolean;
}
export interface GasRequest {
  readonly from: Address;
  readonly to: Address | undefined;
  readonly data: Hex;
  readonly value: bigint | undefined;
}
/** EIP-7825: no transaction may ask for more. */
const TX_GAS_MAX = 16_777_216n;
/** Of history: blocks, a batch of them, transactions in them, those to the contract that are enough and kept. */
const BLOCKS = 32, BATCH = 8, LOOK_MAX = 1500, ENOUGH = 16, KEPT = 64;
/** Calls that are tried first, argument words that are changed for it, times that each is repeated. */
const NEIGHBOURS = 23, WORDS = 4, REPEAT_MAX = 6, LATER_S = 60n, ROUNDS = 3, RETRIES = 3;
const SLOT_FIRST = 17_100n, SLOT_REFUND = 4_800n, UNSEEN_PERCENT = 3n;
/** In per cent: a 64th for each nested call, a quarter for a refund at its cap, loops. */
const LADDER = [0n, 1n, 2n, 4n, 6n, 8n, 12n, 16n, 20n, 25n, 28n, 34n, 50n, 75n, 100n, 300n, 1000n];

type AnyClient = Client<Transport, Chain | undefined, Account | undefined>;
type Method = GasReport['method'];
type Call = Readonly<Record<'from' | 'to' | 'input' | 'value', string | undefined>>;
interface Scene {
  readonly before?: Call;
  readonly repeat: number;
  readonly time?: bigint;
}
interface Outcome {
  readonly scene: Scene;
  readonly ok: boolean;
  readonly used: bigint;
}
interface Newest {
  readonly number: bigint;
  readonly time: bigint;
  readonly cap: bigint;
  readonly state: unknown;
}
class NotOffered extends Error {}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);

function field(value: unknown, ...keys: readonly (string | number)[]): unknown {
  for (const key of keys)
    value = typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[key] : undefined;
  return value;
}
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
function quantity(value: unknown, what: string): bigint {
  if (typeof value !== 'string' || !/^0x[0-9a-f]{1,14}$/i.test(value))
    throw new Error(`gas check: ${what}: "0x..." of at most 56 bits expected, the node said ${String(value)}`);
  return BigInt(value);
}
async function ask(client: AnyClient, method: string, params: readonly unknown[]): Promise<unknown> {
  const request = client.request as (
    call: { method: string; params: readonly unknown[] },
    options: { retryCount: number },
  ) => Promise<unknown>;
  return request({ method, params }, { retryCount: 0 });
}

/** Tries the call in each scene with that limit; throws NotOffered where the node has no such method. */
class Prober {
  constructor(
    private readonly client: AnyClient,
    private readonly call: Call,
  ) {}
  async all(how: Method, tries: readonly (readonly [Scene, bigint | undefined])[]): Promise<Outcome[]> {
    return Promise.all(tries.map(([scene, gas]) => this.one(how, scene, gas)));
  }
  private async one(how: Method, scene: Scene, gas: bigint | undefined): Promise<Outcome> {
    const call = gas === undefined ? this.call : { ...this.call, gas: toHex(gas) };
    const overrides = scene.time === undefined ? {} : { blockOverrides: { time: toHex(scene.time) } };
    try {
      if (how === 'simulate') {
        const first = scene.before ? [{ calls: Array.from({ length: scene.repeat }, () => scene.before) }] : [];
        const blocks = [...first, { ...overrides, calls: [call] }];
        const answer = await ask(this.client, 'eth_simulateV1', [{ blockStateCalls: blocks, validation: false }, 'pending']);
        const mine = field(answer, first.length, 'calls', 0);
        return { scene, ok: field(mine, 'status') === '0x1', used: quantity(field(mine, 'gasUsed'), 'gasUsed') };
      }
      if (how === 'trace') {
        const trace = await ask(this.client, 'debug_traceCall', [call, 'pending', { tracer: 'callTracer', ...overrides }]);
        return { scene, ok: !field(trace, 'error'), used: quantity(field(trace, 'gasUsed'), 'gasUsed') };
      }
      await ask(this.client, 'eth_call', [call, 'pending']);
      return { scene, ok: true, used: 0n };
    } catch (error) {
      const code = field(error, 'code') ?? field(error, 'cause', 'code'), said = String(error);
      if (typeof code !== 'number' || code === -32005 || /rate limit|too many requests/i.test(said)) throw error;
      const own = code === 3 || /revert|execution failed|out ?of ?gas|OOG|EVM error|gas too low|gas required exceeds|gas floor/i.test(said);
      if (!own && !scene.before && scene.time === undefined) throw new NotOffered(said);
      return { scene, ok: false, used: 0n };
    }
  }
}

async function newestBlock(client: AnyClient): Promise<Newest> {
  const b = await ask(client, 'eth_getBlockByNumber', ['latest', false]);
  const [number, time, limit] = [quantity(field(b, 'number'), 'block number'), quantity(field(b, 'timestamp'), 'timestamp'),
    quantity(field(b, 'gasLimit'), 'gasLimit')];
  return { number, time, cap: min(limit, TX_GAS_MAX), state: field(b, 'stateRoot') };
}
/** The newest transactions to the contract, newest first. */
async function pasts(client: AnyClient, to: string, newest: bigint): Promise<Call[]> {
  const found: Call[] = [];
  let looked = 0;
  for (let from = 0; from < BLOCKS && BigInt(from) <= newest && found.length < ENOUGH && looked < LOOK_MAX; from += BATCH) {
    const numbers = Array.from({ length: BATCH }, (_, i) => newest - BigInt(from + i)).filter((n) => n >= 0n);
    const blocks = await Promise.all(
      numbers.map((n) => ask(client, 'eth_getBlockByNumber', [toHex(n), true]).catch(() => undefined)),
    );
    for (const block of blocks) {
      const list = field(block, 'transactions'), txs: readonly unknown[] = Array.isArray(list) ? list : [];
      looked += txs.length;
      for (const tx of [...txs].reverse()) {
        const warm = field(tx, 'accessList'), sender = text(field(tx, 'from'));
        if (found.length === KEPT || text(field(tx, 'to')).toLowerCase() !== to.toLowerCase()) continue;
        // Lists change what is warm: not a likely neighbour.
        if ((Array.isArray(warm) && warm.length > 0) || sender === '') continue;
        found.push({ from: sender, to, input: text(field(tx, 'input')), value: text(field(tx, 'value')) || undefined });
      }
    }
  }
  return found;
}
const kindOf = (c: Call): string => `${(c.input ?? '').slice(0, 10).toLowerCase()} ${(c.input ?? '').length}`;
/** The call with one of its first words one more, one less or 0: what others of its sender may have asked for. */
function variants(call: Call): Call[] {
  const input = call.input ?? '', all: Call[] = [];
  for (let w = 0, at = 10; w < WORDS && input.length >= at + 64; w++, at += 64) {
    const v = BigInt('0x' + input.slice(at, at + 64));
    for (const to of [v + 1n, ...(v > 1n ? [v - 1n] : []), ...(v > 0n ? [0n] : [])]) {
      const word = BigInt.asUintN(256, to).toString(16).padStart(64, '0');
      all.push({ ...call, input: input.slice(0, at) + word + input.slice(at + 64) });
    }
  }
  return all;
}
/** What others may do first, likeliest first. */
function scenes(call: Call, history: readonly Call[], drift: number, time: bigint): Scene[] {
  const all: Scene[] = [{ repeat: 1 }, { repeat: 1, time: time + LATER_S }];
  if (drift === 0 || call.to === undefined) return all;
  const first: Call[] = [call], kinds = new Set<string>();
  const other = history.find((p) => p.from?.toLowerCase() !== call.from?.toLowerCase());
  if (other) first.push({ ...call, from: other.from });
  first.push(...variants(call));
  const more: Call[] = []; // Of the same kinds, with other arguments.
  for (const past of history) {
    if (kinds.has(kindOf(past))) {
      more.push(past);
      continue;
    }
    kinds.add(kindOf(past));
    first.push(past);
  }
  for (const before of [...first, ...more].slice(0, NEIGHBOURS)) {
    all.push({ before, repeat: 1 });
    if (drift > 1) all.push({ before, repeat: Math.min(drift, REPEAT_MAX) });
  }
  return all;
}
/** The first from which on all succeed. */
function firstGood(list: readonly Outcome[]): number {
  let i = list.length;
  while (i > 0 && list[i - 1]?.ok) i--;
  return i;
}
/** The least limit at which the scene succeeds; `cap` where none does. */
async function leastLimit(prober: Prober, how: Method, scene: Scene, need: bigint, cap: bigint): Promise<bigint> {
  const base = min(need, cap);
  let gas = [...LADDER.map((l) => min(base + (base * l) / 100n, cap)), cap];
  let first = firstGood(await prober.all(how, gas.map((g) => [scene, g])));
  let high = gas[first], low = gas[Math.max(first - 1, 0)];
  if (high === undefined || low === undefined) return cap;
  while (high - low > 1n) {
    const from: bigint = low, width: bigint = high - low;
    gas = Array.from({ length: 15 }, (_, i) => from + (width * BigInt(i + 1)) / 16n);
    first = firstGood(await prober.all(how, gas.map((g) => [scene, g])));
    low = first > 0 ? (gas[first - 1] ?? low) : low;
    high = gas[first] ?? high;
  }
  return high;
}
function dearest(list: readonly Outcome[], otherwise: Outcome): Outcome {
  return list.reduce((most, o) => (o.used > most.used ? o : most), list[0] ?? otherwise);
}
/** The best method that the node has, and what it says of the scenes. */
async function tryScenes(prober: Prober, all: readonly Scene[], cap: bigint): Promise<[Method, Outcome[]]> {
  for (const how of ['simulate', 'trace', 'bisect'] as const) {
    const some = how === 'simulate' ? all : all.slice(0, how === 'trace' ? 2 : 1);
    try {
      return [how, await prober.all(how, some.map((s) => [s, how === 'bisect' ? cap : undefined]))];
    } catch (error) {
      if (!(error instanceof NotOffered) || how === 'bisect') throw error;
    }
  }
  throw new Error('gas check: no way to simulate the call');
}
interface Costs {
  readonly floor: bigint;
  readonly intrinsic: bigint;
}
/** Gas before the first instruction, and EIP-7623's least. */
function costsOf(request: GasRequest): Costs {
  const bytes = request.data.slice(2).match(/../g) ?? [];
  const tokens = BigInt(bytes.reduce((sum, b) => sum + (b === '00' ? 1 : 4), 0));
  const creation = request.to === undefined ? 32_000n + 2n * BigInt(Math.ceil(bytes.length / 32)) : 0n;
  return { floor: 21_000n + 10n * tokens, intrinsic: 21_000n + 4n * tokens + creation };
}

async function once(prober: Prober, request: GasRequest, all: readonly Scene[], drift: number, cap: bigint): Promise<GasReport | undefined> {
  const { floor, intrinsic } = costsOf(request);
  const [method, tried] = await tryScenes(prober, all, cap), alone = tried[0];
  if (!alone?.ok) return undefined;
  let good = tried.filter((o) => o.ok);
  const least = async (o: Outcome): Promise<bigint> =>
    leastLimit(prober, method, o.scene, max(method === 'bisect' ? intrinsic : o.used, floor), cap);
  let limit = await least(dearest(good, alone));
  for (let round = 0; round < ROUNDS; round++) {
    const enough = limit, checked = await prober.all(method, good.map((o) => [o.scene, enough]));
    const failed = good.filter((_, i) => !checked[i]?.ok);
    if (failed.length === 0) {
      good = checked; // A program may look at its gas: what it uses with this limit counts.
      break;
    }
    limit = max(limit, await least(dearest(failed, alone)));
  }
  const enough = limit, bisected = method === 'bisect';
  const used = bisected ? limit : (good[0]?.used ?? alone.used);
  let high = bisected ? limit : dearest(good, alone).used;
  let low = bisected ? high - high / 5n - high / 32n : good.reduce((l, o) => min(l, o.used), used);
  const around = (used * 12n) / 1000n;
  let steady = !bisected && low + around >= used && high <= used + around;
  if (used === max(intrinsic, floor) && request.data.length <= 2) {
    steady = true; // No instruction ran: nothing can move.
  } else {
    low -= (low * 12n) / 1000n;
    high += (high * 12n + 999n) / 1000n;
    if (drift > 0 && method !== 'simulate') {
      // What others do first cannot be simulated: a slot's price for it (EIP-2200, 3529).
      low -= min(low, SLOT_FIRST + SLOT_REFUND);
      high += SLOT_FIRST;
      limit += SLOT_FIRST;
      steady = false;
    } else if (drift > 0) {
      limit += (used * UNSEEN_PERCENT) / 100n; // What none of the simulated orders shows.
    }
  }
  limit = max(min(limit, cap), max(enough, floor));
  return { limit, used, interval: [min(max(low, floor), used), max(min(high, limit), used)], method, steady };
}

/**
 * Asks the node what the transaction will use if it is included after `drift` more blocks. A state that
 * moves meanwhile starts the questions again, three times at most.
 */
export async function gasCheck(client: AnyClient, request: GasRequest, drift = 1): Promise<GasReport> {
  const { from, to, data, value } = request;
  const call: Call = { from, to, input: data, value: value === undefined ? undefined : toHex(value) };
  const prober = new Prober(client, call);
  let newest = await newestBlock(client);
  for (let tries = 0; ; tries++) {
    const history = drift > 0 && to !== undefined ? await pasts(client, to, newest.number) : [];
    const report = await once(prober, request, scenes(call, history, drift, newest.time), drift, newest.cap);
    if (!report) {
      // The client's own estimate throws what the contract says.
      await estimateGas(client, { account: from, to: to ?? null, data, ...(value === undefined ? {} : { value }) });
      throw new Error('gas check: the transaction would fail');
    }
    const { state } = newest;
    newest = await newestBlock(client);
    if (newest.state === state || tries === RETRIES) return report;
  }
}
