#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/http.sh - plaintext keep-alive on one server core: requests per CPU-second of the server
# process (user + system, from /proc/PID/stat), so that the load generator's share does not matter.
# Server on CPU 0, wrk on CPU 1; runs interleaved, medians. ROUNDS=5 SECONDS_PER_RUN=4 CONNS="1 64".
. "$(dirname "$0")/lib.sh"
ROUNDS=${ROUNDS:-5} SECONDS_PER_RUN=${SECONDS_PER_RUN:-4} CONNS=${CONNS:-"1 64"}
for tool in wrk nginx go; do command -v $tool >/dev/null || { echo "SKIP: $tool is missing"; exit 0; }; done
bench_build examples/hello

base=$((20000 + RANDOM % 20000))
declare -A port=([sennit]=$base [nginx]=$((base + 1)) [go]=$((base + 2)))
cat >"$BENCH_TMP/nginx.conf" <<CONF
worker_processes 1; daemon off; master_process off; pid $BENCH_TMP/nginx.pid; error_log /dev/null crit;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000; default_type text/plain; server_tokens off;
  client_body_temp_path $BENCH_TMP/b; proxy_temp_path $BENCH_TMP/p; fastcgi_temp_path $BENCH_TMP/f;
  uwsgi_temp_path $BENCH_TMP/u; scgi_temp_path $BENCH_TMP/s;
  server { listen 127.0.0.1:${port[nginx]} reuseport; location / { return 200 "Hello, World!"; } }
}
CONF
(cd "$BENCH_ROOT/bench/http" && go build -o "$BENCH_TMP/gopeer" main.go) || exit 1

declare -A pid
bench_start 0 "$BENCH_BUILD/examples/hello" "127.0.0.1:${port[sennit]}" 1; pid[sennit]=$BENCH_PID
bench_start 0 nginx -c "$BENCH_TMP/nginx.conf" -p "$BENCH_TMP"; pid[nginx]=$BENCH_PID
GOMAXPROCS=1 bench_start 0 "$BENCH_TMP/gopeer" "127.0.0.1:${port[go]}"; pid[go]=$BENCH_PID
for s in sennit nginx go; do bench_wait_port "${port[$s]}" || exit 1; done

declare -A per_cpu rate p99
run() { # SERVER CONNS
  local before after out n
  before=$(bench_cpu_s "${pid[$1]}")
  out=$(taskset -c 1 wrk -t1 -c"$2" -d"${SECONDS_PER_RUN}s" --latency "http://127.0.0.1:${port[$1]}/")
  after=$(bench_cpu_s "${pid[$1]}")
  n=$(awk '/requests in/ {print $1}' <<<"$out")
  if grep -qE 'Socket errors|Non-2xx' <<<"$out"; then echo "errors: $1: $out" >&2; exit 1; fi
  per_cpu[$1:$2]+=" $(awk -v n="$n" -v a="$after" -v b="$before" 'BEGIN {printf "%.0f", n / (a - b)}')"
  rate[$1:$2]+=" $(awk '/Requests\/sec/ {printf "%.0f", $2}' <<<"$out")"
  p99[$1:$2]+=" $(awk '$1 == "99%" {print $2}' <<<"$out")"
}
for c in $CONNS; do
  for round in $(seq "$ROUNDS"); do for s in sennit nginx go; do run $s "$c"; done; done
done

echo "Machine: $(bench_machine). nginx $(nginx -v 2>&1 | sed 's/.*\///'), $(go version | cut -d' ' -f3), $(wrk -v 2>&1 | head -1 | cut -d' ' -f1-2)."
echo "$ROUNDS interleaved runs of ${SECONDS_PER_RUN} s, medians; p99 of the last run."
echo
echo "| connections | server | requests per CPU-second | requests/s | p99 | ours / its |"
echo "|---|---|---|---|---|---|"
for c in $CONNS; do
  ours=$(bench_median ${per_cpu[sennit:$c]})
  for s in sennit nginx go; do
    mine=$(bench_median ${per_cpu[$s:$c]})
    echo "| $c | $s | $mine | $(bench_median ${rate[$s:$c]}) | ${p99[$s:$c]##* } | $(bench_div "$ours" "$mine") |"
  done
done
