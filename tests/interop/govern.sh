#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Tokens against PyJWT and npm jose, both ways and by JWK Set; spans against a collector that decodes them with
# Python's opentelemetry-proto; Redis over TLS with AUTH against redis-server. usage: govern.sh GOVERN_PEER ROOT
set -u
peer=$(realpath "$1") root=$2
cache=${SENNIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit}/govern
. "$root/tests/e2e/lib.sh"
# expect NAME WANTED COMMAND... - the output, stdin from $token, must be WANTED.
expect() {
  local name=$1 wanted=$2 out; shift 2
  out=$(timeout 30 "$@" <<<"${token:-}" 2>&1)
  if [ "$out" = "$wanted" ]; then ok "$name"; else fail "$name" "expected \"$wanted\", got: $out"; fi
}
mkdir -p "$cache"
py=$cache/venv/bin/python
if ! "$py" -c 'import jwt, cryptography, opentelemetry.proto.trace.v1.trace_pb2' 2>/dev/null; then
  python3 -m venv "$cache/venv" >/dev/null 2>&1 &&
    "$py" -m pip install -q 'pyjwt==2.10.1' 'cryptography==44.0.0' 'opentelemetry-proto==1.30.0' >/dev/null 2>&1
fi
if [ ! -d "$cache/node_modules/jose" ] && command -v npm >/dev/null; then
  echo '{"name":"govern-peers","private":true}' >"$cache/package.json"
  (cd "$cache" && npm install --ignore-scripts --no-audit --no-fund --no-save jose@6.0.8 >/dev/null 2>&1)
fi
here=$root/tests/interop/govern
algs="HS256 HS384 HS512 RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA"

if "$py" "$here/peer.py" keys "$tmp" 2>/dev/null; then
  for alg in $algs; do
    token=$("$py" "$here/peer.py" sign "$alg" "$tmp/$alg.private" "k-$alg")
    expect "PyJWT signs $alg" "$alg alice" "$peer" verify "$alg" "$tmp/$alg.public"
    expect "PyJWT signs $alg, by key set" "$alg alice" "$peer" jwks "$tmp/jwks.json"
    token=$("$peer" sign "$alg" "$tmp/$alg.private" "k-$alg" "$("$py" "$here/peer.py" claims)")
    expect "PyJWT verifies $alg" "$alg alice" "$py" "$here/peer.py" verify "$alg" "$tmp/$alg.public"
    if [ -d "$cache/node_modules/jose" ]; then
      expect "jose verifies $alg" "$alg alice" node "$here/peer.mjs" "$cache/node_modules" verify "$tmp/jwks.json"
      token=$(node "$here/peer.mjs" "$cache/node_modules" sign "$alg" "$tmp/$alg.private" "k-$alg")
      expect "jose signs $alg" "$alg alice" "$peer" jwks "$tmp/jwks.json"
    else skip "jose $alg" "npm's jose is out of reach"; fi
  done
  "$py" "$here/peer.py" collector "$tmp/port" 600 >"$tmp/collector" 2>&1 & pids+=($!) collector=$!
  for _ in $(seq 100); do [ -s "$tmp/port" ] && break; sleep 0.05; done
  token=
  expect "spans are sent" "sent 600 dropped 0" "$peer" otlp "http://127.0.0.1:$(cat "$tmp/port")" 300
  wait "$collector"
  expect "a collector decodes them" "600 spans" cat "$tmp/collector"
else skip "tokens and spans" "PyJWT and opentelemetry-proto are out of reach"; fi

if command -v redis-server >/dev/null; then
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$tmp/key.pem" -out "$tmp/cert.pem" -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost 2>/dev/null
  port=$((20000 + RANDOM % 20000))
  redis-server --port 0 --tls-port "$port" --bind 127.0.0.1 --tls-cert-file "$tmp/cert.pem" --tls-key-file "$tmp/key.pem" \
    --tls-auth-clients no --tls-ca-cert-file "$tmp/cert.pem" --requirepass secret --save '' >"$tmp/redis" 2>&1 & pids+=($!)
  for _ in $(seq 100); do (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.05; done
  token=
  expect "redis over TLS, AUTH, SELECT" "over tls" "$peer" redis "127.0.0.1:$port" secret "$tmp/cert.pem"
  if "$peer" redis "127.0.0.1:$port" wrong "$tmp/cert.pem" 2>&1 | grep -q WRONGPASS; then ok "redis refuses a wrong password"
  else fail "redis refuses a wrong password" "no WRONGPASS"; fi
else skip redis "redis-server is not installed"; fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
