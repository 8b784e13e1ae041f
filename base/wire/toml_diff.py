#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""toml_diff.py TOML_CAT [COUNT [SEED]] - our TOML reader against Python's tomllib on random and broken texts: both
accept the same ones and read the same values."""
import datetime
import json
import math
import random
import subprocess
import sys

try:
    import tomllib
except ImportError:
    print("SKIP toml_diff: this Python has no tomllib")
    sys.exit(77)

cat, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20000
r = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
KEYS = ["a", "b", "c", "d-1", "e_2", "'q k'", '"x\\u00e9"', "1", "a", "b"]
SCALARS = ["1", "-17", "+0", "1_000", "0xDEAD_beef", "0o17", "0b101", "9223372036854775807", "-9223372036854775808", "01", "1__0",
    "0.5", "-1e10", "6.02E+23", "1_0.2_5", "1.", ".5", "inf", "-inf", "nan", "true", "false", "True",
    '"s"', '""', '"a\\tb\\n\\"\\\\"', '"\\u20AC\\U0001F600"', '"\\x"', "'lit\\'", '"""m\nn"""', '"""\nx \\\n   y"""', '""""q""""', "'''\nr'''",
    "''''q''''", '"é€😀"', "1979-05-27", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00.25+05:30", "1979-05-27T07:32:00.999999",
    "07:32:00", "07:32:00.5", "2023-02-29", "2024-02-29", "24:00:00", "word", "[]", "{}"]


def key():
    return r.choice([".", ".", " . "]).join(r.choices(KEYS, k=r.choice([1, 1, 1, 1, 2, 3])))


def value(depth=0):
    k = r.randrange(10)
    if k < 7 or depth > 3:
        return r.choice(SCALARS)
    if k < 9:
        sep = r.choice([", ", ",", " ,\n  ", ", # c\n"])
        return "[" + r.choice(["", "\n"]) + sep.join(value(depth + 1) for _ in range(r.randrange(4))) + r.choice(["", ",", " "]) + "]"
    return "{" + ", ".join("%s = %s" % (key(), value(depth + 1)) for _ in range(r.randrange(3))) + "}"


def text():
    lines = []
    for _ in range(r.randrange(1, 12)):
        k = r.randrange(8)
        if k == 0:
            lines.append("[%s]" % key())
        elif k == 1:
            lines.append("[[%s]]" % key())
        elif k == 2:
            lines.append(r.choice(["", "# c é", "   ", "\t"]))
        else:
            lines.append("%s = %s%s" % (key(), value(), r.choice(["", " # c", "  "])))
    return (r.choice(["\n", "\n", "\r\n"])).join(lines).encode()


def broken(b):
    b = bytearray(b)
    for _ in range(r.randrange(1, 3)):
        at = r.randrange(len(b) + 1)
        what = r.randrange(4)
        if what == 0 and at < len(b):
            del b[at]
        elif what == 1:
            b.insert(at, r.choice(b'{}[]"\'\\,=:.#0123456789eE+-_tfxTZ \n\r\t\x00\x7f\x80\xff'))
        elif what == 2 and at < len(b):
            b[at] = r.randrange(256)
        else:
            b = b[:at]
    return bytes(b)


def plain(v):
    if isinstance(v, dict):
        return {k: plain(x) for k, x in v.items()}
    if isinstance(v, list):
        return [plain(x) for x in v]
    if isinstance(v, float):
        return {"float": "nan" if math.isnan(v) else "inf" if v == math.inf else "-inf" if v == -math.inf else "%.17g" % v}
    if isinstance(v, datetime.datetime):
        o = v.utcoffset()
        t = "%04d" % v.year + v.strftime("-%m-%dT%H:%M:%S.%f")
        return {"time": t + ("" if o is None else "%+d" % (o.total_seconds() // 60))}
    if isinstance(v, datetime.date):
        return {"time": "%04d" % v.year + v.strftime("-%m-%d")}
    if isinstance(v, datetime.time):
        return {"time": v.strftime("T%H:%M:%S.%f")}
    return v


def theirs(b):
    try:
        return plain(tomllib.loads(b.decode()))
    except (UnicodeDecodeError, ValueError, RecursionError):
        return None


def has(v, test):
    if isinstance(v, dict):
        return any(has(x, test) for x in v.values())
    if isinstance(v, list):
        return any(has(x, test) for x in v)
    return test(v)


def excused(b, want, got):
    """Second 60 and the year 0 are times by RFC 3339, which Python does not have; its integers have no end, and numbers
    beyond a double are infinite: we refuse both."""
    if want is None:
        return got is not None and (b":60" in b or b"0000-" in b)
    return got is None and has(want, lambda v: v in ("inf", "-inf") or type(v) is int and not -2**63 <= v < 2**63)


texts = [text() for _ in range(count)]
texts = [broken(t) if i % 3 == 0 else t for i, t in enumerate(texts)]
run = subprocess.run([cat], input=b"".join(b"%d\n%s" % (len(t), t) for t in texts), stdout=subprocess.PIPE, check=True)
lines = run.stdout.split(b"\n")
taken = failed = 0
for t, line in zip(texts, lines):
    want, got = theirs(t), None if line.startswith(b"!") else json.loads(line)
    taken += want is not None
    if want == got or excused(t, want, got):
        continue
    failed += 1
    if failed <= 5:
        print("FAIL toml_diff: %r\n  Python: %s\n  ours:   %s" % (t, json.dumps(want), line.decode()))
print("%d texts, %d of them valid" % (count, taken))
print("%d passed, %d failed, 0 skipped" % (failed == 0, failed))
sys.exit(failed != 0)
