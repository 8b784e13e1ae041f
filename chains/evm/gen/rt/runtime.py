# SPDX-License-Identifier: Apache-2.0
"""What every module of this package shares: calls, transactions, logs, and reverts as exceptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import DecodingError
from eth_typing import BlockIdentifier, ChecksumAddress, HexStr
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from hexbytes import HexBytes
from web3 import AsyncWeb3, Web3
from web3.exceptions import ContractLogicError
from web3.types import FilterParams, LogReceipt, TxParams, Wei

from ._gas import GasReport, gas_check, gas_check_async

__all__ = [
    "ContractError", "EmptyReturnError", "EventMismatchError", "GasReport", "Options", "PanicError",
    "RevertError", "UnknownError",
]

Topic = HexStr | Sequence[HexStr] | None


@dataclass(frozen=True)
class Options:
    """What goes with a call or a transaction beside its arguments."""

    sender: ChecksumAddress | None = None
    value: int = 0
    """wei"""
    gas: int | None = None
    """Units of gas; without it the gas check asks the node and its limit is used."""
    nonce: int | None = None
    block: BlockIdentifier = "latest"
    """Calls only."""
    on_gas: Callable[[GasReport], None] | None = None
    """Sees what the gas check found before a transaction is sent; raise to stop it."""


class ContractError(Exception):
    """A call or transaction that the contract refused."""

    data: bytes = b""
    SIGNATURE: ClassVar[str] = ""

    def __str__(self) -> str:
        return repr(self)


class UnknownError(ContractError):
    """Revert data that is no error of the contract: perhaps nothing at all."""

    def __repr__(self) -> str:
        return f"reverted with 0x{self.data.hex()}" if self.data else "reverted without data"


@dataclass(eq=False)
class RevertError(ContractError):
    """`require(false, reason)`"""

    SIGNATURE: ClassVar[str] = "Error(string)"
    reason: str


@dataclass(eq=False)
class PanicError(ContractError):
    """`assert(false)`, an overflow, an index out of bounds and the like."""

    SIGNATURE: ClassVar[str] = "Panic(uint256)"
    code: int


class EmptyReturnError(Exception):
    """Nothing came back where values were due: most often no contract is at that address."""


class EventMismatchError(Exception):
    """The log is of another event."""


Decoders = Mapping[bytes, Callable[[bytes], ContractError]]


def encode(types: Sequence[str], values: Sequence[Any]) -> bytes:
    return abi_encode(types, values)


def decode(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    if not data:
        raise EmptyReturnError("the call returned no data")
    return abi_decode(types, data)


def address(value: Any) -> ChecksumAddress:
    return to_checksum_address(value)


def error_of(data: bytes, decoders: Decoders) -> ContractError:
    """The exception for revert data."""
    selector = data[:4]
    error: ContractError = UnknownError()
    try:
        if selector in decoders:
            error = decoders[selector](data)
        elif selector == b"\x08\xc3\x79\xa0":
            error = RevertError(abi_decode(["string"], data[4:])[0])
        elif selector == b"\x4e\x48\x7b\x71":
            error = PanicError(abi_decode(["uint256"], data[4:])[0])
    except (DecodingError, UnicodeDecodeError):
        pass  # malformed data of a hostile contract stays as it is
    error.data = data
    return error


def _refusal(error: ContractLogicError, decoders: Decoders) -> ContractError:
    data: Any = error.data
    if isinstance(data, Mapping):
        data = data.get("data")
    raw = bytes.fromhex(data[2:]) if isinstance(data, str) and data.startswith("0x") else b""
    return error_of(raw, decoders)


def _call_params(to: ChecksumAddress, data: bytes, options: Options) -> TxParams:
    tx: TxParams = {"to": to, "data": HexBytes(data)}
    if options.sender is not None:
        tx["from"] = options.sender
    if options.value:
        tx["value"] = Wei(options.value)
    return tx


def call(w3: Web3, to: ChecksumAddress, data: bytes, options: Options | None,
         decoders: Decoders) -> bytes:
    o = options or Options()
    try:
        return bytes(w3.eth.call(_call_params(to, data, o), o.block))
    except ContractLogicError as e:
        raise _refusal(e, decoders) from e


async def call_async(w3: AsyncWeb3[Any], to: ChecksumAddress, data: bytes, options: Options | None,
                     decoders: Decoders) -> bytes:
    o = options or Options()
    try:
        return bytes(await w3.eth.call(_call_params(to, data, o), o.block))
    except ContractLogicError as e:
        raise _refusal(e, decoders) from e


def _send_params(to: ChecksumAddress | None, data: bytes, o: Options,
                 account: ChecksumAddress | None) -> TxParams:
    if account is None:
        raise ValueError("no sender: set options.sender or w3.eth.default_account")
    tx: TxParams = {"from": account, "data": HexBytes(data), "value": Wei(o.value)}
    if to is not None:
        tx["to"] = to
    if o.nonce is not None:
        tx["nonce"] = o.nonce  # type: ignore[typeddict-item,unused-ignore]
    return tx


def send(w3: Web3, to: ChecksumAddress | None, data: bytes, options: Options | None,
         decoders: Decoders) -> HexBytes:
    o = options or Options()
    default = w3.eth.default_account
    tx = _send_params(to, data, o, o.sender or (default if isinstance(default, str) else None))
    try:
        tx["gas"] = o.gas if o.gas is not None else _checked(gas_check(w3, tx), o)
        return w3.eth.send_transaction(tx)
    except ContractLogicError as e:
        raise _refusal(e, decoders) from e


async def send_async(w3: AsyncWeb3[Any], to: ChecksumAddress | None, data: bytes,
                     options: Options | None, decoders: Decoders) -> HexBytes:
    o = options or Options()
    default = w3.eth.default_account
    tx = _send_params(to, data, o, o.sender or (default if isinstance(default, str) else None))
    try:
        tx["gas"] = o.gas if o.gas is not None else _checked(await gas_check_async(w3, tx), o)
        return await w3.eth.send_transaction(tx)
    except ContractLogicError as e:
        raise _refusal(e, decoders) from e


def _checked(report: GasReport, o: Options) -> int:
    if o.on_gas is not None:
        o.on_gas(report)
    return report.limit


def link(bytecode: str, libraries: Mapping[str, ChecksumAddress]) -> bytes:
    """Creation code with the addresses of its libraries in place of their placeholders."""
    for placeholder, at in libraries.items():
        bytecode = bytecode.replace(placeholder, at[2:].lower())
    return bytes.fromhex(bytecode)


def topics_of(log: LogReceipt, topic0: bytes | None, types: Sequence[str]) -> tuple[Any, ...]:
    """The indexed values of a log; topic0 is None for an anonymous event."""
    words = [bytes(t) for t in log["topics"]]
    if topic0 is not None:
        if not words or words[0] != topic0:
            raise EventMismatchError(f"expected topic 0x{topic0.hex()}")
        words = words[1:]
    if len(words) != len(types):
        raise EventMismatchError(f"expected {len(types)} indexed values, got {len(words)}")
    # Topics are 32-byte words: side by side they are the encoding of a tuple without dynamic parts.
    return abi_decode(types, b"".join(words)) if types else ()


def topic(raw: bytes) -> HexStr:
    return HexStr("0x" + raw.hex())


def match(value: Any, kind: str) -> Topic:
    """The topic of one filter value; a list matches any of its members."""
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return [_topic(v, kind) for v in value]
    return _topic(value, kind)


def _topic(value: Any, kind: str) -> HexStr:
    if kind == "string":
        return topic(keccak(text=value))
    if kind == "bytes":
        return topic(keccak(value))
    return topic(abi_encode([kind], [value]))


def _filter(at: ChecksumAddress, topics: Sequence[Topic], from_block: BlockIdentifier,
            to_block: BlockIdentifier) -> FilterParams:
    wanted: list[Any] = list(topics)
    while wanted and wanted[-1] is None:
        wanted.pop()
    return {"address": at, "topics": wanted, "fromBlock": from_block, "toBlock": to_block}


def logs(w3: Web3, at: ChecksumAddress, topics: Sequence[Topic], from_block: BlockIdentifier,
         to_block: BlockIdentifier) -> Sequence[LogReceipt]:
    return w3.eth.get_logs(_filter(at, topics, from_block, to_block))


async def logs_async(w3: AsyncWeb3[Any], at: ChecksumAddress, topics: Sequence[Topic],
                     from_block: BlockIdentifier, to_block: BlockIdentifier) -> Sequence[LogReceipt]:
    return await w3.eth.get_logs(_filter(at, topics, from_block, to_block))
