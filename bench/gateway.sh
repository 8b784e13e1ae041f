#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/gateway.sh - proxied requests per CPU-second, and p99 at half load, beside nginx, HAProxy, Envoy (where PyPI's wheel
# can be had) and Go's httputil.ReverseProxy. Claim: >= 1.15x the best of the first three, >= 4x Go; p99 no worse.
#
# The proxy has processor 0 to itself; load generator (bench/pairs) and backend (nginx, `return 200`)
# share the last one. What is compared is the proxy's own CPU time per request, from /proc, so the
# generator's share of the machine does not matter. Then `sennit load` asks each in turn, open loop, at
# half of what the weakest of sennit, nginx and HAProxy managed (Go and Envoy: of their own), in many short rounds. What is compared is
# the P99 of sennit and of another in the same round: a neighbour that disturbs the machine for seconds disturbs both.
# Then HTTP/2 in front (h2load, one request at a time on many streams) and gRPC through to a back-end that speaks
# it, beside nginx (grpc_pass) and HAProxy: claim: ahead of both. Go's ReverseProxy has no row there.
# Environment: ROWS ("h1 h2 grpc"), H2_ROUNDS (12), H2_N (20000), ROUNDS (60), SLICE_MS (80), CONNS (64), P99_ROUNDS (41), P99_MS (500).
. "$(dirname "$0")/lib.sh"
ROUNDS=${ROUNDS:-60}; SLICE_MS=${SLICE_MS:-80}; CONNS=${CONNS:-64}
P99_ROUNDS=${P99_ROUNDS:-41}; P99_MS=${P99_MS:-500} # with the warm-up under a second: real-time threads get no more at a stretch
LAST=$(($(nproc) - 1)); BACK=19300
ROWS=${ROWS:-h1 h2 grpc}; H2_ROUNDS=${H2_ROUNDS:-12}; H2_N=${H2_N:-20000}; RPC=19310
NAMES=(sennit nginx haproxy go); H2_NAMES=(sennit nginx haproxy)
declare -A PORT=([sennit]=19301 [nginx]=19302 [haproxy]=19303 [go]=19304 [envoy]=19305) PID P50 P99 CPU VERSION
envoy=$(bench_envoy) && NAMES+=(envoy) && H2_NAMES+=(envoy)

for tool in nginx haproxy go; do
  command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed"; exit 0; }
done
# Before bench_build gives this shell its priority: a Go build under SCHED_FIFO spins for ever against its own threads.
goproxy=$BENCH_BUILD/goproxy
if [ ! -x "$goproxy" ] || [ -n "$(find "$BENCH_ROOT/bench/peers/goproxy" -newer "$goproxy")" ]; then
  mkdir -p "$BENCH_BUILD" && (cd "$BENCH_ROOT/bench/peers/goproxy" && GOFLAGS=-mod=mod GO111MODULE=off go build -o "$BENCH_TMP/goproxy" .) &&
    mv "$BENCH_TMP/goproxy" "$goproxy" || exit 1
