#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Our gRPC server and client against grpc-go's interop programs (both ways, plain and TLS), Google's
# Python, npm's @grpc/grpc-js and @connectrpc/connect-node, grpcurl, and curl for Connect and REST.
# usage: grpc.sh GRPC_PEER SOURCE_ROOT. Peers are installed into the cache; a missing one is a SKIP of its rows.
set -u
peer=$1 root=$2 here=$2/tests/interop/grpc
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/grpc
go_grpc=v1.68.0 grpcurl=v1.9.1
mkdir -p "$cache"
. "$root/tests/e2e/lib.sh"
# expect NAME WANTED COMMAND... - the output must contain WANTED.
expect() {
  local name=$1 wanted=$2 out; shift 2
  out=$(timeout 60 "$@" 2>&1)
  if grep -qF -- "$wanted" <<<"$out"; then ok "$name"; else fail "$name" "no \"$wanted\" in: ${out:0:400}"; fi
}

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$tmp/key.pem" -out "$tmp/cert.pem" -days 2 \
  -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null || exit 1
start "$tmp/plain" "$peer" serve; plain=$first
start "$tmp/tls" "$peer" serve "$tmp/cert.pem" "$tmp/key.pem"; tls=$first

cases="empty_unary large_unary client_streaming server_streaming ping_pong empty_stream timeout_on_sleeping_server
  cancel_after_begin cancel_after_first_response status_code_and_message special_status_message custom_metadata
  unimplemented_method unimplemented_service orca_per_rpc orca_oob rpc_soak channel_soak"
compressed="client_compressed_unary server_compressed_unary client_compressed_streaming server_compressed_streaming"
cases_ours="retry_streams health_watch"
for c in $cases $compressed $cases_ours; do expect "ours to ours $c" "ok $c" "$peer" case "$c" "$plain"; done
for c in empty_unary large_unary ping_pong; do
  expect "ours to ours, tls, $c" "ok $c" "$peer" case "$c" "$tls" "$tmp/cert.pem" localhost
done

# ---- grpc-go ----
if command -v go >/dev/null; then
  for p in client server; do
    [ -x "$cache/go/$p/$p" ] || GOBIN=$cache/go/$p go install "google.golang.org/grpc/interop/$p@$go_grpc" >/dev/null 2>&1
  done
fi
# go_case NAME ADDR ARGS... - grpc-go's client says nothing of a case that passed but "done".
go_case() {
  local c=$1 addr=$2 out; shift 2
  if out=$(timeout 60 "$cache/go/client/client" -server_host="${addr%:*}" -server_port="${addr##*:}" -test_case="$c" \
    -soak_iterations=200 -soak_overall_timeout_seconds=50 "$@" 2>&1); then ok "go client $c"; else fail "go client $c" "${out:0:400}"; fi
}
if [ -x "$cache/go/client/client" ] && [ -x "$cache/go/server/server" ]; then
  for c in $cases; do
    case $c in
      orca_*) go_case "$c" "$plain" '-service_config_json={"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}' ;;
      *) go_case "$c" "$plain" ;;
    esac
  done
  for c in empty_unary large_unary ping_pong; do
    go_case "$c" "localhost:${tls##*:}" -use_tls -use_test_ca -ca_file="$tmp/cert.pem" -server_host_override=localhost
  done
  port=$(free_ports 1)
  "$cache/go/server/server" -port="$port" >/dev/null 2>&1 & pids+=($!)
  wait_port "$port"
  for c in $cases; do expect "ours to go $c" "ok $c" "$peer" case "$c" "localhost:$port"; done
  tlsport=$(free_ports 1)
  "$cache/go/server/server" -port="$tlsport" -use_tls -tls_cert_file="$tmp/cert.pem" -tls_key_file="$tmp/key.pem" >/dev/null 2>&1 & pids+=($!)
  wait_port "$tlsport"
  for c in empty_unary large_unary ping_pong; do
    expect "ours to go, tls, $c" "ok $c" "$peer" case "$c" "localhost:$tlsport" "$tmp/cert.pem" localhost
  done
else skip "grpc-go" "google.golang.org/grpc/interop is not installable"; fi
# What the interop programs do not have: retries of streams, and health watched by the client (retry.go).
retry=$cache/go/retry-$(cksum <"$here/retry.go" | cut -d' ' -f1)
if command -v go >/dev/null && [ ! -x "$retry" ]; then
  mkdir "$tmp/retry" && cp "$here/retry.go" "$tmp/retry/" &&
    (cd "$tmp/retry" && go mod init retry && go get "google.golang.org/grpc@$go_grpc" && go mod tidy && go build -o "$retry" .) >"$tmp/retry.log" 2>&1
fi
if [ -x "$retry" ]; then
  out=$(timeout 60 "$retry" client "$plain" 2>&1)
  for c in $cases_ours; do if grep -qxF "ok $c" <<<"$out"; then ok "go client $c"; else fail "go client $c" "${out:0:400}"; fi; done
  start "$tmp/retry.out" "$retry" serve
  for c in $cases_ours; do expect "ours to go $c" "ok $c" "$peer" case "$c" "$first"; done
else skip "grpc-go, retries and health" "retry.go does not build: $(tail -n 2 "$tmp/retry.log" 2>/dev/null)"; fi

