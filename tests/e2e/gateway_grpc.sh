#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gRPC through the gateway between grpc-go's interop programs, and grpcurl; then without a back-end, with a
# slow one, and with one that goes away. usage: gateway_grpc.sh SENNIT SOURCE_ROOT GRPC_PEER
set -u
sennit=$1 root=$2 here=$2/tests/interop/grpc peer=$3
. "$(dirname "$0")/lib.sh"
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/grpc
command -v go >/dev/null || { echo "SKIP: go is not installed"; exit 77; }
for p in client server; do
  [ -x "$cache/go/$p/$p" ] || GOBIN=$cache/go/$p go install "google.golang.org/grpc/interop/$p@v1.68.0" >/dev/null 2>&1
done
grpcurl=$cache/go/grpcurl
[ -x "$grpcurl" ] || { GOBIN=$cache/go go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.1 >/dev/null 2>&1; }
[ -x "$cache/go/client/client" ] && [ -x "$cache/go/server/server" ] || { echo "SKIP: grpc-go's interop programs cannot be built"; exit 77; }

read -r web secure app dead node <<<"$(free_ports 5)"
start "$tmp/ours" "$peer" serve; ours=$first
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$tmp/key.pem" -out "$tmp/cert.pem" -days 2 \
  -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null || exit 1
mkdir "$tmp/p"
sed -e 's|^import "messages.proto";|import "messages.proto";\nimport "google/api/annotations.proto";|' \
  -e 's|rpc UnaryCall(SimpleRequest) returns (SimpleResponse);|rpc UnaryCall(SimpleRequest) returns (SimpleResponse) { option (google.api.http) = { post: "/v1/unary" body: "*" additional_bindings { get: "/v1/size/{response_size}" } }; }|' \
  -e 's|returns (stream StreamingOutputCallResponse);|returns (stream StreamingOutputCallResponse) { option (google.api.http) = { post: "/v1/stream" body: "*" }; }|' \
  "$here/test.proto" >"$tmp/p/test.proto"
cp "$here/messages.proto" "$tmp/p/"
protoc -I"$tmp/p" -I"$root/api" --include_imports -o "$tmp/set.pb" test.proto || { echo "SKIP: no protoc"; exit 77; }
cat >"$tmp/gw.yaml" <<YAML
listeners:
  - {name: web, address: "127.0.0.1:$web"}
  - {name: secure, address: "127.0.0.1:$secure", tls: {cert: $tmp/cert.pem, key: $tmp/key.pem}}
  - {name: node, address: "127.0.0.1:$node"}
upstreams:
  - {name: ours, h2: true, endpoints: [{address: "$ours"}]}
  - {name: app, h2: true, endpoints: [{address: "127.0.0.1:$app"}]}
  - {name: dead, h2: true, endpoints: [{address: "127.0.0.1:$dead"}]}
routes:
  - {name: ours, listeners: [node], proxy: {to: [{upstream: ours}], transcode: {descriptors: $tmp/set.pb}}}
  - {name: dead, match: [{prefix: /grpc.testing.UnimplementedService}], proxy: {to: [{upstream: dead}]}}
  - {name: short, match: [{prefix: /, headers: [{name: x-short, exact: "1"}]}], proxy: {to: [{upstream: app}], grpc_timeout: 300ms}}
  - {name: app, listeners: [web, secure], match: [{prefix: /grpc.testing.TestService}, {prefix: /v1}], proxy: {to: [{upstream: app}],
     transcode: {descriptors: $tmp/set.pb}}}
access_log: {format: json, path: $tmp/access.log}
limits: {stall_timeout: 1s}
YAML
"$cache/go/server/server" -port="$app" >"$tmp/server.log" 2>&1 & server=$!; pids+=($server)
wait_port "$app"
"$sennit" gateway -c "$tmp/gw.yaml" 2>"$tmp/gw.log" & gw=$!; pids+=($gw)
wait_port "$web" || { echo "FAIL start: $(cat "$tmp/gw.log")"; exit 1; }

go_case() { # NAME PORT ARGS...
  local c=$1 port=$2 out; shift 2
  if out=$(timeout 60 "$cache/go/client/client" -server_host="${host:-127.0.0.1}" -server_port="$port" -test_case="$c" \
    -soak_iterations=100 -soak_overall_timeout_seconds=50 "$@" 2>&1); then ok "go client $c"; else fail "go client $c" "$(tail -c 600 <<<"$out")"; fi
}
for c in empty_unary large_unary client_streaming server_streaming ping_pong empty_stream timeout_on_sleeping_server \
  cancel_after_begin cancel_after_first_response status_code_and_message special_status_message custom_metadata \
  unimplemented_method rpc_soak channel_soak orca_per_rpc; do
  case $c in
    orca_*) go_case "$c" "$web" '-service_config_json={"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}' ;;
    *) go_case "$c" "$web" ;;
  esac
done
for c in large_unary ping_pong status_code_and_message; do
  go_case "$c" "$secure" -use_tls -use_test_ca -ca_file="$tmp/cert.pem" -server_host_override=localhost
done

