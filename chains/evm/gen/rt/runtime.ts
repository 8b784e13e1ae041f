// SPDX-License-Identifier: Apache-2.0
// What every module of this package shares: calls, transactions, logs, and reverts as values.
import {
  BaseError,
  concatHex,
  decodeAbiParameters,
  formatLog,
  numberToHex,
  slice,
  type AbiParameter,
  type AbiParameterToPrimitiveType,
  type Account,
  type Address,
  type BlockTag,
  type Chain,
  type Client,
  type Hash,
  type Hex,
  type Log,
  type RpcLog,
  type Transport,
} from 'viem';
import { call as ethCall, sendTransaction, watchBlockNumber } from 'viem/actions';
import { gasCheck, type GasReport } from './gas.js';

export type ReadClient = Client<Transport, Chain | undefined, Account | undefined>;
export type WriteClient = Client<Transport, Chain | undefined, Account>;

/** `T` exactly `N` times, as Solidity's `T[N]`. */
export type Fixed<T, N extends number, R extends readonly T[] = readonly []> = R['length'] extends N
  ? R
  : Fixed<T, N, readonly [...R, T]>;

export interface ReadOptions {
  readonly account?: Address;
  readonly blockNumber?: bigint;
  readonly value?: bigint;
}
export interface WriteOptions {
  /** Units of gas; without it the gas check asks the node and its limit is used. */
  readonly gas?: bigint;
  readonly nonce?: number;
  /** Sees what the gas check found before the transaction is sent; throw to stop it. */
  readonly onGas?: (report: GasReport) => void;
}
export interface PayableOptions extends WriteOptions {
  /** wei */
  readonly value?: bigint;
}

/** A call or transaction that the contract refused; `data` is what it reverted with. */
export class ContractRevert extends Error {
  override readonly name = 'ContractRevert';
  readonly data: Hex;
  constructor(data: Hex, cause?: unknown) {
    super(describeRevert(data), { cause });
    this.data = data;
  }
}
/** `require(false, reason)` and `assert(false)`, which every contract has. */
export interface RevertReason {
  readonly errorName: 'Error';
  readonly args: { readonly reason: string };
}
export interface PanicCode {
  readonly errorName: 'Panic';
  readonly args: { readonly code: bigint };
}
/** The built-in error in revert data; undefined where it is another one, or none. */
export function decodeBuiltinError(data: Hex): RevertReason | PanicCode | undefined {
  const id = errorSelector(data);
  if (id === '0x08c379a0') {
    const [reason] = decodeAbiParameters([{ type: 'string' }], errorData(data));
    return { errorName: 'Error', args: { reason } };
  }
  if (id === '0x4e487b71') {
    const [code] = decodeAbiParameters([{ type: 'uint256' }], errorData(data));
    return { errorName: 'Panic', args: { code } };
  }
  return undefined;
}
function describeRevert(data: Hex): string {
  try {
    const known = decodeBuiltinError(data);
    if (known?.errorName === 'Error') return `reverted: ${known.args.reason}`;
    if (known) return `reverted: panic 0x${known.args.code.toString(16)}`;
  } catch {
    // Malformed data of a hostile contract is shown as it is.
  }
  return data === '0x' ? 'reverted without data' : `reverted with ${data.slice(0, 138)}`;
}
/** The first four bytes; undefined where there are fewer. */
export function errorSelector(data: Hex): Hex | undefined {
  return data.length < 10 ? undefined : (data.slice(0, 10).toLowerCase() as Hex);
}
export function errorData(data: Hex): Hex {
  return data.length <= 10 ? '0x' : `0x${data.slice(10)}`;
}
/** The revert data inside whatever a transport threw; undefined where it is no revert. */
export function revertData(error: unknown): Hex | undefined {
  if (error instanceof ContractRevert) return error.data;
  if (!(error instanceof BaseError)) return undefined;
  let found: Hex | undefined;
  error.walk((cause) => {
    if (typeof cause !== 'object' || cause === null || !('data' in cause)) return false;
    let data: unknown = cause.data;
    if (typeof data === 'object' && data !== null && 'data' in data) data = data.data;
    if (typeof data !== 'string' || !/^0x[0-9a-f]*$/i.test(data)) return false;
    found = data as Hex;
    return true;
  });
  return found;
}
function rethrow(error: unknown): never {
  const data = revertData(error);
  if (data === undefined || error instanceof ContractRevert) throw error;
  throw new ContractRevert(data, error);
}

