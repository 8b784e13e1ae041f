# SPDX-License-Identifier: Apache-2.0
# compare.py THEIRS OURS HOME: the same requests to `cometbft inspect` and to our RPC over the same folders: statuses and
# bodies must be equal, byte for byte. Prints "ok NAME" or "FAIL NAME: ..." for each.
import base64, json, re, sys, urllib.error, urllib.parse, urllib.request

theirs, ours = sys.argv[1:3]

def get(base, path, body=None, headers={}):
    req = urllib.request.Request(f"http://{base}{path}", data=body, headers=headers)
    try:
        with urllib.request.urlopen(req, timeout=30) as r: return r.status, r.headers, r.read()
    except urllib.error.HTTPError as e: return e.code, e.headers, e.read()

def rpc(method, params, id=1):
    return json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).encode()

def ask(base, what):
    return get(base, what) if isinstance(what, str) else get(base, "/", what, {"content-type": "application/json"})

failed = passed = 0
# What only says in other words why a text is not JSON, a query or base64.
loose = [b"looking for", b"unexpected end", b"after top-level", b"illegal base64", b"in literal", b"after object", b"after array",
         b"got", b"failed to parse", b"cannot unmarshal", b"EOF", b"encoding/hex", b"of unknown type"]
def same(a, b):
    if a == b: return True
    if a[0] != b[0]: return False
    try: x, y = json.loads(a[1]), json.loads(b[1])
    except ValueError: return False
    if not isinstance(x, dict) or not isinstance(y, dict) or "error" not in x or "error" not in y: return False
    return x["error"]["code"] == y["error"]["code"] and x.get("id") == y.get("id") and \
        any(w in x["error"].get("data", "").encode() for w in loose)
def check(name, what):
    global failed, passed
    a, b = ask(theirs, what), ask(ours, what)
    x, y = (a[0], a[2]), (b[0], b[2])
    for h in ("content-type", "cache-control"):
        if a[1].get(h) != b[1].get(h): x, y = (a[0], h.encode() + str(a[1].get(h)).encode()), (b[0], str(b[1].get(h)).encode())
    if same(x, y):
        passed += 1
        return
    failed += 1
    at = next((i for i, (p, q) in enumerate(zip(x[1], y[1])) if p != q), min(len(x[1]), len(y[1])))
    print(f"FAIL {name}: {x[0]}/{y[0]} at byte {at}: {x[1][max(0, at - 60):at + 80]!r} | {y[1][max(0, at - 60):at + 80]!r}")

top = json.loads(get(theirs, "/blockchain")[2])["result"]
last = int(top["last_height"])
hashes = [m["block_id"]["hash"] for m in top["block_metas"]]
for h in range(1, last + 2):
    for route in ("block", "block_results", "commit", "header", "validators", "consensus_params"):
        check(f"{route} {h}", f"/{route}?height={h}")
for h in (1, 6, last):
    for route in ("block", "block_results", "commit", "header", "validators", "consensus_params"):
        check(f"{route} {h} by JSON-RPC", rpc(route, {"height": str(h)}))
        check(f"{route} {h} in an array", rpc(route, [str(h)] if route != "validators" else [str(h), None, None], "x<>&\u00e9"))
for route in ("block", "block_results", "commit", "header", "validators", "consensus_params", "blockchain", "tx", "tx_search"):
    check(f"{route} without arguments", f"/{route}")
for q in ("height=0", "height=-1", "height=abc", "height=%22abc%22", "height=%223%22", "height=1.5", "height=0x10", "height=null",
          "height=99999999", "height=99999999999999999999", "height=+3", "height=%203", "height=", "height", "other=1",
          "height=true", "height=[3]", "height=3&height=4", "height=%zz"):
    check(f"block?{q}", f"/block?{q}")
for q in ("page=1&per_page=1", "page=2&per_page=1", "page=3&per_page=1", "page=0", "page=-1", "per_page=0", "per_page=1000", "page=x"):
    check(f"validators?{q}", f"/validators?{q}")
    check(f"validators?{q} at 8", f"/validators?height=8&{q}")
