#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The real reader of profiles on every profile of a running server, over HTTP: names, types and the
# numbers they must show. usage: pprof.sh PROFILED [OUTPUT_FOLDER]
set -eu
profiled=$1 out=${2:-}
command -v go >/dev/null || { echo "SKIP: go is not installed"; exit 77; }
tmp=$(mktemp -d)
trap 'kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; rm -rf "$tmp"' EXIT
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