# ---- grpcurl: reflection, health, calls ----
[ -x "$cache/go/grpcurl" ] || GOBIN=$cache/go go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$grpcurl" >/dev/null 2>&1
if [ -x "$cache/go/grpcurl" ]; then
  g="$cache/go/grpcurl -plaintext"
  expect "grpcurl list" grpc.testing.TestService $g "$plain" list
  expect "grpcurl list v1alpha" grpc.reflection.v1alpha.ServerReflection $g "$plain" list
  expect "grpcurl describe" "rpc FullDuplexCall ( stream .grpc.testing.StreamingOutputCallRequest )" $g "$plain" describe grpc.testing.TestService
  expect "grpcurl describe a message" "int32 response_size = 2;" $g "$plain" describe grpc.testing.SimpleRequest
  expect "grpcurl call" '"sum": "42"' $g -d '{"a": 40, "b": "2"}' "$plain" sennit.interop.Rest/Sum
  expect "grpcurl health" SERVING $g "$plain" grpc.health.v1.Health/Check
  expect "grpcurl health of nobody" NotFound $g -d '{"service":"x"}' "$plain" grpc.health.v1.Health/Check
  expect "grpcurl channelz" '"callsStarted"' $g "$plain" grpc.channelz.v1.Channelz/GetServers
else skip grpcurl "not installable"; fi

# ---- Python ----
if ! "$cache/venv/bin/python" -c 'import grpc_status, grpc_tools' 2>/dev/null; then
  python3 -m venv "$cache/venv" >/dev/null 2>&1 &&
    "$cache/venv/bin/pip" -q install grpcio==1.85.3 grpcio-status==1.85.3 grpcio-tools==1.85.1 >/dev/null 2>&1
fi
if "$cache/venv/bin/python" -c 'import grpc_status, grpc_tools' 2>/dev/null; then
  mkdir "$tmp/py" && "$cache/venv/bin/python" -m grpc_tools.protoc -I"$here" --python_out="$tmp/py" \
    --grpc_python_out="$tmp/py" messages.proto test.proto
  export PYTHONPATH=$tmp/py
  expect "python client" "ok python client" "$cache/venv/bin/python" "$here/peer.py" client "$plain"
  start "$tmp/pyserve" "$cache/venv/bin/python" "$here/peer.py" serve; py=$first
  for c in empty_unary large_unary client_streaming server_streaming ping_pong empty_stream timeout_on_sleeping_server \
    cancel_after_begin cancel_after_first_response status_code_and_message special_status_message custom_metadata \
    unimplemented_method unimplemented_service rpc_soak; do
    expect "ours to python $c" "ok $c" "$peer" case "$c" "$py"
  done
else skip python "grpcio is not installable"; fi

# ---- Node ----
if command -v npm >/dev/null && [ ! -d "$cache/node_modules/@connectrpc/connect-node" ]; then
  (cd "$cache" && npm install --silent --no-audit --no-fund @grpc/grpc-js@1.14.7 @grpc/proto-loader@0.8.1 \
    @connectrpc/connect@2.1.2 @connectrpc/connect-node@2.1.2 @bufbuild/protobuf@2.17.0 @bufbuild/protoc-gen-es@2.13.0) >/dev/null 2>&1
fi
if [ -d "$cache/node_modules/@connectrpc/connect-node" ]; then
  NODE_PATH=$cache/node_modules expect "grpc-js" "ok grpc-js" node "$here/grpcjs.js" "$plain" "$here"
  mkdir "$tmp/es" && ln -s "$cache/node_modules" "$tmp/es/node_modules" && cp "$here/connect.mjs" "$tmp/es/" &&
    echo '{"type":"module"}' >"$tmp/es/package.json" &&
    protoc --plugin=protoc-gen-es="$cache/node_modules/.bin/protoc-gen-es" -I"$here" --es_out="$tmp/es" \
      --es_opt=target=js,import_extension=js messages.proto test.proto
  out=$(cd "$tmp/es" && timeout 60 node connect.mjs "$plain" 2>&1)
  for n in "connect json h1" "connect binary h2" "grpc-web h1" "grpc-web h2" "grpc"; do
    if grep -qxF "ok $n" <<<"$out"; then ok "connect-node $n"; else fail "connect-node $n" "${out:0:400}"; fi
  done
else skip node "@grpc/grpc-js and @connectrpc/connect-node are not installable"; fi

# ---- curl ----
if command -v curl >/dev/null; then
  for v in --http1.1 --http2-prior-knowledge; do
    expect "curl REST $v" '{"sum":"42"}' curl -s $v "http://$plain/v1/sum/40/1?more=3&more=-2"
    expect "curl REST body $v" '{"sum":"42"}' curl -s $v -d '{"a":40,"b":2}' "http://$plain/v1/sum"
    expect "curl REST bad $v" '"code":3' curl -s $v "http://$plain/v1/sum/x/1"
    expect "curl Connect $v" '{"sum":"42"}' curl -s $v -H 'Content-Type: application/json' -d '{"a":40,"b":2}' "http://$plain/sennit.interop.Rest/Sum"
    expect "curl Connect GET $v" '{"sum":"42"}' curl -s $v "http://$plain/sennit.interop.Rest/Sum?connect=v1&encoding=json&message=%7B%22a%22%3A42%7D"
    expect "curl Connect gzip $v" '{"sum":"42"}' sh -c "printf '{\"a\":42}' | gzip | curl -s $v -H 'Content-Type: application/json' -H 'Content-Encoding: gzip' --data-binary @- http://$plain/sennit.interop.Rest/Sum"
  done
  expect "curl h1 gRPC" 505 curl -s -o /dev/null -w '%{http_code}' -X POST -H 'Content-Type: application/grpc' "http://$plain/sennit.interop.Rest/Sum"
else skip curl missing; fi
if command -v h2load >/dev/null; then
  printf '\0\0\0\0\2\x10\x0a' >"$tmp/small"
  expect "h2load" "20000 succeeded, 0 failed" h2load -n 20000 -c 10 -m 20 -d "$tmp/small" -H 'content-type: application/grpc' \
    -H 'te: trailers' "http://$plain/grpc.testing.TestService/UnaryCall"
else skip h2load missing; fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