# ---- other protocols in front: REST, Connect, gRPC-Web ----
for v in --http1.1 --http2-prior-knowledge; do
  c() { curl -sS --max-time 20 $v "$@" 2>&1; }
  check "REST body $v" "$(c -d '{"responseSize":3}' "http://127.0.0.1:$web/v1/unary")" '{"payload":{"body":"AAAA"}}'
  check "REST path $v" "$(c "http://127.0.0.1:$web/v1/size/2?response_type=COMPRESSABLE")" '{"payload":{"body":"AAA="}}'
  check "REST bad $v" "$(c -o /dev/null -w '%{http_code}' "http://127.0.0.1:$web/v1/size/x")" 400
  check "REST error $v" "$(c -w ' %{http_code}' -d '{"responseStatus":{"code":5,"message":"no such"}}' "http://127.0.0.1:$web/v1/unary")" '{"code":5,"message":"no such"} 404'
  check "REST stream $v" "$(c -d '{"responseParameters":[{"size":1},{"size":2}]}' "http://127.0.0.1:$web/v1/stream" | tr '\n' ' ')" '{"result":{"payload":{"body":"AA=="}}} {"result":{"payload":{"body":"AAA="}}} '
  check "Connect $v" "$(c -H 'Content-Type: application/json' -d '{"responseSize":1}' "http://127.0.0.1:$web/grpc.testing.TestService/UnaryCall")" '{"payload":{"body":"AA=="}}'
  check "gRPC-Web $v" "$(printf '\0\0\0\0\2\x10\x01' | c -H 'Content-Type: application/grpc-web+proto' --data-binary @- "http://127.0.0.1:$web/grpc.testing.TestService/UnaryCall" | tr -d '\0' | grep -ac 'grpc-status: 0')" 1
  check "not gRPC $v" "$(c -o /dev/null -w '%{http_code}' "http://127.0.0.1:$web/v1/nothing")" 415
done
if command -v npm >/dev/null && [ ! -d "$cache/node_modules/@connectrpc/connect-node" ]; then
  (cd "$cache" && npm install --silent --no-audit --no-fund @grpc/grpc-js@1.14.7 @grpc/proto-loader@0.8.1 \
    @connectrpc/connect@2.1.2 @connectrpc/connect-node@2.1.2 @bufbuild/protobuf@2.17.0 @bufbuild/protoc-gen-es@2.13.0) >/dev/null 2>&1
fi
if [ -d "$cache/node_modules/@connectrpc/connect-node" ]; then
  mkdir "$tmp/es" && ln -s "$cache/node_modules" "$tmp/es/node_modules" && cp "$here/connect.mjs" "$tmp/es/" &&
    echo '{"type":"module"}' >"$tmp/es/package.json" &&
    protoc --plugin=protoc-gen-es="$cache/node_modules/.bin/protoc-gen-es" -I"$here" --es_out="$tmp/es" \
      --es_opt=target=js,import_extension=js messages.proto test.proto
  out=$(cd "$tmp/es" && timeout 60 node connect.mjs "127.0.0.1:$node" 2>&1)
  for n in "connect json h1" "connect binary h2" "grpc-web h1" "grpc-web h2" "grpc"; do
    if grep -qxF "ok $n" <<<"$out"; then ok "connect-node $n"; else fail "connect-node $n" "${out:0:600}"; fi
  done
else skip node "@connectrpc/connect-node is not installable"; fi

if [ -x "$grpcurl" ]; then
  g() { timeout 20 "$grpcurl" -plaintext "$@" 2>&1; }
  # Nobody behind the route: UNAVAILABLE; no route at all: UNIMPLEMENTED. Both as gRPC says it.
  cat >"$tmp/t.proto" <<'P'
syntax = "proto3"; package grpc.testing;
message Empty {}
message Payload { int32 type = 1; bytes body = 2; }
message EchoStatus { int32 code = 1; string message = 2; }
message ResponseParameters { int32 size = 1; int32 interval_us = 2; }
message StreamingOutputCallRequest { int32 response_type = 1; repeated ResponseParameters response_parameters = 2; }
message StreamingOutputCallResponse { Payload payload = 1; }
service UnimplementedService { rpc UnimplementedCall(Empty) returns (Empty); }
service TestService { rpc EmptyCall(Empty) returns (Empty);
  rpc StreamingOutputCall(StreamingOutputCallRequest) returns (stream StreamingOutputCallResponse); }
P
  sed 's/package grpc.testing/package other/' "$tmp/t.proto" >"$tmp/o.proto"
  p="-import-path $tmp -proto t.proto"
  check unreachable_is_unavailable "$(g $p "127.0.0.1:$web" grpc.testing.UnimplementedService/UnimplementedCall | grep -c 'Code: Unavailable')" 1
  check no_route_is_unimplemented "$(g -import-path "$tmp" -proto o.proto "127.0.0.1:$web" other.TestService/EmptyCall | grep -c 'Code: Unimplemented')" 1
  # A stream that is silent for longer than stall_timeout lives on.
  check silent_stream "$(g $p -d '{"response_parameters":[{"size":1},{"size":1,"interval_us":2500000}]}' "127.0.0.1:$web" grpc.testing.TestService/StreamingOutputCall | grep -c '"payload"')" 2
  # The route's bound on a call, and a deadline in mid-stream.
  check route_bounds_the_call "$(g $p -H 'x-short: 1' -d '{"response_parameters":[{"size":1},{"size":1,"interval_us":9000000}]}' "127.0.0.1:$web" grpc.testing.TestService/StreamingOutputCall | grep -c '"payload"\|Code: DeadlineExceeded')" 2
  # The back-end dies in mid-stream.
  g $p -d '{"response_parameters":[{"size":1},{"size":1,"interval_us":9000000}]}' "127.0.0.1:$web" grpc.testing.TestService/StreamingOutputCall >"$tmp/cut" & cut=$!
  sleep 0.7; kill -KILL $server; wait $server 2>/dev/null; wait $cut
  check cut_stream_is_unavailable "$(grep -c '"payload"\|Code: Unavailable' "$tmp/cut")" 2
else
  skip grpcurl "cannot be built"
fi
sleep 1.2
check log_has_the_status "$(grep -c '"grpc_status":12' "$tmp/access.log" | sed 's/^[1-9].*/some/')" some
kill -TERM $gw; wait $gw; check drain_exit $? 0
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