fi
bench_build cmd/sennit/sennit bench/pairs tests/interop/grpc/grpc_peer
SENNIT=$BENCH_BUILD/cmd/sennit/sennit

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
      proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for; } }
    upstream rpc { server 127.0.0.1:$RPC; keepalive 256; keepalive_requests 100000000; }
    server { listen 127.0.0.1:19312 http2 backlog=4096; http2_max_requests 100000000;
      location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host \$http_host;
        proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for; }
      location /grpc.testing.TestService { grpc_pass grpc://rpc; grpc_set_header X-Forwarded-For \$proxy_add_x_forwarded_for; } } }"
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
frontend f2
  bind 127.0.0.1:19313 proto h2
  use_backend rpc if { path_beg /grpc.testing.TestService }
  default_backend b
backend rpc
  server s 127.0.0.1:$RPC proto h2
backend b
  server s 127.0.0.1:$BACK pool-max-conn 256
CFG
cat >"$BENCH_TMP/gw.yaml" <<CFG
listeners: [{name: web, address: "127.0.0.1:${PORT[sennit]}"}]
upstreams:
  - {name: app, endpoints: [{address: "127.0.0.1:$BACK"}]}
  - {name: rpc, h2: true, endpoints: [{address: "127.0.0.1:$RPC"}]}
routes:
  - {name: main, match: [{prefix: /}], proxy: {to: [{upstream: app}]}}
  - {name: rpc, match: [{prefix: /grpc.testing.TestService}], proxy: {to: [{upstream: rpc}]}}
CFG

cat >"$BENCH_TMP/envoy.yaml" <<CFG
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: ${PORT[envoy]}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          codec_type: AUTO
          use_remote_address: true
          http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - {match: {prefix: /grpc.testing.TestService}, route: {cluster: rpc}}
              - {match: {prefix: /}, route: {cluster: app}}
  clusters:
  - name: app
    load_assignment: {cluster_name: app, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $BACK}}}}]}]}
  - name: rpc
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment: {cluster_name: rpc, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $RPC}}}}]}]}
CFG

bench_start "$LAST" nginx -p "$BENCH_TMP" -c "$BENCH_TMP/backend.conf"
bench_wait_port $BACK || exit 1
bench_start 0 "$SENNIT" gateway -w 1 -c "$BENCH_TMP/gw.yaml"; PID[sennit]=$BENCH_PID
bench_start 0 nginx -p "$BENCH_TMP" -c "$BENCH_TMP/nginx.conf"; PID[nginx]=$BENCH_PID
bench_start 0 haproxy -db -f "$BENCH_TMP/haproxy.cfg"; PID[haproxy]=$BENCH_PID
bench_start 0 env GOMAXPROCS=1 "$goproxy" "127.0.0.1:${PORT[go]}" "http://127.0.0.1:$BACK"; PID[go]=$BENCH_PID
if [ -n "$envoy" ]; then
  bench_start 0 "$envoy" --concurrency 1 --disable-hot-restart -l off -c "$BENCH_TMP/envoy.yaml"; PID[envoy]=$BENCH_PID
  VERSION[envoy]="Envoy $(basename "$(dirname "$envoy")" | sed 's/envoy-//')"
fi
for n in "${NAMES[@]}"; do bench_wait_port "${PORT[$n]}" || exit 1; done
VERSION[sennit]="sennit gateway, this tree"
VERSION[nginx]=$(nginx -v 2>&1 | sed 's/.*: //')
VERSION[haproxy]="HAProxy $(haproxy -v | sed -n 's/.*version \([^ ]*\).*/\1/p' | head -1)"
VERSION[go]="httputil.ReverseProxy, $(go version | cut -d' ' -f3)"


