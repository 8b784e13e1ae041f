#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/statesync.sh - state sync from one Go node whose application is our kvstore: seconds and bytes of chunks, of our node in
# full, of our node again after 1 % of the pairs have changed (its application has the chunks of before), and of CometBFT
# 0.38.25 in full, from the same later snapshot. PAIRS pairs of VALUE bytes; chunks of about 64 KiB. Rates as configured by
# default (5 MB a second). Seconds: from the offer of the snapshot (trying it, for ours: the light client is in it) until it is
# restored.
. "$(dirname "$0")/lib.sh"
PAIRS=${PAIRS:-3000} VALUE=${VALUE:-10000}
cd "$BENCH_ROOT" || exit 1
bench_build cmd/sennit/sennit
sennit=$BENCH_BUILD/cmd/sennit/sennit
comet=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/chain-store/cometbft
[ -x "$comet" ] || { echo "SKIP: CometBFT is not built; tests/interop/chain_store.sh does"; exit 0; }
[ -z "${BUILD_ONLY:-}" ] || exit 0
T=$BENCH_TMP
read -r -a port < <(python3 -c 'import socket
s = [socket.socket() for _ in range(8)]
for x in s: x.bind(("127.0.0.1", 0))
print(*[x.getsockname()[1] for x in s])')
go() { "$@" >>"$T/$name.log" 2>&1 & BENCH_PID=$!; BENCH_PIDS+=("$BENCH_PID"); }
rpc() { curl -s --max-time 10 "http://127.0.0.1:$1/$2"; }
field() { python3 -c 'import json, sys
v = json.load(sys.stdin)
for k in sys.argv[1].split("."): v = v[k]
print(v)' "$1" 2>/dev/null; }
height() { rpc "$1" status | field result.sync_info.latest_block_height; }
wait_height() { for _ in $(seq 600); do [ "$(height "$1" || echo 0)" -ge "$2" ] 2>/dev/null && return 0; sleep 0.1; done; echo "bench: stuck" >&2; tail -n 2 "$T"/*.log >&2; exit 1; }
conf() { # HOME RPC P2P APP PEER [HEIGHT HASH]
  python3 - "$@" "${port[0]}" <<'PY'
import re, sys
home, rpc, p2p, app, peer, *sync = sys.argv[1:]
p = home + "/config/config.toml"
s = open(p).read()
def put(section, **keys):
    global s
    a = s.index("[%s]\n" % section) if section else 0
    for k, v in keys.items(): s = s[:a] + re.sub(r"(?m)^%s = .*$" % k, lambda m: "%s = %s" % (k, v), s[a:], count=1)
put("", proxy_app='"%s"' % app)
put("rpc", laddr='"tcp://127.0.0.1:%s"' % rpc, pprof_laddr='""')
put("p2p", laddr='"tcp://127.0.0.1:%s"' % p2p, addr_book_strict="false", allow_duplicate_ip="true", persistent_peers='"%s"' % peer, pex="false")
put("consensus", timeout_commit='"500ms"')
if len(sync) > 1:
    server = "127.0.0.1:%s" % sync[2]
    put("statesync", enable="true", rpc_servers='"%s,%s"' % (server, server), trust_height=sync[0], trust_hash='"%s"' % sync[1], discovery_time='"5s"')
open(p, "w").write(s)
PY
}
fill() { # FROM TO STEP TAG - pairs FROM..TO by STEP
  python3 - "${port[0]}" "$1" "$2" "$3" "$4" "$VALUE" <<'PY'
import base64, http.client, json, sys
port, a, b, step, tag, size = int(sys.argv[1]), *map(int, sys.argv[2:5]), sys.argv[5], int(sys.argv[6])
c = http.client.HTTPConnection("127.0.0.1", port)
for i in range(a, b, step):
    tx = ("pair%06d=%s%s" % (i, tag, (str(i) * size)[:size])).encode()
    c.request("POST", "/", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "broadcast_tx_sync", "params": {"tx": base64.b64encode(tx).decode()}}), {"content-type": "application/json"})
    r = json.loads(c.getresponse().read())
    assert r["result"]["code"] == 0, r
PY
}
snapshot() { h=$(height "${port[0]}"); wait_height "${port[0]}" $((h / 10 * 10 + 13)); th=$(($(height "${port[0]}") - 1)); hash=$(rpc "${port[0]}" "commit?height=$th" | field result.signed_header.commit.block_id.hash); }

"$comet" init --home "$T/src" >/dev/null 2>&1
conf "$T/src" "${port[0]}" "${port[1]}" "unix://$T/src.sock" ""
name=src-app go "$sennit" chain kvstore --address "unix://$T/src.sock" --persist "$T/src-data" --snapshot-interval 10 --snapshot-keep 2
name=src go "$comet" node --home "$T/src"
wait_height "${port[0]}" 2
peer=$("$comet" show-node-id --home "$T/src")@127.0.0.1:${port[1]}
fill 0 "$PAIRS" 1 first; snapshot
home() { "$comet" init --home "$T/$1" >/dev/null 2>&1; cp "$T/src/config/genesis.json" "$T/$1/config/"; }
ours() { # LOG
  conf "$T/ours" "${port[2]}" "${port[3]}" persistent_kvstore "$peer" "$th" "$hash"
  name=$1 go "$sennit" chain start --home "$T/ours"; local pid=$BENCH_PID
  for _ in $(seq 600); do grep -q 'snapshot restored' "$T/$1.log" && break; sleep 0.1; done
  wait_height "${port[2]}" "$th"; bench_stop "$pid"
  python3 - "$T/$1.log" <<'PY'
import re, sys
l = next(l for l in open(sys.argv[1]) if "snapshot restored" in l)
n = lambda k: int(re.search(k + r'"?[=:]"?(\d+)', l).group(1))
t = re.search(r'took"?[=:]"?([\d.]+)(ns|us|µs|ms|s|m)?', l)
s = float(t.group(1)) * {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, None: 1e-9}[t.group(2)]
print("%.3f %d %d %d" % (s, n("fetched"), n("chunks"), n("bytes")))
PY
}
home ours; full=$(ours full)
# 1 % of the pairs, all over the keys.
fill 50 "$PAIRS" 100 second; snapshot
(cd "$T/ours/data" && rm -rf blockstore.db state.db evidence.db tx_index.db cs.wal kvstore/state* kvstore/*.log kvstore/snapshots/0*)
echo '{"height":"0","round":0,"step":0}' >"$T/ours/data/priv_validator_state.json"
again=$(ours again)
home go; conf "$T/go" "${port[4]}" "${port[5]}" "unix://$T/go.sock" "$peer" "$th" "$hash"
name=go-app go "$sennit" chain kvstore --address "unix://$T/go.sock" --persist "$T/go-data"
name=go go "$comet" node --home "$T/go"
for _ in $(seq 600); do grep -q 'Snapshot restored' "$T/go.log" && break; sleep 0.1; done
comet_s=$(python3 - "$T/go.log" <<'PY'
import datetime, re, sys
t = {}
for l in open(sys.argv[1]):
    m = re.match(r".\[(\d+-\d+-\d+)\|(\d+:\d+:\d+\.\d+)\] *(Offering snapshot|Snapshot restored)", l)
    if m: t.setdefault(m.group(3), datetime.datetime.fromisoformat(m.group(1) + " " + m.group(2)))
print("%.3f" % (t["Snapshot restored"] - t["Offering snapshot"]).total_seconds())
PY
)
bytes=$(du -sb --apparent-size "$T/go-data/snapshots/chunks" | cut -f1) n=$(find "$T/go-data/snapshots/chunks" -type f | wc -l)
echo "State sync: $PAIRS pairs of $VALUE bytes, one serving node, one run. $(bench_machine)"; echo
python3 - "$full" "$again" "$comet_s" "$n" "$bytes" <<'PY'
import sys
f, a = ([float(x) for x in s.split()] for s in sys.argv[1:3])
g, n, b = map(float, sys.argv[3:6])
print("| sync | seconds | chunks fetched | MB of chunks |\n|---|---|---|---|")
for name, s, k, by in (("ours, full", f[0], f[1], f[3]), ("ours, again after 1 % changed", a[0], a[1], a[3]), ("CometBFT, full", g, n, b)):
    print("| %s | %.2f | %d | %.1f |" % (name, s, k, by / 1e6))
print("\nAgain against our full one: %.1f times in time, %.1f in bytes; against CometBFT's: %.1f and %.1f." % (f[0] / a[0], f[3] / a[3], g / a[0], b / a[3]))
PY
