# SPDX-License-Identifier: Apache-2.0
"""The gas check: what a transaction will use and what limit to give it, before it is sent. These are
different numbers: refunds come back only at the end, and a call keeps a 64th back from its callee. What
others may change first is simulated: the contract's recent transactions, and this call from others and
with other arguments, are put in front of it. The same algorithm, to the unit, runs in every language of
sennit."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from hexbytes import HexBytes
from web3 import AsyncWeb3, Web3
from web3.types import RPCEndpoint, TxParams

TX_GAS_MAX = 16_777_216
"""EIP-7825: no transaction may ask for more."""

# Of history: blocks, a batch of them, transactions in them, those to the contract that are enough and kept.
_BLOCKS, _BATCH, _LOOK_MAX, _ENOUGH, _KEPT = 32, 8, 1500, 16, 64
# Calls that are tried first, argument words that are changed for it, times that each is repeated.
_NEIGHBOURS, _WORDS, _REPEAT_MAX = 23, 4, 6
_LATER_S, _ROUNDS, _RETRIES = 60, 3, 3
_SLOT_FIRST, _SLOT_REFUND, _UNSEEN_PERCENT = 17_100, 4_800, 3
# In per cent: a 64th for each nested call, a quarter for a refund at its cap, loops.
_LADDER = (0, 1, 2, 4, 6, 8, 12, 16, 20, 25, 28, 34, 50, 75, 100, 300, 1000)
_LIMITED = re.compile("rate limit|too many requests", re.I)
_FAILED = re.compile(
    "revert|execution failed|out ?of ?gas|OOG|EVM error|gas too low|gas required exceeds|gas floor", re.I
)
_QUANTITY = re.compile("0x[0-9a-f]{1,14}", re.I)


@dataclass(frozen=True)
class GasReport:
    """All in units of gas."""

    limit: int
    """To put into the transaction: it suffices in every simulated order."""
    used: int
    """Most likely the receipt's gasUsed."""
    interval: tuple[int, int]
    """Where gasUsed will be, whatever of the simulated comes first."""
    method: str
    """How the node was asked: "simulate", "trace", or "bisect", which knows `used` as an upper bound only."""
    steady: bool
    """No simulated order moved `used` by more than 1.2 %."""


class GasCheckError(Exception):
    """The node's answers make no gas check."""


class _NotOffered(GasCheckError):
    pass


_Call = dict[str, Any]
_Questions = list[tuple[RPCEndpoint, list[Any]]]
_Asking = Generator[_Questions, list[dict[str, Any]], Any]


@dataclass(frozen=True)
class _Scene:
    before: _Call | None = None
    repeat: int = 1
    time: int | None = None


@dataclass(frozen=True)
class _Outcome:
    scene: _Scene
    ok: bool
    used: int


@dataclass(frozen=True)
class _Newest:
    number: int
    time: int
    cap: int
    state: Any


def _field(value: Any, *keys: str | int) -> Any:
    for key in keys:
        if isinstance(key, int):
            value = value[key] if isinstance(value, list) and len(value) > key else None
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _quantity(value: Any, what: str) -> int:
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise GasCheckError(f'{what}: "0x..." of at most 56 bits expected, the node said {value!r}')
    return int(value, 16)


def _question(how: str, call: _Call, scene: _Scene, gas: int | None) -> tuple[RPCEndpoint, list[Any]]:
    mine = call if gas is None else {**call, "gas": hex(gas)}
    overrides = {} if scene.time is None else {"blockOverrides": {"time": hex(scene.time)}}
    if how == "simulate":
        blocks: list[dict[str, Any]] = []
        if scene.before is not None:
            blocks.append({"calls": [scene.before] * scene.repeat})
        blocks.append({**overrides, "calls": [mine]})
        return RPCEndpoint("eth_simulateV1"), [{"blockStateCalls": blocks, "validation": False}, "pending"]
    if how == "trace":
        return RPCEndpoint("debug_traceCall"), [mine, "pending", {"tracer": "callTracer", **overrides}]
    return RPCEndpoint("eth_call"), [mine, "pending"]