h1_rows() {
echo "Reverse proxy, HTTP/1.1, $CONNS connections, 12-byte answers, one proxy core; $(bench_machine)"
for n in "${NAMES[@]}"; do echo "- $n: ${VERSION[$n]}"; done
echo
args=()
for n in "${NAMES[@]}"; do args+=("$n=${PORT[$n]}:${PID[$n]}"); done
taskset -c "$LAST" "$BENCH_BUILD/bench/pairs" -c "$CONNS" -n "$ROUNDS" -s "$SLICE_MS" "${args[@]}" | tee "$BENCH_TMP/pairs"
[ "${PIPESTATUS[0]}" = 0 ] || exit 1

# half NAME... - half of the lowest rate of these.
half() { for n in "$@"; do awk -F'|' -v n=" $n " '$2 == n {print $4}' "$BENCH_TMP/pairs"; done | sort -g | awk 'NR == 1 {printf "%d", $1 / 2}'; }
declare -A rate
for n in sennit nginx haproxy; do rate[$n]=$(half sennit nginx haproxy); done
for n in go envoy; do rate[$n]=$(half $n); done
for round in $(seq "$P99_ROUNDS"); do
  for n in "${NAMES[@]}"; do
    before=$(bench_cpu_ns "${PID[$n]}")
    p=$(taskset -c "$LAST" "$SENNIT" load -q -c "$CONNS" -r "${rate[$n]}" \
      -d "$((P99_MS + 200))ms" --warmup 200ms --json "http://127.0.0.1:${PORT[$n]}/" |
      python3 -c 'import json,sys; h=json.load(sys.stdin)["times_ns"]["latency"]; print(round(h["p50"] / 1000), round(h["p99"] / 1000))')
    P50[$n]+=" ${p% *}"; P99[$n]+=" ${p#* }"
    CPU[$n]+=" $((($(bench_cpu_ns "${PID[$n]}") - before) / (P99_MS + 200) / 10000))"
  done
done
echo
echo "Open loop, $P99_ROUNDS rounds of $P99_MS ms in turn, medians:"
echo
echo "| proxy | requests/s | P50 us | P99 us | lowest and highest P99 | sennit's P99 / its, median of rounds | processor |"
echo "|---|--:|--:|--:|---|--:|--:|"
for n in "${NAMES[@]}"; do
  echo "| $n | ${rate[$n]} | $(bench_median ${P50[$n]}) | $(bench_median ${P99[$n]}) |" \
    "$(printf '%s\n' ${P99[$n]} | sort -g | sed -n '1p;$p' | xargs | tr ' ' '-') |" \
    "$(bench_median $(paste -d' ' <(printf '%s\n' ${P99[sennit]}) <(printf '%s\n' ${P99[$n]}) | awk '{printf "%.3f\n", $1 / $2}')) | $(bench_median ${CPU[$n]}) % |"
done
}

# Of each in turn: the proxy's own CPU time for H2_N requests, 16 connections of 8 streams.
h2_rows() { # TITLE H2LOAD-ARGS...
  local title=$1 n before after out; shift
  local -A port=([sennit]=${PORT[sennit]} [nginx]=19312 [haproxy]=19313 [envoy]=${PORT[envoy]}) per
  for round in $(seq "$H2_ROUNDS"); do
    for n in "${H2_NAMES[@]}"; do
      before=$(bench_cpu_ns "${PID[$n]}")
      out=$(taskset -c "$LAST" h2load -n "$H2_N" -c 16 -m 8 "$@" "http://127.0.0.1:${port[$n]}$path" 2>&1)
      grep -q "$H2_N succeeded, 0 failed" <<<"$out" || { echo "$n: $(grep '^requests:' <<<"$out")"; return 1; }
      after=$(bench_cpu_ns "${PID[$n]}")
      per[$n]+=" $(awk -v n="$H2_N" -v ns=$((after - before)) 'BEGIN {printf "%d", n * 1e9 / ns}')"
    done
  done
  echo
  echo "$title, 16 connections of 8 streams, one proxy core, $H2_ROUNDS rounds of $H2_N requests in turn, medians:"
  echo
  echo "| proxy | requests per CPU-second | lowest and highest |"
  echo "|---|--:|---|"
  for n in "${H2_NAMES[@]}"; do
    echo "| $n | $(bench_median ${per[$n]}) | $(printf '%s\n' ${per[$n]} | sort -g | sed -n '1p;$p' | xargs | tr ' ' '-') |"
  done
}

case " $ROWS " in *" h1 "*) h1_rows ;; esac
case " $ROWS " in *" h2 "*) path=/ h2_rows "Reverse proxy, HTTP/2 in front of HTTP/1.1, 12-byte answers" ;; esac
if [[ " $ROWS " == *" grpc "* ]]; then
  bench_start "$LAST" "$BENCH_BUILD/tests/interop/grpc/grpc_peer" serve "127.0.0.1:$RPC"
  printf '\0\0\0\0\2\x10\x0a' >"$BENCH_TMP/small"
  bench_wait_port $RPC || exit 1
  path=/grpc.testing.TestService/UnaryCall h2_rows "Reverse proxy, gRPC unary, 10-byte answers" -d "$BENCH_TMP/small" \
    -H 'content-type: application/grpc' -H 'te: trailers'
fi