for q in ("minHeight=3&maxHeight=7", "minHeight=9&maxHeight=3", "minHeight=-1", "maxHeight=5", "minHeight=30", "maxHeight=0",
          "minHeight=1&maxHeight=1000", "minHeight=%223%22", "minHeight=x"):
    check(f"blockchain?{q}", f"/blockchain?{q}")
for h in hashes[:2] + ["", "00" * 32, "ab", "zz", "0"]:
    check(f"block_by_hash {h[:8]}", f"/block_by_hash?hash=0x{h}")
    check(f"header_by_hash {h[:8]}", f"/header_by_hash?hash=0x{h}")
    check(f"header_by_hash {h[:8]} by JSON-RPC", rpc("header_by_hash", {"hash": h}))
    check(f"block_by_hash {h[:8]} quoted", f"/block_by_hash?hash=%22{h}%22")
check("block_by_hash by JSON-RPC", rpc("block_by_hash", {"hash": base64.b64encode(bytes.fromhex(hashes[0])).decode()}))
check("block_by_hash with no base64", rpc("block_by_hash", {"hash": "!!"}))
check("block_by_hash with a number", rpc("block_by_hash", {"hash": 5}))

# ---- transactions: all of them, with and without proof ----
txs = []
for h in range(1, last + 1):
    import hashlib
    for tx in json.loads(get(theirs, f"/block?height={h}")[2])["result"]["block"]["data"]["txs"]:
        txs.append(hashlib.sha256(base64.b64decode(tx)).hexdigest())
for i, t in enumerate(txs):
    check(f"tx {i}", f"/tx?hash=0x{t}" + ("&prove=true" if i % 2 else ""))
for q in ("hash=0x", "hash=0x00", f"hash=0x{'11' * 32}", "hash=%22x%22", "hash=zz", f"hash=0x{txs[0]}&prove=1", f"hash=0x{txs[0]}&prove=%22true%22"):
    check(f"tx?{q[:40]}", f"/tx?{q}")

# ---- queries ----
def search(route, query, more=""):
    return f"/{route}?query={urllib.parse.quote(json.dumps(query))}{more}"
queries = ["tx.height=3", "tx.height>3 AND tx.height<=5", "tx.height = 3 AND transfer.sender = 'key1'", "transfer.sender='key1'",
           "transfer.sender='x/key1'", "transfer.amount > 3", "transfer.amount >= 3 AND transfer.amount < 6", "transfer.amount = 5",
           "transfer.amount > 3.5", "transfer.amount < 3 AND transfer.sender CONTAINS 'key1'", "transfer.sender CONTAINS 'y1'",
           "transfer.sender EXISTS", "transfer.note EXISTS", "transfer EXISTS", "transfer.sender EXISTS AND tx.height < 4",
           "odd.html CONTAINS 'href'", "odd.coins > 0", "odd.coins = '1stake'", "odd.spaced = '  s p  '", "odd.spaced CONTAINS 's p'",
           "transfer.sender = 'x/key1' AND transfer.amount = 77", "transfer.sender = 'key1' AND transfer.amount = 77",
           "transfer.sender = 'nobody'", "transfer.amount > 5 AND transfer.sender = 'key7'", "tm.event='Tx'", f"tx.hash='{txs[2].upper()}'",
           f"tx.hash='{txs[2]}'", "tx.hash='ab'", "tx.hash='zz'", f"tx.hash='{'00' * 32}'", "block.height=3", "block.height>3 AND block.height<6",
           "block.height > 30", "block_end.parity='odd'", "block_end.parity='odd' AND block.height > 5", "block_end.parity='none'",
           "block_end.parity='none' AND block_end.height = 3", "block_end.parity='odd' AND block_end.height = 3", "block_end.height > 7",
           "block_end.height > 7 AND block_end.height < 12", "block_end.quarter > 3.25", "block_end.quarter >= 3.25",
           "block_end.parity CONTAINS 'd'", "block_end.parity EXISTS", "block_end.hidden EXISTS", "block_end.parity EXISTS AND block.height < 5",
           "block_end.height = 3", "block.height = 3 AND block_end.parity = 'odd'", "block.height = 4 AND block_end.parity = 'odd'",
           "block_end.height > 2 AND block_end.parity = 'even' AND block.height < 20", "tx.height > 1000", "block.height=1000",
           "tx.height <= 2 AND odd.coins EXISTS", "transfer.amount <= 0", "transfer.amount < 1"]
