#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/abci.sh - CheckTx per second: client and server over a Unix socket, one's own and each other's, and in process, ours
# against CometBFT 0.38.25's. 250-byte transactions; the server on CPU 0, the client on CPU 1. ROUNDS=3.
# Go's client is driven as its mempool drives it (CheckTxAsync with so many outstanding), and by callers that wait.
. "$(dirname "$0")/lib.sh"
ROUNDS=${ROUNDS:-3} CALLS=${CALLS:-100000}
cd "$BENCH_ROOT" || exit 1
bench_build cmd/sennit/sennit bench/abci/bench_abci
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/cometbft
export PATH=$PATH:/usr/local/go/bin
[ -x "$cache/abci-cli" ] || { echo "SKIP: CometBFT is not built; tests/interop/abci.sh does"; exit 0; }
if [ ! -x "$cache/bench/gopeer" ] || [ bench/abci/go/main.go -nt "$cache/bench/gopeer" ]; then
  mkdir -p "$cache/bench/go" && cp bench/abci/go/main.go "$cache/bench/go/" && (cd "$cache/bench/go" && export GOTOOLCHAIN=local &&
    { [ -f go.mod ] || go mod init peer; } && go get github.com/cometbft/cometbft@v0.38.25 && go mod tidy &&
    go build -o "$cache/bench/gopeer" .) >"$BENCH_TMP/go.log" 2>&1 || { echo "SKIP: $(tail -n 1 "$BENCH_TMP/go.log")"; exit 0; }
fi
[ -z "${BUILD_ONLY:-}" ] || exit 0
bench_start 0 "$BENCH_BUILD/cmd/sennit/sennit" chain kvstore --address "unix://$BENCH_TMP/c.sock" --workers 1
GOMAXPROCS=1 bench_start 0 "$cache/abci-cli" --address "unix://$BENCH_TMP/go.sock" --log_level error kvstore
for _ in $(seq 100); do [ -S "$BENCH_TMP/c.sock" ] && [ -S "$BENCH_TMP/go.sock" ] && break; sleep 0.05; done
ours() { taskset -c 1 "$BENCH_BUILD/bench/abci/bench_abci" "$@"; }
gos() { GOMAXPROCS=1 taskset -c 1 "$cache/bench/gopeer" "$@"; }
row() { # LABEL COMMAND... - the median of each figure over the rounds
  local label=$1 i; shift
  for i in $(seq "$ROUNDS"); do "$@"; done | python3 -c 'import statistics as st, sys
r = [list(map(float, l.split())) for l in sys.stdin]
m = [st.median(c) for c in zip(*r)]
print("| %s | %s | %.1f | %.1f |" % (sys.argv[1], format(int(m[0]), ","), m[1], m[2]))' "$label"
}
echo "ABCI: CheckTx of 250 bytes, medians of $ROUNDS rounds. $(bench_machine)"; echo
echo "| client, server, outstanding | calls/s | p50 us | p99 us |"; echo "|---|---|---|---|"
row "ours, ours, 256" ours "unix://$BENCH_TMP/c.sock" 256 "$CALLS"
row "ours, Go's, 256" ours "unix://$BENCH_TMP/go.sock" 256 "$CALLS"
row "Go's (async), Go's, 256" gos "unix://$BENCH_TMP/go.sock" async 256 "$CALLS"
row "Go's (256 callers), Go's, 256" gos "unix://$BENCH_TMP/go.sock" sync 256 "$((CALLS / 4))"
row "Go's (async), ours, 256" gos "unix://$BENCH_TMP/c.sock" async 256 "$CALLS"
row "ours, ours, 1" ours "unix://$BENCH_TMP/c.sock" 1 "$((CALLS / 5))"
row "Go's, Go's, 1" gos "unix://$BENCH_TMP/go.sock" sync 1 "$((CALLS / 20))"
row "Go's (async), Go's, 1" gos "unix://$BENCH_TMP/go.sock" async 1 100
row "in process, ours, 2 CPUs" "$BENCH_BUILD/bench/abci/bench_abci" local 64 "$((CALLS * 10))" 2
row "in process, Go's, 2 CPUs" env GOMAXPROCS=2 "$cache/bench/gopeer" local sync 64 "$((CALLS * 10))"
