# SPDX-License-Identifier: Apache-2.0
"""The gas check: what a transaction will use and what limit to give it, before it is sent. These are
different numbers: refunds come back only at the end, and a call keeps a 64th back from its callee."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hexbytes import HexBytes
from web3 import AsyncWeb3, Web3
from web3.types import RPCEndpoint, TxParams

TX_GAS_MAX = 16_777_216
"""EIP-7825: no transaction may ask for more."""


@dataclass(frozen=True)
class GasReport:
    """All in units of gas."""

    limit: int
    """To put into the transaction."""
    used: int
    """Most likely the receipt's gasUsed."""
    interval: tuple[int, int]
    """Where gasUsed will be if nobody touches the same state before."""
    method: str
    """Where `used` comes from: "simulate", "trace", or "estimate", which is an upper bound only."""


def _call(tx: TxParams) -> dict[str, Any]:
    data, value = HexBytes(tx.get("data", b"")), tx.get("value", 0)
    call: dict[str, Any] = {"from": tx.get("from"), "input": "0x" + data.hex()}
    if "to" in tx:
        call["to"] = tx["to"]
    if value:
        call["value"] = hex(value)
    return call


def _questions(tx: TxParams) -> list[tuple[RPCEndpoint, list[Any]]]:
    call = _call(tx)
    return [
        (RPCEndpoint("eth_simulateV1"), [{"blockStateCalls": [{"calls": [call]}]}, "pending"]),
        (RPCEndpoint("debug_traceCall"), [call, "pending", {"tracer": "callTracer"}]),
    ]


def _used(answer: Any) -> tuple[int, str] | None:
    """Not every node has these methods: without a result the next one is asked."""
    result = answer.get("result")
    if isinstance(result, list) and result:
        simulated = result[0]["calls"][0]
        return (int(simulated["gasUsed"], 16), "simulate") if simulated["status"] == "0x1" else None
    if isinstance(result, dict) and "error" not in result:
        return int(result["gasUsed"], 16), "trace"
    return None


def _report(estimate: int, found: tuple[int, str] | None) -> GasReport:
    used, method = found or (estimate, "estimate")
    # 2 % above what is enough now; a refund is at most a fifth, a 64th stays behind at nested calls.
    need = max(estimate, used)
    limit = min(need + (need + 49) // 50, max(need, TX_GAS_MAX))
    low, high = used - used * 12 // 1000, used + (used * 12 + 999) // 1000
    if method == "estimate":
        low, high = used - used // 5 - used // 32, used
    return GasReport(limit, used, (low, high), method)


def gas_check(w3: Web3, tx: TxParams) -> GasReport:
    """Asks the node what the transaction would use if it were sent now."""
    estimate = w3.eth.estimate_gas(tx)
    found = None
    for method, params in _questions(tx):
        found = found or _used(w3.provider.make_request(method, params))
    return _report(estimate, found)


async def gas_check_async(w3: AsyncWeb3[Any], tx: TxParams) -> GasReport:
    """Asks the node what the transaction would use if it were sent now."""
    estimate = await w3.eth.estimate_gas(tx)
    found = None
    for method, params in _questions(tx):
        found = found or _used(await w3.provider.make_request(method, params))
    return _report(estimate, found)