for q in queries:
    for route in ("tx_search", "block_search"):
        check(f"{route} {q}", search(route, q))
        check(f"{route} {q} descending", search(route, q, "&order_by=%22desc%22&per_page=3"))
        check(f"{route} {q} page 2", search(route, q, "&order_by=%22asc%22&per_page=2&page=2"))
check("tx_search with proofs", search("tx_search", "tx.height=3", "&prove=true"))
for q in ("", "x", "a.b", "a.b =", "a.b > 'x'", "tx.height = 'x", "a.b = 5 OR a.b = 6", "'x' = a.b", "a" * 600):
    for route in ("tx_search", "block_search"):
        check(f"{route} with {q[:20]!r}", search(route, q))
check("tx_search in some order", search("tx_search", "tx.height=3", "&order_by=%22up%22"))
for route in ("tx_search", "block_search"):
    check(f"{route} by JSON-RPC", rpc(route, {"query": "transfer.amount > 3", "page": "1", "per_page": "5", "order_by": "asc"}))

# ---- requests as such ----
for name, body in {
        "no JSON": b"{", "a number": b"5", "a text": b'"x"', "an empty array": b"[]", "null": b"null", "an empty object": b"{}",
        "an array of numbers": b"[1]", "no method": b'{"id":1}', "another method": rpc("nope", {}), "a WebSocket's": rpc("subscribe", {"query": "a.b=1"}),
        "a notification": b'{"jsonrpc":"2.0","method":"block","params":{}}', "null as id": b'{"jsonrpc":"2.0","id":null,"method":"block","params":{}}',
        "a text as id": rpc("header", {"height": "2"}, 'a"b'), "a fraction as id": b'{"id":1.9,"method":"header","params":{"height":"2"}}',
        "a big id": b'{"id":12345678901,"method":"header","params":{"height":"2"}}', "true as id": b'{"id":true,"method":"header","params":{}}',
        "an object as id": b'{"id":{},"method":"header","params":{}}', "a number for a text": rpc("block", {"height": 5}),
        "a text for a number": rpc("block", {"height": "x"}), "null for a number": rpc("block", {"height": None}),
        "too many in an array": rpc("block", ["1", "2"]), "none in an array": rpc("block", []), "a text as params": rpc("block", "x"),
        "null as params": rpc("block", None), "another argument": rpc("block", {"x": 1}),
        "a batch": b"[" + b",".join(rpc("header", {"height": str(i)}, i) for i in range(1, 6)) + b"]",
        "a batch of one": b"[" + rpc("header", {"height": "1"}) + b"]",
        "a batch with a notification": b"[" + rpc("header", {"height": "1"}) + b',{"method":"header"},' + rpc("nope", {}, 2) + b"]",
        "a bool as text": rpc("tx", {"hash": "", "prove": "true"}), "white space": b" \n" + rpc("header", {"height": "2"}) + b"\n "}.items():
    check(name, body)
for path in ("/nope", "/block/", "/block/1", "/subscribe?query=1", "/unsubscribe_all", "/status", "/health", "/favicon.ico"):
    check(path, path)
form = urllib.parse.urlencode({"height": "3"}).encode()
a, b = get(theirs, "/block", form), get(ours, "/block", form)
if (a[0], a[2]) != (b[0], b[2]): failed += 1; print(f"FAIL a form: {a[0]} {a[2][:80]} | {b[0]} {b[2][:80]}")
else: passed += 1
# The page of all calls: the same but for their order and the port.
def links(base): return sorted(re.findall(rb"//[^/]*(/[a-z_?=&A-Z]*)<", get(base, "/")[2]))
if links(theirs) == links(ours): passed += 1
else: failed += 1; print(f"FAIL the list of calls: {links(theirs)} | {links(ours)}")
print(f"{passed} requests answered alike, {failed} not")
sys.exit(failed != 0)
