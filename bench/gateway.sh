#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/gateway.sh - proxied requests per CPU-second, and p99 at half load, beside nginx, HAProxy and
# Go's httputil.ReverseProxy. Claim: >= 1.15x the better of nginx and HAProxy, >= 4x Go; p99 no worse.
#
# The proxy has processor 0 to itself; load generator (wrk) and backend (nginx, `return 200`) share the
# last one. What is compared is the proxy's own CPU time per request, from /proc, so the generator's
# share of the machine does not matter. Rounds are interleaved; medians are shown.
# Environment: ROUNDS (5), SECONDS_EACH (4), CONNS (64), P99_ROUNDS (ROUNDS).
. "$(dirname "$0")/lib.sh"
ROUNDS=${ROUNDS:-5}; P99_ROUNDS=${P99_ROUNDS:-$ROUNDS}; EACH=${SECONDS_EACH:-4}; CONNS=${CONNS:-64}
LAST=$(($(nproc) - 1)); BACK=19300
NAMES=(sennit nginx haproxy go)
declare -A PORT=([sennit]=19301 [nginx]=19302 [haproxy]=19303 [go]=19304) PID RATE RPS P99 VERSION

# CPU seconds of a process's threads so far, to the nanosecond: on a busy machine a round is short of ticks.
cpu_s() { cat /proc/"$1"/task/*/schedstat | awk '{s += $1} END {printf "%.6f", s / 1e9}'; }

for tool in nginx haproxy wrk go; do
  command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed"; exit 0; }
done
bench_build cmd/sennit/sennit
SENNIT=$BENCH_BUILD/cmd/sennit/sennit
(cd "$BENCH_ROOT/bench/peers/goproxy" && GOFLAGS=-mod=mod GO111MODULE=off go build -o "$BENCH_TMP/goproxy" .) || exit 1

nginx_common="daemon off; master_process off; worker_processes 1; pid $BENCH_TMP/PIDNAME; error_log /dev/null crit;
events { worker_connections 4096; }"
{ echo "${nginx_common/PIDNAME/backend.pid}"
  echo "http { access_log off; keepalive_requests 100000000; server { listen 127.0.0.1:$BACK backlog=4096;
    location / { default_type text/plain; return 200 'hello, world'; } } }"
} >"$BENCH_TMP/backend.conf"
{ echo "${nginx_common/PIDNAME/proxy.pid}"
  echo "http { access_log off; keepalive_requests 100000000;
    upstream app { server 127.0.0.1:$BACK; keepalive 256; keepalive_requests 100000000; }
    server { listen 127.0.0.1:${PORT[nginx]} backlog=4096; location / { proxy_pass http://app; proxy_http_version 1.1;
      proxy_set_header Connection ''; proxy_set_header Host \$http_host;
      proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for; } } }"
} >"$BENCH_TMP/nginx.conf"
cat >"$BENCH_TMP/haproxy.cfg" <<CFG
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option forwardfor
  http-reuse always
frontend f
  bind 127.0.0.1:${PORT[haproxy]}
  default_backend b
backend b
  server s 127.0.0.1:$BACK pool-max-conn 256
CFG
cat >"$BENCH_TMP/gw.yaml" <<CFG
listeners: [{name: web, address: "127.0.0.1:${PORT[sennit]}"}]
upstreams: [{name: app, endpoints: [{address: "127.0.0.1:$BACK"}]}]
routes: [{name: main, match: [{prefix: /}], proxy: {to: [{upstream: app}]}}]
CFG

bench_start "$LAST" nginx -p "$BENCH_TMP" -c "$BENCH_TMP/backend.conf"
bench_wait_port $BACK || exit 1
bench_start 0 "$SENNIT" gateway -w 1 -c "$BENCH_TMP/gw.yaml"; PID[sennit]=$BENCH_PID
bench_start 0 nginx -p "$BENCH_TMP" -c "$BENCH_TMP/nginx.conf"; PID[nginx]=$BENCH_PID
bench_start 0 haproxy -db -f "$BENCH_TMP/haproxy.cfg"; PID[haproxy]=$BENCH_PID
bench_start 0 env GOMAXPROCS=1 "$BENCH_TMP/goproxy" "127.0.0.1:${PORT[go]}" "http://127.0.0.1:$BACK"; PID[go]=$BENCH_PID
for n in "${NAMES[@]}"; do bench_wait_port "${PORT[$n]}" || exit 1; done
VERSION[sennit]="sennit gateway, this tree"
VERSION[nginx]=$(nginx -v 2>&1 | sed 's/.*: //')
VERSION[haproxy]="HAProxy $(haproxy -v | sed -n 's/.*version \([^ ]*\).*/\1/p' | head -1)"
VERSION[go]="httputil.ReverseProxy, $(go version | cut -d' ' -f3)"

for n in "${NAMES[@]}"; do wrk -t1 -c"$CONNS" -d1s "http://127.0.0.1:${PORT[$n]}/" >/dev/null; done
for round in $(seq "$ROUNDS"); do
  for n in "${NAMES[@]}"; do
    c0=$(cpu_s "${PID[$n]}")
    out=$(taskset -c "$LAST" wrk -t1 -c"$CONNS" -d"${EACH}s" "http://127.0.0.1:${PORT[$n]}/")
    c1=$(cpu_s "${PID[$n]}")
    reqs=$(awk '/requests in/ {print $1}' <<<"$out")
    if grep -q 'Non-2xx\|Socket errors' <<<"$out"; then echo "bench: $n answered with errors: $out" >&2; fi
    cpu=$(awk -v a="$c0" -v b="$c1" 'BEGIN {print b - a}')
    RATE[$n]+=" $(bench_div "$reqs" "$cpu" %.0f)"
    RPS[$n]+=" $(awk '/Requests\/sec/ {print $2}' <<<"$out")"
  done
done

# p99 of an open loop at half of what the weakest managed.
weakest=$(for n in "${NAMES[@]}"; do bench_median ${RPS[$n]}; done | sort -g | head -1)
half=$(awk -v w="$weakest" 'BEGIN {printf "%d", w / 2}')
for round in $(seq "$P99_ROUNDS"); do
  for n in "${NAMES[@]}"; do
    p=$(taskset -c "$LAST" "$SENNIT" load -q -c "$CONNS" -r "$half" -d "${EACH}s" --warmup 500ms --json "http://127.0.0.1:${PORT[$n]}/" |
      python3 -c 'import json,sys; d=json.load(sys.stdin); print(round(d["times_ns"]["latency"]["p99"] / 1000))')
    P99[$n]+=" $p"
  done
done

echo "Reverse proxy, HTTP/1.1, $CONNS connections, 12-byte answers, one proxy core; $(bench_machine)"
echo
echo "| proxy | requests per CPU-second | sennit's ratio | requests/s | p99 at $half/s (µs) |"
echo "|---|---|---|---|---|"
mine=$(bench_median ${RATE[sennit]})
for n in "${NAMES[@]}"; do
  r=$(bench_median ${RATE[$n]})
  echo "| ${VERSION[$n]} | $r | $(bench_div "$mine" "$r") | $(bench_median ${RPS[$n]}) | $(bench_median ${P99[$n]:--}) |"
done
