# SPDX-License-Identifier: Apache-2.0
# events.py THEIRS OURS: what CometBFT's bus said of its blocks and what ours says of the same blocks, event by event: data
# byte for byte, and the table behind it, whose order is any in Go.
import json, sys

BLOCKS = {"NewBlock", "NewBlockHeader", "NewBlockEvents", "NewEvidence", "Tx", "ValidatorSetUpdates"}
def read(path):
    out = {}
    for line in open(path, encoding="utf-8"):
        data, _, table = line.rstrip("\n").rpartition(',"events":')
        table = json.loads(table[:-1])
        kind = table["tm.event"][-1]
        if kind in BLOCKS: out.setdefault(kind, []).append((data, table))
    return out

theirs, ours = read(sys.argv[1]), read(sys.argv[2])
kinds = ["NewBlock", "NewBlockHeader", "NewBlockEvents", "Tx", "ValidatorSetUpdates"]
n = 0
for kind in kinds:
    a, b = theirs.get(kind, []), ours.get(kind, [])
    # The recorder came a moment after the first block, and left a moment before the last.
    seen = {d for d, _ in a}
    b = [x for x in b if x[0] in seen] if len(b) > len(a) else b
    assert a and len(a) == len(b), f"{kind}: {len(a)} events, here {len(b)}"
    for (x, s), (y, t) in zip(a, b):
        at = next((i for i, (p, q) in enumerate(zip(x, y)) if p != q), min(len(x), len(y)))
        assert x == y, f"{kind}: at byte {at}: {x[max(0, at - 60):at + 80]} | {y[max(0, at - 60):at + 80]}"
        assert s == t, f"{kind}: {s} | {t}"
        n += 1
print(n)
