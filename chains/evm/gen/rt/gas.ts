// SPDX-License-Identifier: Apache-2.0
// The gas check: what a transaction will use and what limit to give it, before it is sent.
import type { Account, Address, Chain, Client, Hex, Transport } from 'viem';
import { estimateGas } from 'viem/actions';

/** All in units of gas. */
export interface GasReport {
  readonly limit: bigint;
  readonly used: bigint;
  readonly interval: readonly [low: bigint, high: bigint];
}
export interface GasRequest {
  readonly from: Address;
  readonly to: Address | undefined;
  readonly data: Hex;
  readonly value: bigint | undefined;
}
export async function gasCheck(
  client: Client<Transport, Chain | undefined, Account | undefined>,
  request: GasRequest,
): Promise<GasReport> {
  const limit = await estimateGas(client, {
    account: request.from,
    to: request.to ?? null,
    data: request.data,
    ...(request.value === undefined ? {} : { value: request.value }),
  });
  return { limit, used: limit, interval: [limit, limit] };
}
