// SPDX-License-Identifier: Apache-2.0
// The scenario of tests/interop/sdk.sh, in TypeScript: every language prints the same lines.
import { readFileSync } from 'node:fs';
import { createWalletClient, createPublicClient, http, keccak256, toHex, getAddress, type Hex } from 'viem';
import { waitForTransactionReceipt } from 'viem/actions';
import { Kitchen, Shelf, ContractRevert, gasCheck, type GasReport } from '../src/index.js';

const [url, account] = process.argv.slice(2) as [string, `0x${string}`];
const transport = http(url, { retryCount: 0 });
const reader = createPublicClient({ transport, pollingInterval: 50 });
const writer = { ...createWalletClient({ account, transport }) };
const say = (...words: unknown[]): void => console.log(words.join(' '));
const order = (id: bigint, mood: number): Kitchen.Order => ({
  id, price: 5n, mood, route: [{ x: 1n, y: -2n }, { x: 3n, y: 4n }], note: '0x010203',
  type_: ['soup', 'ünïcode'], self: true,
});
const f = `0x${'11'.repeat(20)}a1b2c3d4` as const;

say('encode take', Kitchen.encodeTake(order(7n, 1)));
say('encode grid', Kitchen.encodeGrid([[1, 2, 3], [4, 5, 65535]], [[`0x${'ab'.repeat(32)}`], []]));
say('encode numbers', Kitchen.encodeNumbers(255, -128, 2 ** 48 - 1, -(2 ** 47), 2n ** 64n - 1n, -(2n ** 63n), 2n ** 128n - 1n, -1n));
say('encode pass', Kitchen.encodePass(f));
say('encode find', Kitchen.encodeFind(), Kitchen.encodeFind_uint256(1n), Kitchen.encodeFind_address(`0x${'22'.repeat(20)}`), Kitchen.encodeFind_uint256_bool(1n, true));
say('selectors', Shelf.putSelector, Kitchen.fooBarSelector, Kitchen.foo_barSelector, Kitchen.FOO_BARSelector);

const mined = async (hash: `0x${string}`) => await waitForTransactionReceipt(reader, { hash });
const shelf = (await mined(await Shelf.deploy(writer))).contractAddress!;
const at = (await mined(await Kitchen.deploy(writer, { Shelf: shelf }, 'hi', { x: 1n, y: -2n }))).contractAddress!;
say('greeting', await Kitchen.greeting(reader, at));
say('echo', JSON.stringify(await Kitchen.echo(reader, at, order(9n, 2)), (_, v: unknown) => typeof v === 'bigint' ? v.toString() : v) === JSON.stringify(order(9n, 2), (_, v: unknown) => typeof v === 'bigint' ? v.toString() : v));
say('numbers', (await Kitchen.numbers(reader, at, 255, -128, 2 ** 48 - 1, -(2 ** 47), 2n ** 64n - 1n, -(2n ** 63n), 2n ** 128n - 1n, -1n)).join(' '));
say('grid', JSON.stringify((await Kitchen.grid(reader, at, [[1, 2, 3], [4, 5, 65535]], [[`0x${'ab'.repeat(32)}`], []]))[0]));
say('find', await Kitchen.find(reader, at), await Kitchen.find_uint256(reader, at, 0n), await Kitchen.find_address(reader, at, `0x${'22'.repeat(20)}`), await Kitchen.find_uint256_bool(reader, at, 0n, true));
say('names', await Kitchen.match_(reader, at, 1n, 2n, 3n), await Kitchen.fooBar(reader, at), await Kitchen.foo_bar(reader, at), await Kitchen.FOO_BAR(reader, at));
say('simulate take', (await Kitchen.simulateTake(reader, at, order(7n, 1))).join(' '));

let gas: GasReport | undefined;
const receipt = await mined(await Kitchen.take(writer, at, order(7n, 1), { value: 3n, onGas: (g) => { gas = g; } }));
const within = (r: GasReport | undefined, used: bigint): boolean =>
  r !== undefined && r.method === 'simulate' && r.interval[0] <= used && used <= r.interval[1] && used <= r.limit;
say('take', receipt.status, 'gas', within(gas, receipt.gasUsed) ? 'as predicted' : 'other');
say('total', await Kitchen.total(reader, at));
for (const e of await Kitchen.getOrdered_address_string_OrderEvents(reader, at, { id: 7n, from: getAddress(account), topic: 'soup' }))
  say('event', e.eventName, e.args.id, e.args.from.toLowerCase() === account.toLowerCase(), e.args.topic === keccak256(toHex('soup')), e.args.order.note, e.args.order.route[1]?.y);
say('events', (await Kitchen.getOrderedEvents(reader, at)).map((e) => e.args.id).join(','), (await Kitchen.getOrdered_address_string_OrderEvents(reader, at, { id: [8n, 9n] })).length);
await mined(await Kitchen.silent(writer, at, 5n, '0xbeef'));
for (const e of await Kitchen.getSilentEvents(reader, at, { a: 5n })) say('silent', e.args.a, e.args.b);
await mined(await Kitchen.routed(writer, at, [{ x: 1n, y: 2n }]));
for (const e of await Kitchen.getRoutedEvents(reader, at)) say('routed', e.args.route, e.args.at.y);
say('pass', await Kitchen.simulatePass(reader, at, f));
await mined(await Kitchen.pass(writer, at, f));
say('called', (await Kitchen.getCalledEvents(reader, at, { f })).length);
say('stock', await Kitchen.simulateStock(reader, at, 4n));

for (let how = 0n; how < 7n; how++) {
  try {
    await Kitchen.fail(reader, at, how);
    say('fail', how, 'nothing');
  } catch (e) {
    if (!(e instanceof ContractRevert)) throw e;
    const known = Kitchen.decodeError(e.data);
    switch (known?.errorName) {
      case undefined: say('fail', how, 'unknown', e.data); break;
      case 'Error': say('fail', how, 'Error', known.args.reason); break;
      case 'Panic': say('fail', how, 'Panic', known.args.code); break;
      case 'Closed': say('fail', how, 'Closed'); break;
      case 'TooMuch': say('fail', how, 'TooMuch', known.args.asked, known.args.max, known.args.at.y); break;
      case 'type_': say('fail', how, 'type_', known.args.match_); break;
    }
  }
}
try {
  await Kitchen.take(writer, at, order(2000n, 0));
  say('refused', 'nothing');
} catch (e) {
  const known = e instanceof ContractRevert ? Kitchen.decodeError(e.data) : undefined;
  say('refused', known?.errorName === 'TooMuch' ? known.args.asked : 'other');
}
try {
  await Kitchen.total(reader, `0x${'33'.repeat(20)}`);
  say('empty', 'accepted');
} catch {
  say('empty', 'error');
}

// The gas check against the node of gas.json.
interface GasCase { readonly name: string; readonly data: Hex; readonly drift: number }
for (const c of JSON.parse(readFileSync(process.argv[4] ?? '', 'utf8')) as readonly GasCase[]) {
  const client = createPublicClient({ transport: http(`${process.argv[5] ?? ''}/ts/${c.name}`) });
  const g = await gasCheck(client, { from: `0x${'01'.repeat(20)}`, to: `0x${'aa'.repeat(20)}`, data: c.data, value: undefined }, c.drift);
  say('gas', c.name, g.limit, g.used, ...g.interval, g.method, g.steady ? 'steady' : 'moves');
}
