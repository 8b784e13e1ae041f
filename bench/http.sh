#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/http.sh - plaintext keep-alive on one server core: requests per CPU-second of the server
# process (user + system), so that the load generator's share does not matter. Claim: >= 1.2x nginx,
# >= 2.5x Go. Server on CPU 0, bench/pairs on CPU 1, short slices in turn. ROUNDS=80 SLICE_MS=80 CONNS="1 64".
. "$(dirname "$0")/lib.sh"
ROUNDS=${ROUNDS:-80} SLICE_MS=${SLICE_MS:-80} CONNS=${CONNS:-"1 64"}
for tool in nginx go; do command -v $tool >/dev/null || { echo "SKIP: $tool is missing"; exit 0; }; done
bench_build
(cd "$BENCH_ROOT/bench/http" && go build -o "$BENCH_TMP/gopeer" main.go) || exit 1

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

declare -A pid
bench_start 0 "$BENCH_BUILD/examples/hello" "127.0.0.1:${port[sennit]}" 1; pid[sennit]=$BENCH_PID
bench_start 0 nginx -c "$BENCH_TMP/nginx.conf" -p "$BENCH_TMP"; pid[nginx]=$BENCH_PID
GOMAXPROCS=1 bench_start 0 "$BENCH_TMP/gopeer" "127.0.0.1:${port[go]}"; pid[go]=$BENCH_PID
for s in sennit nginx go; do bench_wait_port "${port[$s]}" || exit 1; done

echo "Machine: $(bench_machine). nginx $(nginx -v 2>&1 | sed 's/.*\///'), $(go version | cut -d' ' -f3)."
echo "$ROUNDS rounds of $SLICE_MS ms each in turn; medians, and the median of the pairwise ratios with its 95 % interval."
for c in $CONNS; do
  echo
  echo "$c connection$([ "$c" = 1 ] || echo s):"
  echo
  taskset -c 1 "$BENCH_BUILD/bench/pairs" -c "$c" -n "$ROUNDS" -s "$SLICE_MS" \
    "sennit=${port[sennit]}:${pid[sennit]}" "nginx=${port[nginx]}:${pid[nginx]}" "go=${port[go]}:${pid[go]}" || exit 1
done
