#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Solidity's own encoder and decoder, run on a node: what evm_peer encodes the compiler's code must decode and
encode to the same bytes, packed encodings must agree, and of damaged calldata both must take the same.
usage: solidity.py EVM_PEER SOLC_MODULE HOST:PORT [SEED]"""
import json
import random
import subprocess
import sys
import urllib.request

peer, solc, node = sys.argv[1:4]
seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
rnd = random.Random(seed)
FUNCTIONS, VALUES, DAMAGED = 60, 12, 6
AT = "0x00000000000000000000000000000000000abc01"
WORDS = ["uint8", "uint136", "uint256", "int8", "int64", "int256", "bool", "address", "bytes1", "bytes5", "bytes32"]

COMPILE = """
const solc = require(process.argv[1]);
const input = {language: 'Solidity', sources: {s: {content: require('fs').readFileSync(0, 'utf8')}},
  settings: {outputSelection: {s: {C: ['evm.deployedBytecode.object']}}}};
const out = JSON.parse(solc.compile(JSON.stringify(input)));
for (const e of out.errors ?? []) if (e.severity === 'error') { console.error(e.formattedMessage); process.exit(1); }
console.log(out.contracts.s.C.evm.deployedBytecode.object);
"""


def ask(lines):
    text = "".join(json.dumps(x) + "\n" for x in lines)
    out = subprocess.run([peer], input=text, capture_output=True, text=True, check=True).stdout
    return [json.loads(x) for x in out.splitlines()]


def rpc(calls):
    body = json.dumps([{"jsonrpc": "2.0", "id": i, "method": m, "params": p} for i, (m, p) in enumerate(calls)])
    req = urllib.request.Request(f"http://{node}", body.encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(req, timeout=120) as f:
        return sorted(json.load(f), key=lambda x: x["id"])


# A type is ("word", name), ("bytes"|"string",), ("list", T), ("array", T, n), ("struct", [T...], index).
structs = []


def make_type(depth):
    r = rnd.random()
    if depth and r < 0.2:
        t = ("struct", [make_type(depth - 1) for _ in range(rnd.randrange(1, 4))], len(structs))
        structs.append(t)
        return t
    if depth and r < 0.4:
        return ("list", make_type(depth - 1))
    if depth and r < 0.5:
        return ("array", make_type(depth - 1), rnd.choice([1, 2, 3]))
    return rnd.choice([("bytes",), ("string",)]) if r < 0.65 else ("word", rnd.choice(WORDS))


def abi(t):
    if t[0] == "word":
        return t[1]
    if t[0] == "list":
        return abi(t[1]) + "[]"
    if t[0] == "array":
        return f"{abi(t[1])}[{t[2]}]"
    return "(" + ",".join(map(abi, t[1])) + ")" if t[0] == "struct" else t[0]


def solidity(t):
    if t[0] == "word":
        return t[1]
    if t[0] == "list":
        return solidity(t[1]) + "[]"
    if t[0] == "array":
        return f"{solidity(t[1])}[{t[2]}]"
    return f"S{t[2]}" if t[0] == "struct" else t[0]


def packs(t):
    """What abi.encodePacked takes."""
    return t[0] in ("word", "bytes", "string") or (t[0] in ("list", "array") and t[1][0] == "word")


def value(t):
    if t[0] == "list":
        return [value(t[1]) for _ in range(rnd.randrange(4))]
    if t[0] == "array":
        return [value(t[1]) for _ in range(t[2])]
    if t[0] == "struct":
        return [value(x) for x in t[1]]
    if t[0] == "string":
        return "".join(rnd.choice("aé漢 z") for _ in range(rnd.randrange(40)))
    if t[0] == "bytes":
        return "0x" + rnd.randbytes(rnd.randrange(70)).hex()
    name = t[1]
    if name == "bool":
        return rnd.random() < 0.5
    if name == "address":
        return "0x" + rnd.randbytes(20).hex()
    if name.startswith("bytes"):
        return "0x" + rnd.randbytes(int(name[5:])).hex()
    bits = int(name.lstrip("uint") or 256)
    low, high = (0, 2**bits - 1) if name[0] == "u" else (-2**(bits - 1), 2**(bits - 1) - 1)
    return str(rnd.choice([low, high, 0, rnd.randint(low, high)]))


def source(functions):
    out = ["pragma solidity ^0.8.0;", "contract C {"]
    for t in structs:
        out.append(f"struct S{t[2]} {{ " + " ".join(f"{solidity(x)} m{i};" for i, x in enumerate(t[1])) + " }")
    for i, types in enumerate(functions):
        def where(t):
            return "" if t[0] == "word" else " memory"
        args = ", ".join(f"{solidity(t)}{where(t)} a{k}" for k, t in enumerate(types))
        names = ", ".join(f"a{k}" for k in range(len(types)))
        out.append(f"function e{i}({args}) external pure returns (bytes memory) {{ return abi.encode({names}); }}")
        if all(map(packs, types)):
            out.append(f"function p{i}({args}) external pure returns (bytes memory) "
                       f"{{ return abi.encodePacked({names}); }}")
    return "\n".join(out + ["}"])


def damaged(data):
    """One word or byte changed, an end cut off or bytes put behind."""
    raw = bytearray.fromhex(data[2:])
    kind = rnd.randrange(4)
    if raw and kind == 0:
        at = 32 * rnd.randrange(len(raw) // 32)
        raw[at:at + 32] = rnd.choice([0, 1, 31, 32, 33, 64, 96, len(raw), len(raw) - 32, 2**64, 2**255,
                                      2**256 - 1]).to_bytes(32, "big")
    elif raw and kind == 1:
        raw[rnd.randrange(len(raw))] ^= 1 << rnd.randrange(8)
    elif kind == 2:
        del raw[len(raw) - min(len(raw), rnd.choice([1, 31, 32, 64])):]
    else:
        raw += rnd.randbytes(rnd.choice([1, 32]))
    return "0x" + raw.hex()


functions = [[make_type(2) for _ in range(rnd.randrange(1, 4))] for _ in range(FUNCTIONS)]
code = subprocess.run(["node", "-e", COMPILE, solc], input=source(functions), capture_output=True, text=True)
if code.returncode:
    sys.exit(f"solc: {code.stderr[:2000]}")
rpc([("anvil_setCode", [AT, "0x" + code.stdout.strip()])])

texts = ["(" + ",".join(map(abi, types)) + ")" for types in functions]
hashes = ask([{"op": "keccak", "data": "0x" + (f"{p}{i}" + texts[i]).encode().hex()}
              for i in range(FUNCTIONS) for p in "ep"])
selector = {(p, i): hashes[2 * i + k]["hash"][:10] for i in range(FUNCTIONS) for k, p in enumerate("ep")}

rows = [(i, [value(t) for t in functions[i]]) for i in range(FUNCTIONS) for _ in range(VALUES)]
plain = ask([{"op": "encode", "types": texts[i], "values": v} for i, v in rows])
packed = ask([{"op": "encode", "packed": True, "types": texts[i], "values": v} for i, v in rows])
failures = 0


def report(what, bad, of, first):
    global failures
    failures += bad
    print(f"{'FAIL' if bad else 'ok'} solidity {what}: {of - bad} of {of} (seed {seed})" +
          (f"; first: {first[:600]}" if bad else ""))


def returned(calls):
    """What each call returned as bytes; None where it reverted."""
    out = []
    for k in range(0, len(calls), 100):
        out += rpc([("eth_call", [{"to": AT, "data": c}, "latest"]) for c in calls[k:k + 100]])
    got = ask([{"op": "decode", "types": "(bytes)", "data": r.get("result", "0x")} for r in out])
    return [g["values"][0] if "values" in g and "result" in r else None for r, g in zip(out, got)]


got = returned([selector["e", i] + a["data"][2:] for (i, _), a in zip(rows, plain)])
bad = [f"{texts[i]} {v}" for (i, v), a, g in zip(rows, plain, got) if g != a["data"]]
report("abi.encode", len(bad), len(rows), bad[0] if bad else "")

some = [k for k, (i, _) in enumerate(rows) if all(map(packs, functions[i]))]
got = returned([selector["p", rows[k][0]] + plain[k]["data"][2:] for k in some])
bad = [f"{texts[rows[k][0]]} {rows[k][1]}: {g}" for k, g in zip(some, got) if g != packed[k].get("data")]
report("abi.encodePacked", len(bad), len(some), bad[0] if bad else "")

# What Solidity takes, the lenient decoder takes, and gives the values that Solidity encodes again. Strings
# are read as bytes here: damaged ones are no UTF-8, and JSON has nothing else.
texts = [t.replace("string", "bytes") for t in texts]
broken = [(i, damaged(a["data"])) for (i, _), a in zip(rows, plain) for _ in range(DAMAGED)]
got = returned([selector["e", i] + d[2:] for i, d in broken])
mine = ask([{"op": "decode", "lenient": True, "types": texts[i], "data": d} for i, d in broken])
again = ask([{"op": "encode", "types": texts[i], "values": m.get("values")} if "values" in m else
             {"op": "keccak", "data": "0x"} for (i, _), m in zip(broken, mine)])
bad, taken = [], 0
for (i, d), g, m, a in zip(broken, got, mine, again):
    taken += g is not None
    if (g is None) != ("values" not in m):
        bad.append(f"{texts[i]} {d}: Solidity {'refuses' if g is None else 'takes'} it, we say {m}")
    elif g is not None and g != a.get("data"):
        bad.append(f"{texts[i]} {d}: Solidity reads {g}, we {a}")
report(f"decoding damaged calldata ({taken} taken)", len(bad), len(broken), bad[0] if bad else "")
sys.exit(1 if failures else 0)
