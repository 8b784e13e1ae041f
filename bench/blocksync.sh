#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/blocksync.sh - a new node fetches a chain of 100 validators from one peer: ours and CometBFT 0.38.25, each from a CometBFT node
# and from ours. The chain is made by tests/interop/blocksync_peer.c (`make`: one process signs for all validators, real keys and
# signatures), in the stores that both programs open. kvstore in the node's process (in memory) on both sides.
#   VALIDATORS=100 BLOCKS=1500 TXS=5 TX_BYTES=200  RUNS="ours:go go:go ours:ours go:ours" (who fetches : who gives)
# blocks/s: from the first tenth of the chain to the last block that can be checked, by the fetching node's own height, seen every
# 20 ms (CometBFT's by RPC); CPU: of the fetching process, start and all.
. "$(dirname "$0")/lib.sh"
VALIDATORS=${VALIDATORS:-100} BLOCKS=${BLOCKS:-1500} TXS=${TXS:-5} TX_BYTES=${TX_BYTES:-200}
RUNS=${RUNS:-ours:go go:go ours:ours go:ours}
cd "$BENCH_ROOT" || exit 1
bench_build chains/consensus/sync/blocksync_peer
peer=${BLOCKSYNC_PEER:-$BENCH_BUILD/chains/consensus/sync/blocksync_peer}
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/chain-store
comet=$cache/cometbft
export PATH=$PATH:/usr/local/go/bin
[ -x "$comet" ] || GOBIN=$cache go install github.com/cometbft/cometbft/cmd/cometbft@v0.38.25 >/dev/null 2>&1
[ -x "$comet" ] || { echo "SKIP: CometBFT is out of reach"; exit 0; }
export BLOCKSYNC_VALIDATORS=$VALIDATORS BLOCKSYNC_FROM=$((BLOCKS / 10))
# The chain may be made before (MADE=FOLDER), outside of the measured time.
made=${MADE:-$BENCH_TMP/made}
if [ ! -f "$made/config/genesis.json" ]; then
  mkdir -p "$made"/{data,config}
  "$peer" make "$made" "$VALIDATORS" "$BLOCKS" "$TXS" "$TX_BYTES" >/dev/null 2>&1 || { echo "SKIP: no chain"; exit 0; }
fi
[ -z "${BUILD_ONLY:-}" ] || exit 0
. tests/e2e/lib.sh
trap 'cleanup; bench_cleanup' EXIT
read -r rpc1 p2p1 rpc2 p2p2 ours < <(free_ports 5)

