#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""json_diff.py JSON_CAT [COUNT [SEED]] - our reader and writer against Python's on random and broken
texts: both accept the same ones, and what we write Python reads as the same value."""
import json
import random
import subprocess
import sys

cat, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20000
seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
r = random.Random(seed)
CHARS = ['"', "\\", "/", "\b", "\n", "\t", "\x00", "\x1f", "\x7f", "a", "Z", " ", "é", "€", "😀", "\u2028", "\ufeff"]


def value(depth=0):
    k = r.randrange(9 if depth < 4 else 6)
    if k == 0:
        return r.choice([None, True, False])
    if k == 1:
        return r.choice([-1, 1]) * r.getrandbits(r.randrange(1, 100))
    if k == 2:
        return r.choice([-1, 1]) * r.random() * 10.0 ** r.randrange(-320, 308)
    if k == 3:
        return r.choice([0.0, 1.0, 5e-324, 1.7976931348623157e308, 2.0**63, 0.1, 1e21, 123456.789])
    if k in (4, 5):
        return "".join(r.choices(CHARS, k=r.randrange(9)))
    if k in (6, 7):
        return [value(depth + 1) for _ in range(r.randrange(5))]
    return {"".join(r.choices(CHARS, k=r.randrange(4))): value(depth + 1) for _ in range(r.randrange(5))}


def broken(b):
    b = bytearray(b)
    for _ in range(r.randrange(1, 3)):
        at = r.randrange(len(b) + 1)
        what = r.randrange(4)
        if what == 0 and at < len(b):
            del b[at]
        elif what == 1:
            b.insert(at, r.choice(b'{}[]",:0123456789.eE+-tfn\\u \n\x00\x80\xff'))
        elif what == 2 and at < len(b):
            b[at] = r.randrange(256)
        else:
            b = b[:at]
    return bytes(b)


def refuse(_):
    raise ValueError("no JSON")


def number(s):
    f = float(s)
    if f in (float("inf"), float("-inf")):
        raise ValueError("out of range")  # as we do
    return f


def integer(s):
    return -0.0 if s == "-0" else int(s)


def python_reads(b):
    try:
        v = json.loads(b.decode("utf-8"), parse_constant=refuse, parse_float=number, parse_int=integer)
        json.dumps(v, ensure_ascii=False).encode("utf-8")  # refuses lone surrogates, as we do
    except (ValueError, RecursionError):
        return False, None
    return True, v


def same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return repr(a) == repr(b)


texts = []
for i in range(count):
    b = json.dumps(value(), ensure_ascii=r.random() < .5, indent=r.choice([None, None, 1])).encode()
    texts.append(broken(b) if i % 2 else b)
p = subprocess.run([cat], input=b"".join(b"%d\n" % len(t) + t for t in texts), stdout=subprocess.PIPE, check=True)
lines = p.stdout.split(b"\n")
failed = 0
for t, line in zip(texts, lines):
    ok, want = python_reads(t)
    if line.startswith(b"!"):
        why = "refused" if ok else None
    elif not ok:
        why = "accepted"
    else:
        why = None if same(json.loads(line, parse_int=integer), want) else "changed"
    if why:
        failed += 1
        if failed <= 5:
            print(f"FAIL json_diff: {why} (seed {seed}): {t!r}: {line!r}")
print(f"{count} texts compared, {failed} differ")
print(f"{0 if failed else 1} passed, {1 if failed else 0} failed, 0 skipped")
sys.exit(failed != 0 or len(lines) != count + 1)
