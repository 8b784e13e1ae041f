#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/grpc.sh - gRPC servers on one core: unary calls per CPU-second of the server process (user +
# system), streamed MB per CPU-second, and the latency of calls. Claim: >= 3x grpc-go, >= 1.2x grpc C++.
# The driver is h2load with the same bytes for all, on CPU 1; the servers take turns on CPU 0.
# ROUNDS=5 CALLS=40000. Peers: Go's and Debian's libgrpc++, where they can be built.
. "$(dirname "$0")/lib.sh"
ROUNDS=${ROUNDS:-5} CALLS=${CALLS:-40000}
command -v h2load >/dev/null || { echo "SKIP: h2load is missing"; exit 0; }
cd "$BENCH_ROOT" || exit 1
bench_build
ninja -C "$BENCH_BUILD" --quiet tests/interop/grpc/grpc_peer >&2 || exit 1
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/grpc/bench
go_grpc=v1.68.0 base=$((20000 + RANDOM % 20000))
mkdir -p "$cache"
if command -v go >/dev/null && [ ! -x "$cache/gopeer" ]; then
  cp -r bench/grpc/go "$cache/" && (cd "$cache/go" && rm -f go.mod go.sum && go mod init peer && go get "google.golang.org/grpc@$go_grpc" &&
    go mod tidy && go build -o "$cache/gopeer" .) >/dev/null 2>&1
fi
if pkg-config --exists grpc++ 2>/dev/null && command -v grpc_cpp_plugin >/dev/null && [ ! -x "$cache/cpppeer" ]; then
  mkdir -p "$cache/cpp" && protoc -Itests/interop/grpc --cpp_out="$cache/cpp" --grpc_out="$cache/cpp" \
    --plugin=protoc-gen-grpc="$(command -v grpc_cpp_plugin)" messages.proto test.proto &&
    g++ -O2 -std=c++17 -I"$cache/cpp" -o "$cache/cpppeer" bench/grpc/peer.cc "$cache"/cpp/*.cc $(pkg-config --cflags --libs grpc++ protobuf) >/dev/null 2>&1
fi

declare -A pid addr
servers="sennit"
bench_start 0 "$BENCH_BUILD/tests/interop/grpc/grpc_peer" serve "127.0.0.1:$base"; pid[sennit]=$BENCH_PID addr[sennit]=127.0.0.1:$base
if [ -x "$cache/gopeer" ]; then
  servers="$servers go"; addr[go]=127.0.0.1:$((base + 1))
  GOMAXPROCS=1 bench_start 0 "$cache/gopeer" "${addr[go]}"; pid[go]=$BENCH_PID
fi
if [ -x "$cache/cpppeer" ]; then
  servers="$servers cpp"; addr[cpp]=127.0.0.1:$((base + 2))
  bench_start 0 "$cache/cpppeer" "${addr[cpp]}"; pid[cpp]=$BENCH_PID
fi
for s in $servers; do bench_wait_port "${addr[$s]##*:}" || exit 1; done

python3 - "$BENCH_TMP" <<'PY'
import sys
def frame(m): return b"\0" + len(m).to_bytes(4, "big") + m
one = bytes([0x12, 4, 8]) + bytes([0x80, 0x80, 4])  # ResponseParameters{size: 65536}
open(sys.argv[1] + "/empty", "wb").write(frame(b""))
open(sys.argv[1] + "/unary", "wb").write(frame(bytes([0x10, 100])))
open(sys.argv[1] + "/stream", "wb").write(frame(one * 256))
PY
# load SERVER METHOD BODY CALLS CONNS STREAMS - one slice; a row "server cpu_us_per_call p50_us p99_us".
load() {
  local s=$1 c0 c1 log=$BENCH_TMP/log.times
  rm -f "$log"
  c0=$(bench_cpu_s "${pid[$s]}")
  taskset -c 1 h2load -n "$4" -c "$5" -m "$6" -w 24 -W 28 -d "$BENCH_TMP/$3" --log-file="$log" -H 'content-type: application/grpc' \
    -H 'te: trailers' "http://${addr[$s]}/grpc.testing.TestService/$2" >"$BENCH_TMP/h2load" 2>&1
  c1=$(bench_cpu_s "${pid[$s]}")
  grep -q "$4 succeeded, 0 failed" "$BENCH_TMP/h2load" || { echo "bench: $s failed" >&2; cat "$BENCH_TMP/h2load" >&2; return 1; }
  python3 - "$s" "$c0" "$c1" "$4" "$log" <<'PY'
import sys
s, c0, c1, n, log = sys.argv[1:]
t = sorted(int(l.split()[2]) for l in open(log))
print(s, (float(c1) - float(c0)) * 1e6 / int(n), t[len(t) // 2], t[len(t) * 99 // 100])
PY
}
# table TITLE METHOD BODY CALLS CONNS STREAMS UNIT SCALE
table() {
  local rows=$BENCH_TMP/rows; : >"$rows"
  for s in $servers; do load "$s" "$2" "$3" "$(($4 / 10 + 1))" "$5" "$6" >/dev/null || exit 1; done # warm
  for _ in $(seq "$ROUNDS"); do for s in $servers; do load "$s" "$2" "$3" "$4" "$5" "$6" >>"$rows" || exit 1; done; done
  echo; echo "$1"; echo
  python3 - "$rows" "$7" "$8" <<'PY'
import statistics as st, sys
rows = {}
for l in open(sys.argv[1]):
    s, *v = l.split()
    rows.setdefault(s, []).append([float(x) for x in v])
names = {"sennit": "Sennit", "go": "grpc-go", "cpp": "grpc C++"}
med = {s: [st.median(r[i] for r in v) for i in range(3)] for s, v in rows.items()}
print(f"| server | {sys.argv[2]} per CPU-second | Sennit is | P50 µs | P99 µs |\n|---|---|---|---|---|")
for s, (cpu, p50, p99) in med.items():
    print(f"| {names[s]} | {float(sys.argv[3]) * 1e6 / cpu:,.0f} | {cpu / med['sennit'][0]:.2f}x | {p50:.0f} | {p99:.0f} |")
PY
}
versions="grpc-go ${go_grpc#v} ($(go version 2>/dev/null | cut -d' ' -f3)), grpc C++ $(pkg-config --modversion grpc++ 2>/dev/null || echo 'not installed')"
echo "Machine: $(bench_machine). $versions. Medians of $ROUNDS rounds in turn, $CALLS calls each."
table "Empty unary calls, 4 connections of 25 streams:" EmptyCall empty "$CALLS" 4 25 calls 1
table "Unary calls with 100 bytes of answer, 4 connections of 25 streams:" UnaryCall unary "$CALLS" 4 25 calls 1
table "Unary calls, one at a time:" UnaryCall unary "$((CALLS / 10))" 1 1 calls 1
table "One stream of 256 messages of 64 KiB (16 MiB) after the other:" StreamingOutputCall stream "$((CALLS / 2000 + 1))" 1 1 MB 16.777216