go_home() {
  "$comet" init --home "$BENCH_TMP/$1" >/dev/null 2>&1
  sed -i -e "s#tcp://127.0.0.1:26657#tcp://127.0.0.1:$2#" -e "s#tcp://0.0.0.0:26656#tcp://127.0.0.1:$3#" \
    -e 's/^addr_book_strict = .*/addr_book_strict = false/' -e 's/^allow_duplicate_ip = .*/allow_duplicate_ip = true/' \
    -e 's/^\(send\|recv\)_rate = .*/\1_rate = 512000000/' -e 's/^log_level = .*/log_level = "error"/' \
    -e 's/^flush_throttle_timeout = .*/flush_throttle_timeout = "10ms"/' "$BENCH_TMP/$1/config/config.toml"
  cp "$made/config/genesis.json" "$BENCH_TMP/$1/config/"
}
status() { curl -s --max-time 5 "http://127.0.0.1:$1/status"; }
height() { status "$1" | sed -n 's/.*"latest_block_height": *"\([0-9]*\)".*/\1/p'; }
giver_start() { # go|ours: its address is in $addr, its pid in $giver
  if [ "$1" = go ]; then
    [ -d "$BENCH_TMP/giver" ] || { go_home giver "$rpc1" "$p2p1"; cp -r "$made"/data/*.db "$BENCH_TMP/giver/data/"; }
    "$comet" start --home "$BENCH_TMP/giver" --proxy_app=kvstore >"$BENCH_TMP/giver.log" 2>&1 & giver=$!
    for _ in $(seq 600); do [ "$(height "$rpc1")" = "$BLOCKS" ] && break; sleep 0.1; done
    addr=$("$comet" show-node-id --home "$BENCH_TMP/giver")@127.0.0.1:$p2p1
  else
    rm -rf "$BENCH_TMP/ogiver"; mkdir -p "$BENCH_TMP/ogiver"; cp -r "$made/data" "$BENCH_TMP/ogiver/"
    "$peer" serve "$BENCH_TMP/ogiver" "127.0.0.1:$ours" >"$BENCH_TMP/addr" 2>"$BENCH_TMP/serve.log" & giver=$!
    for _ in $(seq 600); do [ -s "$BENCH_TMP/addr" ] && break; sleep 0.1; done
    addr=$(cat "$BENCH_TMP/addr")
  fi
  pids+=("$giver")
  sleep 1
}
# Prints blocks/s and the CPU seconds of the fetching process.
fetch_ours() {
  rm -rf "$BENCH_TMP/taker"; mkdir -p "$BENCH_TMP/taker"/{data,config}
  python3 - "$peer" "$BENCH_TMP/taker" "$addr" <<'PY'
import re, resource, subprocess, sys
out = subprocess.run([sys.argv[1], "fetch", *sys.argv[2:]], capture_output=True, text=True, timeout=140).stdout
r = resource.getrusage(resource.RUSAGE_CHILDREN)
m = re.search(r"from (\d+) to (\d+): ([\d.]+) s", out)
print((int(m[2]) - int(m[1])) / float(m[3]), r.ru_utime + r.ru_stime)
PY
}
fetch_go() {
  rm -rf "$BENCH_TMP/taker"; go_home taker "$rpc2" "$p2p2"
  python3 - "$comet" "$BENCH_TMP/taker" "$addr" "$rpc2" "$BLOCKS" <<'PY'
import json, os, resource, signal, subprocess, sys, time, urllib.request
comet, home, addr, rpc, blocks = sys.argv[1:]
blocks = int(blocks)
p = subprocess.Popen([comet, "start", "--home", home, "--proxy_app=kvstore", "--p2p.persistent_peers", addr],
                     stdout=open(home + "/log", "w"), stderr=subprocess.STDOUT)
seen, end = [], time.time() + 140
while time.time() < end:
    try:
        h = int(json.load(urllib.request.urlopen(f"http://127.0.0.1:{rpc}/status", timeout=5))["result"]["sync_info"]["latest_block_height"])
        seen.append((time.time(), h))
        if h >= blocks - 2: break
    except OSError: pass
    time.sleep(0.02)
p.send_signal(signal.SIGTERM); p.wait()
r = resource.getrusage(resource.RUSAGE_CHILDREN)
first = next((s for s in seen if s[1] >= blocks // 10), seen[-1])
last = next((s for s in seen if s[1] >= blocks - 2), seen[-1])
print((last[1] - first[1]) / (last[0] - first[0]) if last[0] > first[0] else 0, r.ru_utime + r.ru_stime)
PY
}
echo "Block sync, $VALIDATORS validators, $BLOCKS blocks of $TXS transactions of $TX_BYTES bytes, one peer. $(bench_machine)"; echo
echo "| fetches | gives | blocks/s | CPU ms per block |"
echo "|---|---|---|---|"
for run in $RUNS; do
  giver_start "${run#*:}"
  read -r rate cpu < <("fetch_${run%:*}")
  kill "$giver" 2>/dev/null; wait "$giver" 2>/dev/null
  printf '| %s | %s | %.0f | %.2f |\n' "${run%:*}" "${run#*:}" "$rate" "$(python3 -c "print($cpu * 1000 / $BLOCKS)")"
done
