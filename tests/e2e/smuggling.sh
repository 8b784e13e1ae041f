#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Malformed and ambiguous requests against our server and our gateway, beside nginx and Node's strict
# parser where they are installed. usage: smuggling.sh SENNIT HTTP_PEER SOURCE_ROOT
set -u
sennit=$1 peer=$2 root=$3
command -v python3 >/dev/null || { echo "SKIP: python3 is not installed"; exit 77; }
. "$(dirname "$0")/lib.sh"
wait_line() { for _ in $(seq 200); do [ -s "$1" ] && return 0; sleep 0.05; done; return 1; }

read -r web up ng <<<"$(free_ports 3)"
others=()
"$peer" serve >"$tmp/ours" 2>"$tmp/ours.err" & pids+=($!)
wait_line "$tmp/ours" || { echo "FAIL our server does not start: $(cat "$tmp/ours.err")"; exit 1; }
cat >"$tmp/gw.yaml" <<YAML
listeners: [{name: web, address: "127.0.0.1:$web"}]
upstreams: [{name: up, endpoints: [{address: "127.0.0.1:$up"}], outlier: {enabled: false}}]
routes: [{name: all, proxy: {to: [{upstream: up}], retries: 0}}]
access_log: {format: "off"}
YAML
"$sennit" gateway -c "$tmp/gw.yaml" 2>"$tmp/gw.log" & pids+=($!)
wait_port "$web" || { echo "FAIL the gateway does not start: $(cat "$tmp/gw.log")"; exit 1; }
if command -v nginx >/dev/null; then
  mkdir -p "$tmp/ng"
  cat >"$tmp/ng.conf" <<CONF
daemon off; master_process off; pid $tmp/ng/pid; error_log $tmp/ng/error.log crit;
events { worker_connections 256; }
http {
  access_log off; client_body_temp_path $tmp/ng/b; proxy_temp_path $tmp/ng/p; fastcgi_temp_path $tmp/ng/f;
  uwsgi_temp_path $tmp/ng/u; scgi_temp_path $tmp/ng/s;
  upstream up { server 127.0.0.1:$up; keepalive 8; }
  server {
    listen 127.0.0.1:$ng;
    location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off; }
  }
}
CONF
  nginx -p "$tmp/ng" -c "$tmp/ng.conf" 2>"$tmp/ng.err" & pids+=($!)
  if wait_port "$ng"; then others+=("nginx=127.0.0.1:$ng"); else echo "SKIP nginx: $(head -1 "$tmp/ng.err")"; fi
else echo "SKIP nginx: not installed"; fi
if command -v node >/dev/null; then
  cat >"$tmp/strict.js" <<'JS'
const s = require('http').createServer((q, r) => { q.resume(); q.on('end', () => r.end('ok')); q.on('error', () => {}); });
s.on('clientError', (e, c) => { if (c.writable) c.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'); });
s.listen(0, '127.0.0.1', () => console.log(s.address().port));
JS
  node "$tmp/strict.js" >"$tmp/node" 2>&1 & pids+=($!)
  wait_line "$tmp/node" && others+=("node=127.0.0.1:$(cat "$tmp/node")")
else echo "SKIP node: not installed"; fi
echo go | python3 "$root/tests/e2e/smuggling.py" "$(head -1 "$tmp/ours")" "127.0.0.1:$web" "$up" "${others[@]}"
