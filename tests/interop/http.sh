#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Our HTTP server and client against curl, nghttp2's tools, Go's net/http, wrk, Python's websockets and
# Node's ws; the last ones also through the gateway. usage: http.sh HTTP_PEER SOURCE_ROOT SENNIT. A
# missing peer is a SKIP of its rows.
set -u
peer=$1 root=$2 sennit=$3
. "$root/tests/e2e/lib.sh"
have() { command -v "$1" >/dev/null; }
# expect NAME WANTED COMMAND... - the output must contain WANTED.
expect() {
  local name=$1 wanted=$2 out; shift 2
  out=$(timeout 30 "$@" 2>&1)
  if grep -qF -- "$wanted" <<<"$out"; then ok "$name"; else fail "$name" "no \"$wanted\" in: ${out:0:300}"; fi
}

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$tmp/key.pem" -out "$tmp/cert.pem" -days 2 \
  -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null || exit 1
start "$tmp/plain" "$peer" serve; plain=$first
start "$tmp/tls" "$peer" serve "$tmp/cert.pem" "$tmp/key.pem"; tls=localhost:${first##*:}
head -c 300000 /dev/urandom >"$tmp/blob"
sum=$(sha256sum <"$tmp/blob")

if have curl; then
  for v in --http1.0 --http1.1 --http2-prior-knowledge; do
    expect "curl $v get" hello curl -s $v "http://$plain/"
    expect "curl $v head" 200 curl -sI $v "http://$plain/"
    expect "curl $v echo" "$sum" sh -c "curl -s $v --data-binary @$tmp/blob http://$plain/echo | sha256sum"
    expect "curl $v chunked" 10000 sh -c "curl -s $v http://$plain/chunked | wc -c"
  done
  expect "curl chunked upload" "$sum" sh -c "curl -s -H 'Transfer-Encoding: chunked' --data-binary @$tmp/blob http://$plain/echo | sha256sum"
  expect "curl 100-continue" "$sum" sh -c "curl -s -H 'Expect: 100-continue' --data-binary @$tmp/blob http://$plain/echo | sha256sum"
  expect "curl keep-alive" 1 sh -c "curl -sv http://$plain/ http://$plain/ 2>&1 | grep -c Re-using"
  expect "curl tls h2" "hello 2" curl -s --cacert "$tmp/cert.pem" -w ' %{http_version}' "https://$tls/"
  expect "curl tls h1" "hello 1.1" curl -s --http1.1 --cacert "$tmp/cert.pem" -w ' %{http_version}' "https://$tls/"
  expect "curl tls h2 echo" "$sum" sh -c "curl -s --cacert $tmp/cert.pem --data-binary @$tmp/blob https://$tls/echo | sha256sum"
else skip curl missing; fi
if have nghttp; then
  expect "nghttp" hello nghttp "http://$plain/"
  expect "nghttp upload" "$sum" sh -c "nghttp -d $tmp/blob http://$plain/echo | sha256sum"
else skip nghttp missing; fi
if have h2load; then
  expect "h2load" "20000 succeeded, 0 failed" h2load -n 20000 -c 10 -m 20 "http://$plain/"
  expect "h2load h1" "20000 succeeded, 0 failed" h2load --h1 -n 20000 -c 10 "http://$plain/"
  expect "h2load tls" "5000 succeeded, 0 failed" h2load -n 5000 -c 5 -m 10 "https://$tls/"
else skip h2load missing; fi
if have wrk; then
  out=$(wrk -t1 -c50 -d1s "http://$plain/")
  if grep -q "Requests/sec" <<<"$out" && ! grep -qE "Socket errors|Non-2xx" <<<"$out"; then ok wrk; else bad wrk "$out"; fi
else skip wrk missing; fi
if have go; then
  (cd "$root/tests/interop/http" && GOFLAGS=-mod=mod go build -o "$tmp/gopeer" main.go) || fail "go build" "see above"
  expect "go client h1" "ok HTTP/1.1" "$tmp/gopeer" get "http://$plain"
  expect "go client tls h2" "ok HTTP/2.0" "$tmp/gopeer" get "https://$tls"
  start "$tmp/go" "$tmp/gopeer" serve; go=$first
  expect "our client, go server" "200 11 1 body-text" "$peer" get "http://$go/echo" - body-text
  expect "our client, go chunked" "200 11 1 piece,piece,piece," "$peer" get "http://$go/chunked"
else skip go missing; fi
expect "our client h2" "200 20 1 hello" "$peer" get "http://$plain/" h2
expect "our client tls h2" "200 20 1 hello" "$peer" get "https://$tls/" tls
if have nghttpd; then
  echo "from nghttpd" >"$tmp/page"
  port=$((20000 + RANDOM % 20000))
  nghttpd --no-tls -d "$tmp" $port >/dev/null 2>&1 & pids+=($!)
  sleep 0.5
  expect "our client, nghttpd" "200 20 1 from nghttpd" "$peer" get "http://127.0.0.1:$port/page" h2
else skip nghttpd missing; fi
py=
for p in python3 /usr/bin/python3; do $p -c 'import websockets' 2>/dev/null && py=$p && break; done
if [ -n "$py" ]; then
  expect "websockets client" ok "$py" "$root/tests/interop/http_ws.py" client "ws://$plain/ws"
  start "$tmp/ws" "$py" "$root/tests/interop/http_ws.py" server
  expect "our websocket client" ok "$peer" ws "ws://127.0.0.1:$first/" 300
else skip websockets "no python with the package"; fi
expect "our websocket both sides" ok "$peer" ws "ws://$plain/ws" 300
expect "our websocket compressed" ok "$peer" ws "ws://$plain/ws" 300 deflate
expect "our websocket over h2" ok "$peer" ws "ws://$plain/ws" 300 deflate h2

# Node's ws, on its own and through the gateway; the package is kept in a cache.
cat >"$tmp/gw.yaml" <<YAML
listeners: [{name: web, address: "127.0.0.1:0"}]
upstreams: [{name: peer, endpoints: [{address: "$plain"}]}]
routes: [{name: all, proxy: {to: [{upstream: peer}]}}]
YAML
# gateway CONFIG - starts one; its address goes to $gw.
gateway() {
  "$sennit" gateway -c "$1" 2>"$1.log" & pids+=($!)
  for _ in $(seq 100); do gw=$(grep -oE '127\.0\.0\.1:[0-9]+' "$1.log" | head -1); [ -n "$gw" ] && break; sleep 0.05; done
}
gateway "$tmp/gw.yaml"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sennit/npm-ws
if have node && have npm && { [ -d "$cache/node_modules/ws" ] ||
  { mkdir -p "$cache" && npm install --no-audit --no-fund --loglevel=error --prefix "$cache" ws@8.18.0 >/dev/null 2>&1; }; }; then
  export NODE_PATH=$cache/node_modules
  js=$root/tests/interop/http_ws.js
  for where in "$plain" "$gw"; do
    expect "node ws client $([ "$where" = "$gw" ] && echo through the gateway)" ok node "$js" client "ws://$where/ws"
    expect "node h2 websocket $([ "$where" = "$gw" ] && echo through the gateway)" ok node "$js" h2 "http://$where" /ws
  done
  start "$tmp/node" node "$js" server
  expect "our websocket client, node" ok "$peer" ws "ws://127.0.0.1:$first/" 300
  expect "our websocket client, node, compressed" ok "$peer" ws "ws://127.0.0.1:$first/" 300 deflate
  # The other way round: Node's http2 server admits extended CONNECT.
  start "$tmp/nodeh2" node "$js" h2server
  expect "our websocket client over h2, node" ok "$peer" ws "ws://127.0.0.1:$first/" 300 h2
  sed "s/endpoints: .*/h2: true, endpoints: [{address: \"127.0.0.1:$first\"}]}]/" "$tmp/gw.yaml" >"$tmp/gw2.yaml"
  gateway "$tmp/gw2.yaml"
  expect "node ws client to a node h2 server, through the gateway" ok node "$js" client "ws://$gw/" nodeflate
  expect "node h2 websocket to a node h2 server, through the gateway" ok node "$js" h2 "http://$gw" /
else skip "node ws" "node, npm or the package is missing"; fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
