#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Vectors of ethers (npm @ethersproject/testcases) and random ones of eth-abi against evm_peer.
usage: vectors.py EVM_PEER TESTCASES_FOLDER"""
import gzip
import json
import random
import subprocess
import sys

peer, folder = sys.argv[1:3]
failures = 0


def ask(lines):
    text = "".join(json.dumps(x) + "\n" for x in lines)
    out = subprocess.run([peer], input=text, capture_output=True, text=True, check=True).stdout
    answers = [json.loads(x) for x in out.splitlines()]
    assert len(answers) == len(lines), f"{len(answers)} answers to {len(lines)} questions"
    return answers


def load(name):
    with gzip.open(f"{folder}/{name}.json.gz") as f:
        return json.load(f)


def refused(row, error):
    """Go's clients, and so the network, have no gas limits and nonces beyond 64 bits."""
    huge = any(int(row.get(k) or "0x0", 16) >> 64 for k in ("gasLimit", "nonce"))
    return None if huge and "more than 64 bits" in error else error


def check(suite, rows, questions, good):
    """good(row, answer) gives what is wrong, or None."""
    global failures
    bad = 0
    for row, answer in zip(rows, ask(questions)):
        try:
            why = refused(row, answer["error"]) if "error" in answer else good(row, answer)
        except (KeyError, TypeError) as e:
            why = f"{type(e).__name__} {e} in {json.dumps(answer)[:200]}"
        if why:
            bad += 1
            if bad <= 3:
                print(f"  {suite} {row.get('name')}: {str(why)[:600]}")
    print(f"{'ok' if not bad else 'FAIL'} {suite}: {len(rows) - bad} of {len(rows)}")
    failures += bad


def same(what, got, want):
    return None if got == want else f"{what} is {got}, expected {want}"


def lower(x):
    return x.lower() if isinstance(x, str) else x


# ---- ABI: {"type": "number"|"boolean"|"string"|"buffer"|"tuple", "value"} ----
def plain(v):
    if not isinstance(v, (list, dict)):
        return v
    if isinstance(v, list):
        return [plain(x) for x in v]
    if v["type"] == "tuple":
        return [plain(x) for x in v["value"]]
    if isinstance(v["value"], list):
        return [plain(x) for x in v["value"]]
    return v["value"]


def equal(got, want):
    if isinstance(got, dict) and not isinstance(want, dict):
        got = list(got.values())
    if isinstance(want, list):
        return isinstance(got, list) and len(got) == len(want) and all(map(equal, got, want))
    if isinstance(want, bool) or isinstance(got, bool):
        return got is want
    if isinstance(got, str) and got.lstrip("-").isdigit() and str(want).lower().lstrip("-").startswith("0x"):
        return int(got) == int(want, 16)
    return lower(str(got)) == lower(str(want))


def texts(types):
    return "(" + ",".join(types) + ")"


def outputs(row):
    """Parameter list of the function's outputs, tuples written out."""
    def one(p):
        if p["type"].startswith("tuple"):
            return "(" + ",".join(map(one, p["components"])) + ")" + p["type"][5:]
        return p["type"]
    fn = next(x for x in json.loads(row["interface"]) if x.get("name") == "test")
    return "(" + ",".join(map(one, fn["outputs"])) + ")"


for name in ("contract-interface", "contract-interface-abi2"):
    rows = load(name)
    check(f"{name} encode", rows,
          [{"op": "encode", "types": outputs(r), "values": plain(json.loads(r["normalizedValues"] if "normalizedValues" in r else r["values"]))}
           for r in rows], lambda r, a: same("data", a["data"], r["result"]))
    check(f"{name} decode", rows,
          [{"op": "decode", "types": outputs(r), "data": r["result"]} for r in rows],
          lambda r, a: None if equal(a["values"], plain(json.loads(r.get("normalizedValues", r["values"])))) else
          f"{json.dumps(a['values'])} {json.dumps(plain(json.loads(r['normalizedValues'])))}")

rows = load("contract-signatures")
check("signatures", rows, [{"op": "abi", "abi": r["abi"]} for r in rows],
      lambda r, a: None if {"signature": r["signature"], "selector": r["sigHash"]} in
      [{k: i[k] for k in ("signature", "selector")} for i in a["items"]] else a)

rows = load("contract-events")


def log_good(r, a):
    values = json.loads(r["normalizedValues"]) if isinstance(r["normalizedValues"], str) else r["normalizedValues"]
    for got, want, hashed in zip(a["values"], values, r["hashed"]):
        if hashed:
            if not (isinstance(got, dict) and "hash" in got):
                return f"{got} is no hash"
        elif not equal(got, plain(want) if isinstance(want, (dict, list)) else want):
            return f"{json.dumps(got)}, expected {json.dumps(plain(want))}"
    return same("count", len(a["values"]), len(values))


check("events", rows, [{"op": "log", "abi": r["interface"], "event": "testEvent", "data": r["data"],
                        "topics": "0x" + "".join(t[2:] for t in r["topics"])} for r in rows], log_good)

rows = load("eip712")
check("eip712", rows, [{"op": "eip712", "types": r["types"], "primaryType": r["primaryType"],
                        "domain": r["domain"], "message": r["data"]} for r in rows],
      lambda r, a: same("digest", a["digest"], r["digest"]))

rows = [r for r in load("solidity-hashes")]
packed = ask([{"op": "encode", "packed": True, "types": texts(r["types"]), "values": r["values"]} for r in rows])
check("packed", rows, [{"op": "keccak", "data": p.get("data", "0xff")} for p in packed],
      lambda r, a: same("hash", a["hash"], r["keccak256"]))

