# SPDX-License-Identifier: Apache-2.0
# tests/e2e/lib.sh - what the end-to-end scripts share; source it. `pids` are stopped and `tmp` is
# removed at the end, whatever happens.
tmp=$(mktemp -d); pids=(); passed=0; failed=0; skipped=0
cleanup() {
  # Under `set -e` one that has ended already must not keep the others alive.
  for p in "${pids[@]}"; do kill "$p" 2>/dev/null || :; done
  for p in "${pids[@]}"; do wait "$p" 2>/dev/null || :; done
  rm -rf "$tmp"
}
trap cleanup EXIT
ok() { passed=$((passed + 1)); echo "ok $1"; }
fail() { failed=$((failed + 1)); echo "FAIL $1: ${2:-}"; }
skip() { skipped=$((skipped + 1)); echo "SKIP $1: $2"; }
check() { if [ "$2" = "$3" ]; then ok "$1"; else fail "$1" "expected \"$3\", got \"$2\""; fi; }
# free_ports N - so many at once: one after the other might give the same port twice.
free_ports() {
  python3 -c 'import socket, sys
s = [socket.socket() for _ in range(int(sys.argv[1]))]
for x in s: x.bind(("127.0.0.1", 0))
print(*[x.getsockname()[1] for x in s])' "$1"
}
# wait_port PORT - until something listens there, at most 10 s.
wait_port() { for _ in $(seq 200); do (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0; sleep 0.05; done; return 1; }
# start FILE COMMAND... - in the background; waits for the first line, which goes to $first.
start() {
  local file=$1; shift
  : >"$file" # what an earlier one has said there is no answer
  "$@" >"$file" 2>"$file.err" & pids+=($!)
  for _ in $(seq 200); do [ -s "$file" ] && break; sleep 0.05; done
  first=$(head -1 "$file")
  [ -n "$first" ] || { echo "FAIL start $1: $(cat "$file.err")"; exit 1; }
}
# comet_peer - the real CometBFT as $comet, in the folder $cache. Where it cannot be had the script ends, by its own `end`.
comet_peer() {
  cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/chain-store
  comet=$cache/cometbft
  command -v go >/dev/null || { skip CometBFT "go is not installed"; end; }
  mkdir -p "$cache"
  [ -x "$comet" ] || GOBIN=$cache go install github.com/cometbft/cometbft/cmd/cometbft@v0.38.25 >"$cache/go.log" 2>&1 ||
    { skip CometBFT "its Go module is out of reach"; end; }
}