export async function call(
  client: ReadClient,
  to: Address,
  data: Hex,
  options: ReadOptions = {},
): Promise<Hex> {
  try {
    const result = await ethCall(client, { to, data, ...options });
    return result.data ?? '0x';
  } catch (error) {
    rethrow(error);
  }
}
/** Sends a transaction; `to` undefined deploys. */
export async function send(
  client: WriteClient,
  to: Address | undefined,
  data: Hex,
  options: PayableOptions = {},
): Promise<Hash> {
  const { gas, nonce, value, onGas } = options;
  const request = { from: client.account.address, to, data, value };
  try {
    let limit = gas;
    if (limit === undefined) {
      const report = await gasCheck(client, request);
      onGas?.(report);
      limit = report.limit;
    }
    return await sendTransaction(client, {
      account: client.account,
      chain: client.chain ?? null,
      to: to ?? null,
      data,
      gas: limit,
      ...(value === undefined ? {} : { value }),
      ...(nonce === undefined ? {} : { nonce }),
    });
  } catch (error) {
    rethrow(error);
  }
}

/** Bytecode with the addresses of its libraries in place of their placeholders. */
export function linkBytecode(bytecode: string, libraries: readonly (readonly [string, Address])[]): Hex {
  let linked = bytecode;
  for (const [placeholder, address] of libraries)
    linked = linked.replaceAll(placeholder, address.slice(2).toLowerCase());
  if (!/^0x[0-9a-f]*$/i.test(linked)) throw new Error('bytecode has unlinked libraries');
  return linked as Hex;
}

/** Where to look for events. */
export interface LogRange {
  readonly fromBlock?: bigint | BlockTag;
  readonly toBlock?: bigint | BlockTag;
}
/** What an event is decoded from. */
export interface RawLog {
  readonly topics: readonly Hex[];
  readonly data: Hex;
}
export type LogTopic = Hex | readonly Hex[] | null;
/** One value, any of several, or whatever it is. */
export type Match<T> = T | readonly T[] | null;

export class EventMismatch extends Error {
  override readonly name = 'EventMismatch';
}
/** The indexed values of a log; `topic0` undefined for an anonymous event. */
export function decodeTopics<const P extends readonly AbiParameter[]>(
  log: RawLog,
  topic0: Hex | undefined,
  params: P,
): { [K in keyof P]: AbiParameterToPrimitiveType<P[K], 'outputs'> } {
  const skip = topic0 === undefined ? 0 : 1;
  if (topic0 !== undefined && log.topics[0]?.toLowerCase() !== topic0)
    throw new EventMismatch(`expected topic ${topic0}, got ${log.topics[0] ?? 'none'}`);
  const words = log.topics.slice(skip);
  if (words.length !== params.length)
    throw new EventMismatch(`expected ${params.length} indexed values, got ${words.length}`);
  // Topics are 32-byte words: side by side they are the encoding of a tuple without dynamic parts.
  if (words.length === 0) return [] as unknown as never;
  return decodeAbiParameters(params, concatHex(words)) as never;
}
/** The topic of one filter value. */
export function matchTopic<T>(match: Match<T> | undefined, encode: (value: T) => Hex): LogTopic {
  if (match === undefined || match === null) return null;
  if (Array.isArray(match)) return (match as readonly T[]).map(encode);
  return encode(match as T);
}
function blockParam(block: bigint | BlockTag | undefined, other: BlockTag): Hex | BlockTag {
  if (block === undefined) return other;
  return typeof block === 'bigint' ? numberToHex(block) : block;
}
export async function getLogs(
  client: ReadClient,
  address: Address,
  topics: readonly LogTopic[],
  range: LogRange = {},
): Promise<Log[]> {
  let n = topics.length;
  while (n > 0 && topics[n - 1] === null) n--;
  const logs: readonly RpcLog[] = await client.request({
    method: 'eth_getLogs',
    params: [
      {
        address,
        topics: topics.slice(0, n).map((t) => (typeof t === 'string' || t === null ? t : [...t])),
        fromBlock: blockParam(range.fromBlock, 'earliest'),
        toBlock: blockParam(range.toBlock, 'latest'),
      },
    ],
  });
  return logs.map((log) => formatLog(log));
}
/** Logs of new blocks as they come; returns the function that stops it. */
export function watchLogs(
  client: ReadClient,
  address: Address,
  topics: readonly LogTopic[],
  onLogs: (logs: Log[]) => void,
  onError: (error: Error) => void,
): () => void {
  let next: bigint | undefined;
  let busy: Promise<void> = Promise.resolve();
  return watchBlockNumber(client, {
    emitMissed: false,
    onBlockNumber: (block) => {
      busy = busy.then(async () => {
        const fromBlock = next ?? block;
        if (fromBlock > block) return;
        try {
          const logs = await getLogs(client, address, topics, { fromBlock, toBlock: block });
          next = block + 1n;
          if (logs.length > 0) onLogs(logs);
        } catch (error) {
          // The blocks stay unread, so the next round asks for them again.
          next = fromBlock;
          onError(error instanceof Error ? error : new Error(String(error)));
        }
      });
    },
    onError,
  });
}

export { concatHex, slice };
