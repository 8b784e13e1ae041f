#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/stuck.sh - one of ten back-ends goes silent under load: how many calls are lost to it until it is back, beside Envoy,
# HAProxy and nginx. Claim: at most half of the best peer's.
#
# RATE calls a second, open loop, for 30 s through each proxy; from the 5th to the 25th second one back-end takes
# requests and answers none. Every proxy has ejection on and its best way of choosing: p2c here, least requests (with
# outlier detection) in Envoy, leastconn (with observe layer7) in HAProxy, least_conn (with max_fails) in nginx. A call is
# lost where the answer is not 200 or takes over 2 s. All proxies at once, each with back-ends of its own.
# Two tables. None repeats a call: an attempt a second each; what is counted is how fast a proxy notices and how often it
# tries again. And each may repeat once: sennit by its default (it gives up on who alone is silent), Envoy with a
# try of half a second, HAProxy and nginx after their timeout of half a second.
# Environment: RATE (500), ROUNDS (3), ENVOY (1.40.0), REPEATS ("no yes").
. "$(dirname "$0")/lib.sh"
RATE=${RATE:-500}; ROUNDS=${ROUNDS:-3}; TOOK_MS=${TOOK_MS:-5}; REPEATS=${REPEATS:-no yes}
NAMES=(sennit envoy haproxy nginx)
declare -A PORT=([sennit]=19501 [envoy]=19502 [haproxy]=19503 [nginx]=19504) FIRST=([sennit]=19510 [envoy]=19530 [haproxy]=19550 [nginx]=19570) BACK LOST TOP SLOW VERSION
for tool in nginx haproxy; do command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed"; exit 0; }; done
envoy=$(bench_envoy) || { echo "SKIP: envoy cannot be had"; exit 0; }
bench_build cmd/sennit/sennit bench/stuck/stuck-backends
SENNIT=$BENCH_BUILD/cmd/sennit/sennit
ports() { seq "${FIRST[$1]}" $((FIRST[$1] + 9)); }

# configure yes|no - the files of all, which may repeat a call or not.
configure() {
local ours="timeout: 1s, retries: 0" envoys="timeout: 1s" haproxys="timeout server 1s
  retries 0" nginxs="proxy_read_timeout 1s; proxy_next_upstream off;"
if [ "$1" = yes ]; then
  ours="timeout: 1s"
  envoys="timeout: 1s, retry_policy: {retry_on: 'connect-failure,reset', per_try_timeout: 0.5s, num_retries: 1, retry_host_predicate: [{name: other, typed_config: {'@type': type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}}], host_selection_retry_max_attempts: 5}"
  haproxys="timeout server 500ms
  retries 1
  option redispatch 1
  retry-on conn-failure response-timeout empty-response"
  nginxs="proxy_read_timeout 500ms; proxy_next_upstream error timeout; proxy_next_upstream_tries 2;"
fi
{ echo "listeners: [{name: web, address: '127.0.0.1:${PORT[sennit]}'}]"
  echo "upstreams: [{name: app, endpoints: ["; for p in $(ports sennit); do echo "  {address: '127.0.0.1:$p'},"; done; echo "]}]"
  echo "routes: [{name: main, proxy: {to: [{upstream: app}], $ours}}]"
} >"$BENCH_TMP/gw.yaml"
{ cat <<CFG
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: ${PORT[envoy]}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
          route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: app, $envoys}}]}]}
  clusters:
  - name: app
    connect_timeout: 1s
    lb_policy: LEAST_REQUEST
    outlier_detection: {}
    load_assignment:
      cluster_name: app
      endpoints:
      - lb_endpoints:
CFG
  for p in $(ports envoy); do echo "        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $p}}}"; done
} >"$BENCH_TMP/envoy.yaml"
{ cat <<CFG
global
  nbthread 1
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  $haproxys
frontend f
  bind 127.0.0.1:${PORT[haproxy]}
  default_backend b
backend b
  balance leastconn
  http-reuse always
CFG
  for p in $(ports haproxy); do echo "  server s$p 127.0.0.1:$p check inter 10s observe layer7 error-limit 5 on-error mark-down"; done
} >"$BENCH_TMP/haproxy.cfg"
{ echo "daemon off; master_process off; worker_processes 1; pid $BENCH_TMP/nginx.pid; error_log /dev/null crit; events { worker_connections 4096; }"
  echo "http { access_log off; upstream app { least_conn; keepalive 64;"
  for p in $(ports nginx); do echo "server 127.0.0.1:$p;"; done
  echo "} server { listen 127.0.0.1:${PORT[nginx]}; location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ''; $nginxs } } }"
} >"$BENCH_TMP/nginx.conf"
}
VERSION[sennit]="Sennit, p2c"; VERSION[envoy]="Envoy $(basename "$(dirname "$envoy")" | sed 's/envoy-//'), least request"
VERSION[haproxy]="HAProxy $(haproxy -v | sed -n 's/.*version \([^ ]*\).*/\1/p' | head -1), leastconn"
VERSION[nginx]="nginx $(nginx -v 2>&1 | sed 's/.*\///'), least_conn"

