# SPDX-License-Identifier: Apache-2.0
"""The scenario of tests/interop/sdk.sh, in Python: sync for the most, async at the end."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, cast

from eth_utils.crypto import keccak
from web3 import AsyncHTTPProvider, AsyncWeb3, HTTPProvider, Web3

from kitchen import ContractError, Options, PanicError, RevertError, UnknownError, gas_check, gas_check_async
from kitchen import kitchen as k
from kitchen import shelf as s

url, account = sys.argv[1], Web3.to_checksum_address(sys.argv[2])
w3 = Web3(HTTPProvider(url))
w3.eth.default_account = account


def say(*words: Any) -> None:
    print(*("true" if w is True else "false" if w is False else w for w in words))


def x(data: bytes) -> str:
    return "0x" + data.hex()


def order(id_: int, mood: int) -> k.Order:
    return k.Order(id_, 5, mood, (k.Point(1, -2), k.Point(3, 4)), b"\1\2\3", ("soup", "ünïcode"), True)


f = b"\x11" * 20 + bytes.fromhex("a1b2c3d4")
two = Web3.to_checksum_address("0x" + "22" * 20)
rows, tags = [[1, 2, 3], [4, 5, 65535]], [[b"\xab" * 32], []]
many = (255, -128, 2**48 - 1, -(2**47), 2**64 - 1, -(2**63), 2**128 - 1, -1)
say("encode take", x(k.encode_take(order(7, 1))))
say("encode grid", x(k.encode_grid(rows, tags)))
say("encode numbers", x(k.encode_numbers(*many)))
say("encode pass", x(k.encode_pass_(f)))
say("encode find", x(k.encode_find()), x(k.encode_find_uint256(1)), x(k.encode_find_address(two)),
    x(k.encode_find_uint256_bool(1, True)))
say("selectors", x(s.PUT_SELECTOR), x(k.FOO_BAR_90C0414D_SELECTOR), x(k.FOO_BAR_SELECTOR),
    x(k.FOO_BAR_70015845_SELECTOR))


def mined(tx: Any) -> Any:
    return w3.eth.wait_for_transaction_receipt(tx)


shelf_at = mined(s.deploy(w3))["contractAddress"]
at = mined(k.deploy(w3, {"Shelf": shelf_at}, "hi", k.Point(1, -2)))["contractAddress"]
kitchen = k.Kitchen(w3, at)
say("greeting", kitchen.greeting())
say("echo", kitchen.echo(order(9, 2)) == order(9, 2))
say("numbers", *kitchen.numbers(*many))
say("grid", str([list(r) for r in kitchen.grid(rows, tags)[0]]).replace(" ", ""))
say("find", kitchen.find(), kitchen.find_uint256(0), kitchen.find_address(two),
    kitchen.find_uint256_bool(0, True))
say("names", kitchen.match_(1, 2, 3), kitchen.foo_bar_90c0414d(), kitchen.foo_bar(),
    kitchen.foo_bar_70015845())
say("simulate take", *kitchen.simulate_take(order(7, 1)))

gas: list[Any] = []
receipt = mined(kitchen.take(order(7, 1), Options(value=3, on_gas=gas.append)))
low, high = gas[0].interval
predicted = gas[0].method == "simulate" and low <= receipt["gasUsed"] <= high
say("take", "success" if receipt["status"] else "failed", "gas", "as predicted" if predicted else gas[0])
say("total", kitchen.total())
full = k.ordered_address_string_order_topics(id=7, from_=account, topic="soup")
for e, _ in kitchen.get_ordered_address_string_order_events(full):
    say("event", "Ordered", e.id, e.from_ == account, e.topic == keccak(text="soup"), x(e.order.note),
        e.order.route[1].y)
say("events", ",".join(str(e.id) for e, _ in kitchen.get_ordered_events()),
    len(kitchen.get_ordered_address_string_order_events(
        k.ordered_address_string_order_topics(id=[8, 9]))))
mined(kitchen.silent(5, b"\xbe\xef"))
for ev, _ in kitchen.get_silent_events(k.silent_topics(a=5)):
    say("silent", ev.a, x(ev.b))
mined(kitchen.routed([k.Point(1, 2)]))
for er, _ in kitchen.get_routed_events():
    say("routed", x(er.route), er.at.y)
say("pass", x(kitchen.simulate_pass_(f)))
mined(kitchen.pass_(f))
say("called", len(kitchen.get_called_events(k.called_topics(f=f))))
say("stock", kitchen.simulate_stock(4))


def tell(how: int, e: ContractError) -> None:
    match e:
        case RevertError(reason): say("fail", how, "Error", reason)
        case PanicError(code): say("fail", how, "Panic", code)
        case k.ClosedError(): say("fail", how, "Closed")
        case k.TooMuchError(asked, most, where): say("fail", how, "TooMuch", asked, most, where.y)
        case k.Type_Error(m): say("fail", how, "type_", m)
        case UnknownError(): say("fail", how, "unknown", x(e.data))


async def last() -> None:
    w3a = AsyncWeb3(AsyncHTTPProvider(url))
    w3a.eth.default_account = account
    ka = k.AsyncKitchen(w3a, at)
    for how in range(7):
        try:
            await ka.fail(how)
            say("fail", how, "nothing")
        except ContractError as e:
            tell(how, e)
    try:
        await ka.take(order(2000, 0))
        say("refused nothing")
    except k.TooMuchError as e:
        say("refused", e.asked)
    try:
        await k.AsyncKitchen(w3a, Web3.to_checksum_address("0x" + "33" * 20)).total()
        say("empty accepted")
    except Exception as e:
        say("empty error")
    await w3a.provider.disconnect()


asyncio.run(last())

# The gas check against the node of gas.json.
for c in json.loads(Path(sys.argv[3]).read_text()):
    node = Web3(Web3.HTTPProvider(f"{sys.argv[4]}/py/{c['name']}"))
    tx = {"from": "0x" + "01" * 20, "to": "0x" + "aa" * 20, "data": c["data"]}
    g = gas_check(node, cast(Any, tx), c["drift"])
    say("gas", c["name"], g.limit, g.used, *g.interval, g.method, "steady" if g.steady else "moves")


async def check_async() -> None:
    provider = AsyncHTTPProvider(f"{sys.argv[4]}/pya/neighbours")
    tx = {"from": "0x" + "01" * 20, "to": "0x" + "aa" * 20, "data": "0x11223344" + "00" * 31 + "ff"}
    g = await gas_check_async(AsyncWeb3(provider), cast(Any, tx))
    assert g == gas_check(Web3(Web3.HTTPProvider(f"{sys.argv[4]}/pyb/neighbours")), cast(Any, tx)), g
    await provider.disconnect()


asyncio.run(check_async())
