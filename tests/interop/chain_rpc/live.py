# SPDX-License-Identifier: Apache-2.0
# live.py THEIRS OURS [VECTORS]: a running CometBFT validator and our node that follows it. What is stored must be the same, byte for
# byte; what is of the moment or the node must have the same form: members, kinds of values, ways to write them.
import glob, json, os, re, sys, time, urllib.error, urllib.parse, urllib.request

theirs, ours = sys.argv[1:3]
failed = passed = 0

def get(base, path):
    try:
        with urllib.request.urlopen(f"http://{base}{path}", timeout=30) as r: return r.status, r.read()
    except urllib.error.HTTPError as e: return e.code, e.read()
def result(base, path): return json.loads(get(base, path)[1])["result"]

def form(v):
    """A value's shape: of texts how they are written."""
    if isinstance(v, dict): return {k: form(x) for k, x in v.items()}
    if isinstance(v, list): return [form(v[0])] if v else []
    if isinstance(v, bool) or v is None: return "null or bool" if v is None else "bool"
    if isinstance(v, (int, float)): return "number"
    for name, pattern in (("time", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z"), ("number as text", r"-?\d+"),
                          ("vote", r"nil-Vote|Vote\{\d+:[0-9A-F]{12} \d+/\d\d/SIGNED_MSG_TYPE_PRE(VOTE|COMMIT)\(Pre(vote|commit)\) [0-9A-F]{12} [0-9A-F]{12} [0-9A-F]{12} @ .*Z\}"),
                          ("votes", r"BA\{\d+:[x_]*\} \d+/\d+ = \d\.\d\d"), ("bits", r"[x_]+"), ("h/r/s", r"\d+/\d+/\d+"), ("count", r"\d+/\d+"),
                          ("HEX", r"([0-9A-F]{2})+"), ("id", r"[0-9a-f]{40}"), ("empty", r"")):
        if re.fullmatch(pattern, v): return name
    return "text"
def differs(a, b, at=""):
    if isinstance(a, dict) and isinstance(b, dict):
        if list(a) != list(b): return f"{at}: {list(a)} | {list(b)}"
        return next((d for k in a if (d := differs(a[k], b[k], f"{at}.{k}"))), None)
    if isinstance(a, list) and isinstance(b, list):
        return differs(a[0], b[0], at + "[]") if a and b else None
    # What may be missing at one moment and be there at the next.
    loose = {"empty", "null or bool", "HEX", "bits"}
    if a == b or isinstance(a, (dict, list)) and b in loose or isinstance(b, (dict, list)) and a in loose: return None
    if str(a) in loose and str(b) in loose: return None
    return f"{at}: {a} | {b}"

def same(path):
    global failed, passed
    a, b = get(theirs, path), get(ours, path)
    if a == b: passed += 1
    else:
        failed += 1
        at = next((i for i, (p, q) in enumerate(zip(a[1], b[1])) if p != q), min(len(a[1]), len(b[1])))
        print(f"FAIL {path}: {a[0]}/{b[0]} at byte {at}: {a[1][max(0, at - 60):at + 80]!r} | {b[1][max(0, at - 60):at + 80]!r}")
def alike(path, other=None):
    global failed, passed
    # A block is there a moment before its results, in both.
    for _ in range(5):
        a, b = get(theirs, path), get(ours, other or path)
        if a[0] == b[0]: break
        time.sleep(0.1)
    d = f"{a[0]}/{b[0]} {b[1][:200]}" if a[0] != b[0] else differs(form(json.loads(a[1])), form(json.loads(b[1])))
    if d is None: passed += 1
    else: failed += 1; print(f"FAIL {path}: {d}")

for i in range(5):
    tx = urllib.parse.quote(f'"live{i}=v{i}"')
    alike(f"/broadcast_tx_{('sync', 'async')[i % 2]}?tx={tx}", f"/broadcast_tx_{('sync', 'async')[i % 2]}?tx={tx.replace('live', 'ours')}")
alike("/broadcast_tx_commit?tx=%22a1=1%22", "/broadcast_tx_commit?tx=%22b1=1%22")
alike("/broadcast_tx_commit?tx=%22none%22", "/broadcast_tx_commit?tx=%22none%22")
alike("/check_tx?tx=%22c1=1%22")
alike("/broadcast_tx_sync?tx=%22live0=v0%22")
time.sleep(1)
top = min(int(result(n, "/status")["sync_info"]["latest_block_height"]) for n in (theirs, ours)) - 1
for h in (1, 2, top // 2, top - 1, top):
    for r in ("block", "block_results", "header", "validators", "consensus_params"): same(f"/{r}?height={h}")
    if h < top: same(f"/commit?height={h}")
same("/genesis"); same("/genesis_chunked?chunk=0"); same("/genesis_chunked?chunk=1"); same("/health"); same("/genesis_chunked")
alike("/abci_query?path=%22/key%22&data=%22live1%22"); alike("/abci_query?data=0x6c6976653131"); alike("/abci_query")
same(f"/tx_search?query=%22tx.height%3C={top}%22&prove=true&per_page=100"); same(f"/block_search?query=%22block.height%3C={top}%22&per_page=3")
for n in range(3):
    for r in ("status", "net_info", "consensus_state", "dump_consensus_state", "abci_info", "num_unconfirmed_txs", "unconfirmed_txs",
              "unconfirmed_txs?limit=5", "block", "commit", "validators", "header", "block_results", "consensus_params", "blockchain"): alike("/" + r)
same("/dial_seeds"); same("/unsafe_flush_mempool"); same("/broadcast_evidence"); same("/tx?hash=0x00")
def members(v):
    return {k: members(x) for k, x in v.items()} if isinstance(v, dict) else [members(v[0])] if isinstance(v, list) and v else None
def lacks(a, b, at=""):
    """A member that a recorded answer has and ours has not, or the other way round."""
    if isinstance(a, dict) and isinstance(b, dict):
        if set(a) != set(b): return f"{at}: {sorted(set(a) ^ set(b))}"
        return next((d for k in a if (d := lacks(a[k], b[k], f"{at}.{k}"))), None)
    return lacks(a[0], b[0], at + "[]") if isinstance(a, list) and isinstance(b, list) else None
for out in sorted(glob.glob(os.path.join(sys.argv[3], "rpc_v0_38/outgoing/*.json"))) if len(sys.argv) > 3 else []:
    want = json.load(open(out.replace("outgoing", "incoming")))
    req = urllib.request.Request(f"http://{ours}/", data=open(out, "rb").read(), headers={"content-type": "application/json"})
    with urllib.request.urlopen(req, timeout=30) as r: got = json.load(r)
    name = os.path.basename(out)[:-5]
    d = "another id" if got["id"] != want["id"] else None if "block_by_hash" in name else lacks(members(want), members(got))
    if d is None: passed += 1
    else: failed += 1; print(f"FAIL {name}: {d}")
print(f"{passed} calls answered alike by running nodes, {failed} not")
sys.exit(failed != 0)
