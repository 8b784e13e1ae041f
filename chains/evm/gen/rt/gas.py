# SPDX-License-Identifier: Apache-2.0
"""The gas check: what a transaction will use and what limit to give it, before it is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from web3 import AsyncWeb3, Web3
from web3.types import TxParams


@dataclass(frozen=True)
class GasReport:
    """All in units of gas."""

    limit: int
    used: int
    interval: tuple[int, int]


def gas_check(w3: Web3, tx: TxParams) -> GasReport:
    limit = w3.eth.estimate_gas(tx)
    return GasReport(limit, limit, (limit, limit))


async def gas_check_async(w3: AsyncWeb3[Any], tx: TxParams) -> GasReport:
    limit = await w3.eth.estimate_gas(tx)
    return GasReport(limit, limit, (limit, limit))
