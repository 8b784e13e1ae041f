#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The gateway's policies between programs we did not write: HAProxy and nginx speak the PROXY protocol with it,
# openssl signs tokens whose key it fetches, redis-server counts for two gateways, curl looks at it all.
# usage: gateway_policies.sh SENNIT
set -u
sennit=$1
for tool in curl haproxy nginx openssl python3; do command -v $tool >/dev/null || { echo "SKIP: $tool is not installed"; exit 77; }; done
. "$(dirname "$0")/lib.sh"
read -r web web2 proxied app shadow ha1 ha2 ng keys redis <<<"$(free_ports 10)"
cat >"$tmp/app.py" <<'PY'
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class H(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/jwks.json":
            body = open(sys.argv[2], "rb").read()
        else:
            body = "\n".join([f"path {self.path}"] + [f"{k.lower()}: {v}" for k, v in self.headers.items()]).encode()
        if self.path.startswith("/bad"): self.send_response(500)
        else: self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        open(sys.argv[2] + ".log", "a").write(self.path + "\n")
    def log_message(self, *a): pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
PY
openssl genrsa -out "$tmp/rsa.pem" 2048 2>/dev/null
b64() { base64 -w0 | tr '+/' '-_' | tr -d '='; }
modulus=$(openssl rsa -in "$tmp/rsa.pem" -noout -modulus 2>/dev/null | cut -d= -f2 | python3 -c 'import sys,binascii; sys.stdout.buffer.write(binascii.unhexlify(sys.stdin.read().strip()))' | b64)
echo "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"k1\",\"alg\":\"RS256\",\"use\":\"sig\",\"n\":\"$modulus\",\"e\":\"AQAB\"}]}" >"$tmp/jwks.json"
token() { # CLAIMS
  local head payload; head=$(printf '{"alg":"RS256","kid":"k1","typ":"JWT"}' | b64); payload=$(printf '%s' "$1" | b64)
  printf '%s.%s.%s' "$head" "$payload" "$(printf '%s.%s' "$head" "$payload" | openssl dgst -sha256 -sign "$tmp/rsa.pem" -binary | b64)"
}
have_redis=no
if command -v redis-server >/dev/null; then
  redis-server --port "$redis" --bind 127.0.0.1 --save '' --appendonly no --dir "$tmp" >/dev/null 2>&1 & pids+=($!); have_redis=yes; wait_port "$redis"
fi
# HAProxy in front (sends v1 and v2), nginx behind (expects the header).
cat >"$tmp/haproxy.cfg" <<CFG
global
  maxconn 100
defaults
  mode tcp
  timeout connect 5s
  timeout client 20s
  timeout server 20s
listen v1
  bind 127.0.0.1:$ha1
  server s 127.0.0.1:$proxied send-proxy
listen v2
  bind 127.0.0.1:$ha2
  server s 127.0.0.1:$proxied send-proxy-v2 proxy-v2-options crc32c,unique-id
CFG
cat >"$tmp/nginx.conf" <<CFG
daemon off; master_process off; worker_processes 1; pid $tmp/nginx.pid; error_log /dev/null crit;
events { worker_connections 100; }
http { access_log off; server { listen 127.0.0.1:$ng proxy_protocol; location / { return 200 "from \$proxy_protocol_addr"; } } }
CFG
config() { cat <<YAML
listeners:
  - {name: web, address: "127.0.0.1:$1"}
  $2
admin: {address: "unix:$tmp/admin$1.sock"}
redis: {address: "127.0.0.1:$redis"}
jwt_providers: [{name: corp, issuer: "https://issuer.example", audience: [shop], jwks_url: "http://127.0.0.1:$keys/jwks.json"}]
upstreams:
  - {name: app, endpoints: [{address: "127.0.0.1:$app"}]}
  - {name: shadow, endpoints: [{address: "127.0.0.1:$shadow"}]}
  - {name: nginx1, endpoints: [{address: "127.0.0.1:$ng"}], proxy_protocol: v1}
  - {name: nginx2, endpoints: [{address: "127.0.0.1:$ng"}], proxy_protocol: v2}
  - {name: pair, endpoints: [{address: "127.0.0.1:$app"}, {address: "127.0.0.1:$shadow"}], sticky: {cookie: at, ttl: 1h}}
routes:
  - {name: nginx1, match: [{exact: /nginx1}], proxy: {to: [{upstream: nginx1}]}}
  - {name: nginx2, match: [{exact: /nginx2}], proxy: {to: [{upstream: nginx2}]}}
  - {name: secure, match: [{prefix: /secure}], proxy: {to: [{upstream: app}]}, jwt: {provider: corp, headers: {X-User: sub}},
     rate_limit: {requests: 2, per: 1h, key: claim, name: sub}}
  - {name: shared, match: [{prefix: /shared}], respond: {body: x}, rate_limit: {requests: 10, per: 1h, key: header, name: X-Key, shared: true}}
  - {name: mirrored, match: [{prefix: /mirrored}], proxy: {to: [{upstream: app}], mirror: {upstream: shadow}}}
  - {name: users, match: [{prefix: /users}], proxy: {to: [{upstream: app}], rewrite: {regex: '/users/(\\\\w+)/(.*)', replace: '/u/\$2?by=\$1'}}}
  - {name: cors, match: [{prefix: /cors, methods: [GET]}], proxy: {to: [{upstream: app}]}, cors: {origins: ["https://*.example"], credentials: true}}
  - {name: pair, match: [{prefix: /pair}], proxy: {to: [{upstream: pair}]}}
  - {name: app, proxy: {to: [{upstream: app}]}}
YAML
}
config "$web" "- {name: proxied, address: \"127.0.0.1:$proxied\", proxy_protocol: {from: [127.0.0.1]}}" | sed 's/\\\\w/[a-z]/' >"$tmp/gw.yaml"
config "$web2" "" | sed 's/\\\\w/[a-z]/' >"$tmp/gw2.yaml"
python3 "$tmp/app.py" "$app" "$tmp/a" & pids+=($!)
python3 "$tmp/app.py" "$shadow" "$tmp/s" & pids+=($!)
python3 "$tmp/app.py" "$keys" "$tmp/jwks.json" & pids+=($!)
nginx -p "$tmp" -c "$tmp/nginx.conf" 2>/dev/null & pids+=($!)
for p in "$app" "$shadow" "$keys"; do wait_port "$p"; done
"$sennit" gateway -c "$tmp/gw.yaml" 2>"$tmp/gw.log" & gw=$!; pids+=($gw)
"$sennit" gateway -c "$tmp/gw2.yaml" 2>"$tmp/gw2.log" & pids+=($!)
wait_port "$web" || { echo "FAIL start: $(cat "$tmp/gw.log")"; exit 1; }
wait_port "$web2"
haproxy -db -f "$tmp/haproxy.cfg" >/dev/null 2>&1 & pids+=($!)
wait_port "$ha1"; url=http://127.0.0.1:$web
has() { grep -c -- "$1" | sed 's/^[1-9].*/yes/'; }

# ---- PROXY protocol ----
check proxy_v1_in "$(curl -sS --haproxy-protocol --interface 127.0.0.1 "http://127.0.0.1:$proxied/x" | has 'x-forwarded-for: 127.0.0.1')" yes
check haproxy_v1 "$(curl -sS "http://127.0.0.1:$ha1/x" | has 'path /x')" yes
check haproxy_v2 "$(curl -sS "http://127.0.0.1:$ha2/x" | has 'path /x')" yes
check proxy_required "$(curl -sS "http://127.0.0.1:$proxied/x" 2>&1 | has 'Empty reply\|reset\|closed')" yes
check nginx_v1 "$(curl -sS "$url/nginx1")" "from 127.0.0.1"
check nginx_v2 "$(curl -sS "$url/nginx2")" "from 127.0.0.1"

# ---- tokens, limits ----
now=$(date +%s); good="{\"iss\":\"https://issuer.example\",\"aud\":\"shop\",\"sub\":\"ann\",\"exp\":$((now + 600))}"
for _ in $(seq 50); do [ -s "$tmp/jwks.json.log" ] && break; sleep 0.1; done; sleep 0.2
check no_token "$(curl -sS -o /dev/null -w '%{http_code}' "$url/secure")" 401
check token_by_jwks_url "$(curl -sS -H "Authorization: Bearer $(token "$good")" "$url/secure" | has 'x-user: ann')" yes
check expired_token "$(curl -sS -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $(token "${good/$((now + 600))/$((now - 600))}")" "$url/secure")" 401
check forged_token "$(t=$(token "$good"); curl -sS -o /dev/null -w '%{http_code}' -H "Authorization: Bearer ${t%??}xx" "$url/secure")" 401
check limit_by_claim "$(for i in 1 2 3; do curl -sS -o /dev/null -w '%{http_code} ' -H "Authorization: Bearer $(token "${good/ann/bob}")" "$url/secure"; done)" "200 200 429 "
if [ $have_redis = yes ]; then
  n=0; for i in $(seq 10); do for w in "$web" "$web2"; do
    [ "$(curl -sS -o /dev/null -w '%{http_code}' -H 'X-Key: k' "http://127.0.0.1:$w/shared")" = 200 ] && n=$((n + 1)); done; done
  check limit_shared_by_redis "$n" 10
else skip limit_shared_by_redis "redis-server is not installed"; fi

# ---- the rest ----
curl -sS "$url/mirrored/a" >/dev/null; for _ in $(seq 50); do grep -q /mirrored/a "$tmp/s.log" 2>/dev/null && break; sleep 0.05; done
check mirror "$(has /mirrored/a <"$tmp/s.log")" yes
check rewrite "$(curl -sS "$url/users/ann/cart/1" | head -1)" "path /u/cart/1?by=ann"
check preflight "$(curl -sS -o /dev/null -w '%{http_code}' -X OPTIONS -H 'Origin: https://a.example' -H 'Access-Control-Request-Method: GET' "$url/cors")" 204
check cors_header "$(curl -sS -D - -o /dev/null -H 'Origin: https://a.example' "$url/cors" | tr -d '\r' | grep -ic 'access-control-allow-origin: https://a.example')" 1
curl -sS -c "$tmp/jar" -o /dev/null "$url/pair"
for i in $(seq 20); do curl -sS -b "$tmp/jar" -o /dev/null "$url/pair/stuck"; done
check sticky "$(cat "$tmp/a.log" "$tmp/s.log" | grep -c /pair/stuck) $( (grep -c /pair/stuck "$tmp/a.log"; grep -c /pair/stuck "$tmp/s.log") | grep -c '^0$')" "20 1"
adm() { curl -sS --unix-socket "$tmp/admin$web.sock" "$@"; }
check admin_drain "$(adm -X POST "http://localhost/drain?upstream=pair&endpoint=127.0.0.1:$app")" drained
for i in $(seq 10); do curl -sS -o /dev/null "$url/pair/drained"; done
check drained_gets_nothing "$(grep -c /pair/drained "$tmp/a.log")" 0
check admin_stats "$(adm http://localhost/upstreams | has '"state":"drained"')" yes
check admin_config_has_no_secret "$(adm http://localhost/config | grep -c 'BEGIN')" 0
kill -TERM $gw; wait $gw; check drain_exit $? 0
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
