#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The real reader of profiles on every profile of a running server, over HTTP: names, types and the
# numbers they must show. usage: TRACE_TEST=test_trace pprof.sh PROFILED [OUTPUT_FOLDER]
set -eu
profiled=$1 out=${2:-}
command -v go >/dev/null || { echo "SKIP: go is not installed"; exit 77; }
tmp=$(mktemp -d)
pid= viewer=
trap 'for p in $pid $viewer; do kill "$p" 2>/dev/null || true; wait "$p" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
: >"$tmp/log"
export PPROF_TMPDIR=$tmp GOTOOLCHAIN=local
"$profiled" 127.0.0.1:0 2 >"$tmp/log" 2>&1 &
pid=$!
for _ in $(seq 100); do
  addr=$(sed -n 's/^listening on //p' "$tmp/log"); [ -n "$addr" ] && break; sleep 0.05
done
[ -n "$addr" ] || { cat "$tmp/log"; exit 1; }
url=http://$addr/debug/pprof
sleep 3
# look NAME URL FLAGS PATTERN... - `go tool pprof` must succeed and print every pattern.
look() {
  local name=$1 from=$2 flags=$3 text
  shift 3
  # shellcheck disable=SC2086
  go tool pprof $flags "$from" >"$tmp/$name.txt" 2>"$tmp/$name.err" ||
    { echo "go tool pprof $flags $from failed"; cat "$tmp/$name.err"; exit 1; }
  for text in "$@"; do
    grep -Eq -- "$text" "$tmp/$name.txt" ||
      { echo "$name: no \"$text\" in"; cat "$tmp/$name.txt"; exit 1; }
  done
  [ -z "$out" ] || cp "$tmp/$name.txt" "$out/"
  echo "ok $name"
}
look profile "$url/profile?seconds=3" -top '^Type: cpu' collatz_steps compute sn_fiber_main
look profile-traces "$url/profile?seconds=1" -traces 'fiber: +compute' collatz_steps
look profile-lines "$url/profile?seconds=1" '-top -lines' 'collatz_steps .*main\.c:[0-9]+'
look heap "$url/heap" -top '^Type: inuse_space' index_build
look heap-objects "$url/heap" '-sample_index=alloc_objects -top' '^Type: alloc_objects' index_build
look allocs "$url/allocs" -top '^Type: alloc_space' index_build
look goroutine "$url/goroutine" -traces '^Type: goroutine' forgotten 'fiber: +forgotten'
look goroutineleak "$url/goroutineleak" -traces '^Type: goroutineleak' forgotten
! grep -Eq 'fiber: +(transfer|compute|remember|serve|main)' "$tmp/goroutineleak.txt" ||
  { echo "fibers that can be woken are reported as leaked"; cat "$tmp/goroutineleak.txt"; exit 1; }
look mutex "$url/mutex" -top '^Type: delay' transfer
look block "$url/block" -top '^Type: delay' transfer
look threadcreate "$url/threadcreate" -top '^Type: threadcreate'
look heap-delta "$url/heap?seconds=1" '-sample_index=alloc_space -top' index_build
# Execution traces: Go's strict reader takes them, and they show what happens in this program.
# trace FILE PATTERN... - `go tool trace -d=parsed` must succeed and print every pattern.
trace() {
  local file=$1 text
  shift
  go tool trace -d=parsed "$file" >"$tmp/parsed" 2>"$tmp/parsed.err" ||
    { echo "go tool trace refuses $file"; cat "$tmp/parsed.err"; exit 1; }
  for text in "$@"; do
    grep -Eq -- "$text" "$tmp/parsed" || { echo "no \"$text\" in $file"; exit 1; }
  done
  echo "ok $(basename "$file"): $(grep -c StateTransition "$tmp/parsed") transitions"
}
curl -sf -o "$tmp/server.trace" "$url/trace?seconds=2.5&cpu=1"
trace "$tmp/server.trace" 'Label="compute"' 'Running->Waiting Reason="sleep"' 'Reason="sync.Mutex.Lock"' \
  'CPUSample|StackSample' collatz_steps 'GoID=[0-9]+ Waiting->Runnable' 'Sync .*N=3'
# The programs of the unit test, which its own reader has taken already.
mkdir "$tmp/programs"
SN_PROFILE_DIR=$tmp/programs "$TRACE_TEST" >"$tmp/programs.log" 2>&1 || { cat "$tmp/programs.log"; exit 1; }
for file in "$tmp"/programs/*.trace; do trace "$file" StateTransition; done
# The pages of its viewer.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
BROWSER=/bin/true "$(go tool -n trace)" -http="127.0.0.1:$port" "$tmp/server.trace" >"$tmp/viewer.log" 2>&1 &
viewer=$!
for _ in $(seq 100); do curl -sf -o /dev/null "http://127.0.0.1:$port/" && break; sleep 0.1; done
page() { # page PATH PATTERN
  curl -sf -m 30 -o "$tmp/page" "http://127.0.0.1:$port$1" && grep -aEq -- "$2" "$tmp/page" ||
    { echo "viewer page $1: no \"$2\""; cat "$tmp/viewer.log"; exit 1; }
}
page /goroutines compute
page "/goroutine?name=transfer" sync.Mutex.Lock
page /jsontrace '"G[0-9]+ compute'
page /trace html
page /mmu html
for kind in block syscall sched; do
  curl -sf -m 30 -o "$tmp/$kind.pb.gz" "http://127.0.0.1:$port/$kind?raw=1"
done
go tool pprof -top "$tmp/block.pb.gz" 2>/dev/null | grep -q transfer || { echo "the viewer's blocking profile lacks transfer"; exit 1; }
echo "ok viewer"
# Headers as Go sends them.
python3 - "$addr" <<'PY'
import http.client, sys
def get(path):
    c = http.client.HTTPConnection(sys.argv[1]); c.request("GET", path); r = c.getresponse()
    return r.status, dict((k.lower(), v) for k, v in r.getheaders()), r.read()
s, h, b = get("/debug/pprof/heap")
assert s == 200 and b[:2] == b"\x1f\x8b", (s, b[:10])
assert h["x-content-type-options"] == "nosniff" and h["content-type"] == "application/octet-stream"
assert h["content-disposition"] == 'attachment; filename="heap"', h
s, h, b = get("/debug/pprof/nope")
assert s == 404 and h["x-go-pprof"] == "1" and b == b"Unknown profile\n", (s, h, b)
s, h, b = get("/debug/pprof/goroutine?debug=2")
assert s == 200 and b.startswith(b"goroutine "), b[:80]
s, h, b = get("/metrics")
assert s == 200 and b"profiled_requests_total" in b and b"sennit_fibers " in b
assert h["content-type"] == "text/plain; version=0.0.4; charset=utf-8", h
assert get("/healthz")[2] == b"ok\n"
PY
echo "ok headers"