# one_round - the loads of all in parallel, and the signals between.
one_round() {
  local n pids=()
  for n in "${NAMES[@]}"; do
    "$SENNIT" load -q --json -c 200 -r "$RATE" -d 30s --timeout 2s "http://127.0.0.1:${PORT[$n]}/" >"$BENCH_TMP/$n.json" 2>/dev/null &
    pids+=($!)
  done
  sleep 5; for n in "${NAMES[@]}"; do kill -USR1 "${BACK[$n]}"; done
  sleep 20; for n in "${NAMES[@]}"; do kill -USR2 "${BACK[$n]}"; done
  wait "${pids[@]}"
}
lost() { # NAME - calls not answered 200 within 2 s; the slowest answer and P99.9 in ms
  python3 - "$BENCH_TMP/$1.json" <<'PY'
import json, sys
d = json.load(open(sys.argv[1])); h = d["times_ns"]["latency"]
print(d["errors"]["total"], round(h["max"] / 1e6), round(h["p99.9"] / 1e6, 1))
PY
}
rounds() {
  local round n l top t
  for n in "${NAMES[@]}"; do LOST[$n]=; TOP[$n]=; SLOW[$n]=; done
  for round in $(seq "$ROUNDS"); do
    started=()
    for n in "${NAMES[@]}"; do
      "$BENCH_BUILD/bench/stuck/stuck-backends" "${FIRST[$n]}" 10 "$TOOK_MS" >"$BENCH_TMP/back.$n" 2>&1 & BACK[$n]=$!; started+=($!)
      bench_wait_port $((FIRST[$n] + 9)) || exit 1
    done
    "$SENNIT" gateway -w 1 -c "$BENCH_TMP/gw.yaml" >"$BENCH_TMP/log.sennit" 2>&1 & started+=($!)
    "$envoy" --concurrency 1 --disable-hot-restart -l error -c "$BENCH_TMP/envoy.yaml" >"$BENCH_TMP/log.envoy" 2>&1 & started+=($!)
    haproxy -db -f "$BENCH_TMP/haproxy.cfg" >"$BENCH_TMP/log.haproxy" 2>&1 & started+=($!)
    nginx -p "$BENCH_TMP" -c "$BENCH_TMP/nginx.conf" >"$BENCH_TMP/log.nginx" 2>&1 & started+=($!)
    BENCH_PIDS+=("${started[@]}")
    for n in "${NAMES[@]}"; do bench_wait_port "${PORT[$n]}" || { cat "$BENCH_TMP/log.$n"; exit 1; }; done
    one_round
    for n in "${NAMES[@]}"; do read -r l top t < <(lost "$n"); LOST[$n]+=" $l"; TOP[$n]+=" $top"; SLOW[$n]+=" $t"; done
    kill "${started[@]}" 2>/dev/null; wait "${started[@]}" 2>/dev/null; BENCH_PIDS=()
  done
}
echo "$(bench_machine); $RATE calls/s of $TOOK_MS ms, one of ten back-ends silent for 20 s, $ROUNDS rounds"
for repeats in $REPEATS; do
  configure "$repeats"
  rounds
  echo
  [ "$repeats" = yes ] && echo "A call may be repeated once:" || echo "No call is repeated:"
  echo
  echo "| proxy | calls lost of $((RATE * 30)), median | each round | P99.9 ms, median | slowest answer ms, median |"
  echo "|---|--:|---|--:|--:|"
  for n in "${NAMES[@]}"; do
    echo "| ${VERSION[$n]} | $(bench_median ${LOST[$n]}) |${LOST[$n]} | $(bench_median ${SLOW[$n]}) | $(bench_median ${TOP[$n]}) |"
  done
done