rows = load("rlp-coder")
check("rlp", rows, [{"op": "rlp", "decoded": r["decoded"], "encoded": r["encoded"]} for r in rows],
      lambda r, a: same("encoded", a["encoded"], r["encoded"]) or same("decoded", a["decoded"], r["decoded"]))

rows = load("hashes")
check("keccak", rows, [{"op": "keccak", "data": r["data"]} for r in rows],
      lambda r, a: same("hash", a["hash"], r["keccak256"]))

rows = load("accounts")
check("addresses", rows, [{"op": "address", "address": r["address"]} |
                          ({"key": r["privateKey"]} if "privateKey" in r else {}) for r in rows],
      lambda r, a: same("checksum", a["checksum"], r["checksumAddress"]))

rows = load("transactions")
for suffix in ("", "ChainId5"):
    check(f"transactions{suffix}", rows,
          [{"op": "tx", "unsigned": r["unsignedTransaction" + suffix], "key": r["privateKey"],
            "signed": r["signedTransaction" + suffix]} for r in rows],
          lambda r, a: same("signed", a["signed"], r["signedTransaction" + suffix]) or
          same("again", a["again"], r["signedTransaction" + suffix]) or
          same("unsigned", a["unsigned"], r["unsignedTransaction" + suffix]) or
          same("from", a["from"], r["accountAddress"].lower()))
rows = load("typed-transactions")
check("typed transactions", rows, [{"op": "tx", "tx": r["tx"], "key": r["key"], "signed": r["signed"]} for r in rows],
      lambda r, a: same("unsigned", a["unsigned"], r["unsigned"]) or same("signed", a["signed"], r["signed"]) or
      same("again", a["again"], r["signed"]) or same("from", a["from"], r["address"].lower()))


# ---- eth-abi: random types and values ----
def random_type(rnd, depth):
    base = rnd.choice(["uint8", "uint256", "int64", "int256", "bool", "address", "bytes1", "bytes32", "bytes",
                       "string", "uint136", "function", "fixed128x18", "ufixed64x2"])
    if depth and rnd.random() < 0.25:
        base = "(" + ",".join(random_type(rnd, depth - 1) for _ in range(rnd.randrange(1, 4))) + ")"
    for _ in range(2):
        if rnd.random() < 0.2:
            base += rnd.choice(["[]", "[1]", "[3]"])
    return base


def split(s):
    parts, level, start = [], 0, 0
    for i, c in enumerate(s):
        level += (c in "([") - (c in ")]")
        if c == "," and level == 0:
            parts.append(s[start:i])
            start = i + 1
    return parts + [s[start:]]


def random_value(rnd, t):
    """The value for eth-abi, and as JSON."""
    import decimal
    decimal.getcontext().prec = 120
    if t.endswith("]"):
        base, n = t[:t.rindex("[")], t[t.rindex("[") + 1:-1]
        v = [random_value(rnd, base) for _ in range(int(n) if n else rnd.randrange(3))]
        return [x[0] for x in v], [x[1] for x in v]
    if t.startswith("("):
        v = [random_value(rnd, x) for x in split(t[1:-1])]
        return tuple(x[0] for x in v), [x[1] for x in v]
    if "fixed" in t:
        bits, places = map(int, t.split("fixed")[1].split("x"))
        n = rnd.getrandbits(bits - 1) * (1 if t[0] == "u" else rnd.choice([1, -1]))
        text = f"{'-' if n < 0 else ''}{abs(n) // 10**places}.{abs(n) % 10**places:0{places}d}"
        return decimal.Decimal(n).scaleb(-places), text
    if t.startswith("uint"):
        n = rnd.getrandbits(int(t[4:]))
        return n, str(n)
    if t.startswith("int"):
        n = rnd.getrandbits(int(t[3:])) - (1 << (int(t[3:]) - 1))
        return n, str(n)
    if t == "bool":
        return (True, True) if rnd.random() < 0.5 else (False, False)
    if t == "string":
        s = "".join(rnd.choice("aé漢 z") for _ in range(rnd.randrange(40)))
        return s, s
    n = {"address": 20, "function": 24, "bytes": rnd.randrange(70)}.get(t) or (int(t[5:]) if len(t) > 5 and t != "address" else 0)
    b = rnd.randbytes(n)
    return ("0x" + b.hex() if t == "address" else b), "0x" + b.hex()


def equal_numbers(got, want):
    """As equal, fractions without their trailing zeros."""
    if isinstance(want, list):
        return isinstance(got, list) and len(got) == len(want) and all(map(equal_numbers, got, want))
    if isinstance(want, str) and "." in want and not want.startswith("0x"):
        import decimal
        try:
            return decimal.Decimal(got) == decimal.Decimal(want)
        except decimal.InvalidOperation:
            return got == want
    return equal(got, want)


import eth_abi  # noqa: E402  (the script's environment has it)
rnd = random.Random(712)
rows = []
for i in range(2000):
    types = [random_type(rnd, 3) for _ in range(rnd.randrange(1, 4))]
    values = [random_value(rnd, t) for t in types]
    rows.append({"name": texts(types), "json": [v[1] for v in values],
                 "data": "0x" + eth_abi.encode(types, [v[0] for v in values]).hex()})
check("eth-abi encode", rows, [{"op": "encode", "types": r["name"], "values": r["json"]} for r in rows],
      lambda r, a: same("data", a["data"], r["data"]))
check("eth-abi decode", rows, [{"op": "decode", "types": r["name"], "data": r["data"]} for r in rows],
      lambda r, a: None if equal_numbers(a["values"], r["json"]) else f"{a['values']} {r['json']}")
sys.exit(1 if failures else 0)