def _outcome(how: str, scene: _Scene, answer: dict[str, Any]) -> _Outcome:
    error = answer.get("error")
    if error:
        code, said = _field(error, "code"), str(_field(error, "message") or error)
        if code == -32005 or _LIMITED.search(said):
            raise GasCheckError(f"{how}: {said}")
        own = code == 3 or _FAILED.search(said)
        if not own and scene.before is None and scene.time is None:
            raise _NotOffered(f"{how}: {said}")
        return _Outcome(scene, False, 0)
    result = answer.get("result")
    if how == "simulate":
        mine = _field(result, 0 if scene.before is None else 1, "calls", 0)
        return _Outcome(scene, _field(mine, "status") == "0x1", _quantity(_field(mine, "gasUsed"), "gasUsed"))
    if how == "trace":
        return _Outcome(scene, not _field(result, "error"), _quantity(_field(result, "gasUsed"), "gasUsed"))
    return _Outcome(scene, True, 0)


def _probe(how: str, call: _Call, tries: Sequence[tuple[_Scene, int | None]]) -> _Asking:
    answers = yield [_question(how, call, scene, gas) for scene, gas in tries]
    return [_outcome(how, scene, answer) for (scene, _), answer in zip(tries, answers, strict=True)]


def _newest() -> _Asking:
    (answer,) = yield [(RPCEndpoint("eth_getBlockByNumber"), ["latest", False])]
    block = answer.get("result")
    number, time, limit = (_quantity(_field(block, k), k) for k in ("number", "timestamp", "gasLimit"))
    return _Newest(number, time, min(limit, TX_GAS_MAX), _field(block, "stateRoot"))


def _pasts(to: str, newest: int) -> _Asking:
    """The newest transactions to the contract, newest first."""
    found: list[_Call] = []
    looked = start = 0
    while start < _BLOCKS and start <= newest and len(found) < _ENOUGH and looked < _LOOK_MAX:
        numbers = [n for n in range(newest - start, newest - start - _BATCH, -1) if n >= 0]
        start += _BATCH
        answers = yield [(RPCEndpoint("eth_getBlockByNumber"), [hex(n), True]) for n in numbers]
        for answer in answers:
            txs = _field(answer.get("result"), "transactions") or []
            looked += len(txs)
            for tx in reversed(txs):
                sender = _text(_field(tx, "from"))
                if len(found) == _KEPT or _text(_field(tx, "to")).lower() != to.lower():
                    continue
                # Lists change what is warm: not a likely neighbour.
                if _field(tx, "accessList") or not sender:
                    continue
                found.append({"from": sender, "to": to, "input": _text(_field(tx, "input"))})
                if _text(_field(tx, "value")):
                    found[-1]["value"] = _field(tx, "value")
    return found


def _kind(call: _Call) -> tuple[str, int]:
    return call["input"][:10].lower(), len(call["input"])


def _variants(call: _Call) -> list[_Call]:
    """The call with one of its first words one more, one less or 0: what others of its sender may have asked for."""
    calls: list[_Call] = []
    data = call["input"]
    for at in range(10, min(len(data) - 63, 10 + 64 * _WORDS), 64):
        v = int(data[at : at + 64], 16)
        for to in [(v + 1) % 2**256, *([v - 1] if v > 1 else []), *([0] if v > 0 else [])]:
            calls.append({**call, "input": f"{data[:at]}{to:064x}{data[at + 64 :]}"})
    return calls


