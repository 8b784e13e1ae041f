#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/light.sh - headers verified per second by the light client's proxy, ours against `cometbft light` of v0.38.25, from the
# same server (bench/light/light_serve.c: chains of VALIDATORS:BLOCKS, real signatures, answers in memory).
# "one by one": --sequential from block 1, one request for the newest header. "each asked for": a request per header, in their
# order. Server on CPU 0, the client on CPU 1, one worker. ROUNDS=3.
. "$(dirname "$0")/lib.sh"
ROUNDS=${ROUNDS:-3} SETS=${SETS:-4:2000 100:300}
cd "$BENCH_ROOT" || exit 1
bench_build cmd/sennit/sennit bench/light/light_serve
comet=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/chain-store/cometbft
[ -x "$comet" ] || { echo "SKIP: CometBFT is not built; tests/interop/chain_store.sh does"; exit 0; }
[ -z "${BUILD_ONLY:-}" ] || exit 0
ports() { python3 -c 'import socket
s = [socket.socket() for _ in range(2)]
for x in s: x.bind(("127.0.0.1", 0))
print(*[x.getsockname()[1] for x in s])'; }
# run KIND MODE - headers a second.
run() {
  local kind=$1 mode=$2 home=$BENCH_TMP/$RANDOM$RANDOM args=(--primary "http://127.0.0.1:$serve" --witnesses "http://127.0.0.1:$serve" --height 1 --hash "$hash")
  args+=(--home-dir "$home" --laddr "tcp://127.0.0.1:$proxy")
  [ "$mode" = seq ] && args+=(--sequential)
  if [ "$kind" = ours ]; then bench_start 1 "$BENCH_BUILD/cmd/sennit/sennit" chain light light-bench "${args[@]}" --workers 1
  else GOMAXPROCS=1 bench_start 1 "$comet" light light-bench "${args[@]}"; fi
  local pid=$BENCH_PID; bench_wait_port "$proxy" || { tail -n 2 "$BENCH_TMP"/log.* >&2; return; }
  taskset -c 0 python3 - "$proxy" "$HEIGHTS" "$mode" <<'PY'
import http.client, json, sys, time
port, n, mode = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
c = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
def ask(h):
    c.request("GET", "/header?height=%d" % h)
    d = json.loads(c.getresponse().read())
    assert d["result"]["header"]["height"] == str(h), d
begin = time.monotonic()
if mode == "seq": ask(n)
else:
    for h in range(2, n + 1): ask(h)
print("%.1f" % ((n - 1) / (time.monotonic() - begin)))
PY
  bench_stop "$pid"
}
echo "Light client: headers verified per second, medians of $ROUNDS rounds. $(bench_machine)"; echo
echo "| validators, how | ours | CometBFT | ratio |"; echo "|---|---|---|---|"
for set in $SETS; do
  vals=${set%:*} HEIGHTS=${set#*:}
  read -r serve proxy < <(ports)
  taskset -c 0 "$BENCH_BUILD/bench/light/light_serve" "127.0.0.1:$serve" "$HEIGHTS" "$vals" >"$BENCH_TMP/serve" 2>&1 & BENCH_PIDS+=($!); server=$!
  bench_wait_port "$serve" || exit 1
  hash=$(awk '/^ready/ { print $2 }' "$BENCH_TMP/serve")
  for mode in seq each; do
    ours= go=
    for _ in $(seq "$ROUNDS"); do ours="$ours $(run ours $mode)"; go="$go $(run go $mode)"; done
    python3 -c 'import statistics as st, sys
a, b = (st.median(map(float, x.split())) for x in sys.argv[2:4])
print("| %s | %s | %s | %.1f |" % (sys.argv[1], format(round(a), ","), format(round(b), ","), a / b))' \
      "$vals, $([ $mode = seq ] && echo one by one || echo each asked for)" "$ours" "$go"
  done
  bench_stop "$server"
done