def _scenes(call: _Call, history: list[_Call], drift: int, time: int) -> list[_Scene]:
    """What others may do first, likeliest first."""
    scenes = [_Scene(), _Scene(time=time + _LATER_S)]
    if drift == 0 or "to" not in call:
        return scenes
    first = [call]
    other = next((p for p in history if p["from"].lower() != call["from"].lower()), None)
    if other is not None:
        first.append({**call, "from": other["from"]})
    first += _variants(call)
    kinds: set[tuple[str, int]] = set()
    more: list[_Call] = []  # Of the same kinds, with other arguments.
    for past in history:
        if _kind(past) in kinds:
            more.append(past)
            continue
        kinds.add(_kind(past))
        first.append(past)
    for before in (first + more)[:_NEIGHBOURS]:
        scenes.append(_Scene(before))
        if drift > 1:
            scenes.append(_Scene(before, min(drift, _REPEAT_MAX)))
    return scenes


def _first_good(outcomes: list[_Outcome]) -> int:
    """The first from which on all succeed."""
    first = len(outcomes)
    while first > 0 and outcomes[first - 1].ok:
        first -= 1
    return first


def _least_limit(how: str, call: _Call, scene: _Scene, base: int, cap: int) -> _Asking:
    """The least limit at which the scene succeeds; `cap` where none does."""
    base = min(base, cap)
    gas = [min(base + base * rung // 100, cap) for rung in _LADDER] + [cap]
    first = _first_good((yield from _probe(how, call, [(scene, g) for g in gas])))
    if first == len(gas):
        return cap
    low, high = gas[max(first - 1, 0)], gas[first]
    while high - low > 1:
        gas = [low + (high - low) * i // 16 for i in range(1, 16)]
        first = _first_good((yield from _probe(how, call, [(scene, g) for g in gas])))
        low = gas[first - 1] if first > 0 else low
        high = gas[first] if first < len(gas) else high
    return high


def _dearest(outcomes: list[_Outcome]) -> _Outcome:
    return max(outcomes, key=lambda o: o.used)  # The first of the largest.


def _try_scenes(call: _Call, scenes: list[_Scene], cap: int) -> _Asking:
    """The best method that the node has, and what it says of the scenes."""
    for how, n in (("simulate", len(scenes)), ("trace", 2)):
        try:
            return how, (yield from _probe(how, call, [(s, None) for s in scenes[:n]]))
        except _NotOffered:
            continue
    return "bisect", (yield from _probe("bisect", call, [(scenes[0], cap)]))


def _costs(call: _Call) -> tuple[int, int]:
    """EIP-7623's least, and gas before the first instruction."""
    data = HexBytes(call["input"])
    tokens = 4 * len(data) - 3 * data.count(0)
    creation = 0 if "to" in call else 32_000 + 2 * ((len(data) + 31) // 32)
    return 21_000 + 10 * tokens, 21_000 + 4 * tokens + creation


def _once(call: _Call, scenes: list[_Scene], drift: int, cap: int) -> _Asking:
    floor, intrinsic = _costs(call)
    method, tried = yield from _try_scenes(call, scenes, cap)
    if not tried[0].ok:
        return None
    bisected = method == "bisect"

    def least(o: _Outcome) -> _Asking:
        base = max(intrinsic if bisected else o.used, floor)
        return _least_limit(method, call, o.scene, base, cap)

    good = [o for o in tried if o.ok]
    limit: int = yield from least(_dearest(good))
    for _ in range(_ROUNDS):
        checked = yield from _probe(method, call, [(o.scene, limit) for o in good])
        failed = [o for o, c in zip(good, checked, strict=True) if not c.ok]
        if not failed:
            good = checked  # A program may look at its gas: what it uses with this limit counts.
            break
        limit = max(limit, (yield from least(_dearest(failed))))
    return _report(method, [o.used for o in good], limit, (floor, intrinsic, cap), drift, len(call["input"]) <= 2)


def _report(
    method: str, used_by: list[int], enough: int, bounds: tuple[int, int, int], drift: int, no_data: bool
) -> GasReport:
    floor, intrinsic, cap = bounds
    limit, used, low, high = enough, used_by[0], min(used_by), max(used_by)
    if method == "bisect":
        used, low, high = limit, limit - limit // 5 - limit // 32, limit
    around = used * 12 // 1000
    steady = method != "bisect" and low + around >= used and high <= used + around
    if used == max(intrinsic, floor) and no_data:
        steady = True  # No instruction ran: nothing can move.
    else:
        low -= low * 12 // 1000
        high += (high * 12 + 999) // 1000
        if drift > 0 and method != "simulate":
            # What others do first cannot be simulated: a slot's price for it (EIP-2200, 3529).
            low -= min(low, _SLOT_FIRST + _SLOT_REFUND)
            high += _SLOT_FIRST
            limit += _SLOT_FIRST
            steady = False
        elif drift > 0:
            limit += used * _UNSEEN_PERCENT // 100  # What none of the simulated orders shows.
    limit = max(min(limit, cap), enough, floor)
    return GasReport(limit, used, (min(max(low, floor), used), max(min(high, limit), used)), method, steady)


def _check(call: _Call, drift: int) -> _Asking:
    newest = yield from _newest()
    tries = 0
    while True:
        history = (yield from _pasts(call["to"], newest.number)) if drift > 0 and "to" in call else []
        report = yield from _once(call, _scenes(call, history, drift, newest.time), drift, newest.cap)
        before, newest = newest, (yield from _newest())
        if report is None or newest.state == before.state or tries == _RETRIES:
            return report
        tries += 1


def _call(tx: TxParams) -> _Call:
    call: _Call = {"from": str(tx.get("from", "0x" + "0" * 40)), "input": "0x" + HexBytes(tx.get("data", b"")).hex()}
    to, value = tx.get("to"), tx.get("value", 0)
    if to:
        call["to"] = HexBytes(to).to_0x_hex() if isinstance(to, bytes) else str(to)
    if value:
        call["value"] = hex(value)
    return call


def _send(provider: Any, questions: _Questions) -> Any:
    """In one message where the provider can."""
    if hasattr(provider, "make_batch_request"):
        return provider.make_batch_request(questions)
    return [provider.make_request(method, params) for method, params in questions]


def _failing() -> GasCheckError:
    return GasCheckError("the transaction would fail")


def gas_check(w3: Web3, tx: TxParams, drift: int = 1) -> GasReport:
    """Asks the node what the transaction will use if it is included after `drift` more blocks. A state that
    moves meanwhile starts the questions again, three times at most."""
    asking = _check(_call(tx), drift)
    try:
        questions = next(asking)
        while True:
            questions = asking.send(_in_order(_send(w3.provider, questions), len(questions)))
    except StopIteration as end:
        if end.value is None:
            w3.eth.estimate_gas(tx)  # Raises what the contract says.
            raise _failing() from None
        return cast(GasReport, end.value)


async def gas_check_async(w3: AsyncWeb3[Any], tx: TxParams, drift: int = 1) -> GasReport:
    """Asks the node what the transaction will use if it is included after `drift` more blocks. A state that
    moves meanwhile starts the questions again, three times at most."""
    asking = _check(_call(tx), drift)
    try:
        questions = next(asking)
        while True:
            answers: Any = await cast(Any, w3.provider).make_batch_request(questions)
            questions = asking.send(_in_order(answers, len(questions)))
    except StopIteration as end:
        if end.value is None:
            await w3.eth.estimate_gas(tx)  # Raises what the contract says.
            raise _failing() from None
        return cast(GasReport, end.value)


def _in_order(answers: Any, n: int) -> list[dict[str, Any]]:
    """The provider sorts a batch by its ids; anything but one answer each is the node's mistake."""
    if not isinstance(answers, list) or len(answers) != n:
        raise GasCheckError(f"{n} answers expected, the node said {str(answers)[:200]}")
    return answers
