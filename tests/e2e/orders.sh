#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/e2e/orders.sh SENNIT SOURCE - the order service of examples/orders behind the gateway: traced from the
# edge to the last process, and no failed request while each of its processes is killed in turn. Then once more
# with the services found through a registry.
set -u
sennit=$(realpath "$1"); source=$(realpath "$2")
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
command -v jq >/dev/null || { skip orders "jq is not here"; echo "$passed passed, $failed failed, $skipped skipped"; exit 0; }
read -r gw board otlp f1 f2 o1 o2 s1 s2 <<<"$(free_ports 9)"

cat >"$tmp/gateway.yaml" <<YAML
listeners: [{name: web, address: "127.0.0.1:$gw"}]
upstreams:
  - name: front
    endpoints: [{address: "127.0.0.1:$f1"}, {address: "127.0.0.1:$f2"}]
    health: {path: /readyz, interval: 300ms}
    outlier: {consecutive: 3, eject: 500ms, eject_max: 1s}
routes:
  - name: orders
    match: [{prefix: /v1}]
    proxy: {to: [{upstream: front}], retries: 2}
YAML
# Shedding is off: it goes by the processors of the whole machine, and what else runs there is not the question.
printf 'otlp: http://127.0.0.1:%s\nshed: false\n' "$otlp" | tee "$tmp/orders.yaml" >"$tmp/stock.yaml"
echo "db: $tmp/orders.db" >>"$tmp/orders.yaml"
echo "db: $tmp/stock.db" >>"$tmp/stock.yaml"
cat >"$tmp/front.yaml" <<YAML
otlp: http://127.0.0.1:$otlp
shed: false
orders: 127.0.0.1:$o1,127.0.0.1:$o2
stock: 127.0.0.1:$s1,127.0.0.1:$s2
YAML
one() { echo "  - {name: $1-$2, port: $3, command: [\"{examples}/orders/$1\", -f, \"{dir}/$1.yaml\", -l, \"127.0.0.1:{port}\"]}"; }
{
  printf 'name: orders\nboard: 127.0.0.1:%s\ngateway: gateway.yaml\ngrace: 3s\nprocesses:\n' "$board"
  one stock 1 "$s1"; one stock 2 "$s2"; one orders 1 "$o1"; one orders 2 "$o2"; one front 1 "$f1"; one front 2 "$f2"
} >"$tmp/up.yaml"

mkdir "$tmp/otlp"
python3 "$here/orders.py" collect "$otlp" "$tmp/otlp" & pids+=($!)
wait_port "$otlp"
"$sennit" up -d "$tmp/data" "$tmp" >"$tmp/up.out" 2>"$tmp/up.out.err" & pids+=($!)
site=http://127.0.0.1:$gw
get() { curl -sS -m 10 "$@"; }
status() { get -o /dev/null -w '%{http_code}' "$@"; }
eventually() { local n=$1; shift; for _ in $(seq "$((n * 5))"); do "$@" >/dev/null 2>&1 && return 0; sleep 0.2; done; return 1; }
answers() { [ "$(status "$site/v1/stock/pen")" = 200 ]; }
eventually 20 answers || fail "the service answers" "$(cat "$tmp/up.out" "$tmp/up.out.err" "$tmp"/data/*.log 2>/dev/null | tail -n 20)"

# ---- what it does
placed=$(get -X PUT "$site/v1/orders/k1?sku=book&count=2&customer=ann")
check "an order is placed" "$(jq -c '[.key, .sku, .count, .cents, .customer]' <<<"$placed")" '["k1","book",2,3980,"ann"]'
check "placed again under its key it is the same" "$(get -X PUT "$site/v1/orders/k1?sku=book&count=2&customer=ann")" "$placed"
check "it is read" "$(get "$site/v1/orders/k1")" "$placed"
check "stock was taken once" "$(get "$site/v1/stock/book" | jq .left)" 999998
check "a key of another order" "$(status -X PUT "$site/v1/orders/k1?sku=book&count=3")" 409
check "more than there is" "$(get -X PUT "$site/v1/orders/k2?sku=lamp&count=9" | jq -r .message)" 'there are not 9 of "lamp"'
check "no such order" "$(status "$site/v1/orders/none")" 404
check "a count out of range" "$(get -X PUT "$site/v1/orders/k3?sku=pen&count=0" | jq -r .message)" \
  'count: expected a number in [1:1000], got 0'
check "the list" "$(get "$site/v1/orders?limit=1" | jq -c '[.orders[].key]')" '["k1"]'

# ---- one trace through the gateway and three processes
trace=$(python3 -c 'import secrets; print(secrets.token_hex(16))')
get -X PUT -H "traceparent: 00-$trace-00f067aa0ba902b7-01" "$site/v1/orders/traced?sku=pen&count=1" >/dev/null
logs_have() { for s in front orders stock; do cat "$tmp"/data/$s-*.log | grep -q "\"trace\":\"$trace\"" || return 1; done; }
eventually 5 logs_have && ok "its trace id is in the logs of all three" || fail "its trace id is in the logs of all three" \
  "$(grep -l "$trace" "$tmp"/data/*.log) $(tail -n 2 "$tmp"/data/front-1.log)"
cat >"$tmp/spans.py" <<PY
import pathlib, re
raw = bytes.fromhex("$trace")
found = [b for b in (p.read_bytes() for p in pathlib.Path("$tmp/otlp").iterdir()) if raw in b]
print(*sorted({s for b in found for s in ("front", "orders", "stock") if re.search(rb"\x0a" + bytes([len(s)]) + s.encode(), b)}))
PY
spans() { [ "$(python3 "$tmp/spans.py")" = "front orders stock" ]; }
eventually 10 spans && ok "its spans reach the collector from all three" || fail "its spans reach the collector from all three" "$(python3 "$tmp/spans.py")"

# ---- every process is killed under load
both_fronts() { get "http://127.0.0.1:$board/api/board" | jq -e '[.upstreams[].endpoints[] | .state == "healthy" or .state == "slow start"] | all'; }
pid_of() { get "http://127.0.0.1:$board/api/board" | jq -r ".processes[] | select(.name == \"$1\") | .pid"; }
python3 "$here/orders.py" load "$gw" 120 "$tmp" >"$tmp/load.json" & load=$!
sleep 1
for name in front-1 front-2 orders-1 orders-2 stock-1 stock-2 front-1 stock-2; do
  before=$(pid_of "$name"); restarted=no
  kill -KILL "$before"
  for _ in $(seq 100); do now=$(pid_of "$name"); [ "$now" != "$before" ] && [ "$now" != 0 ] && { restarted=yes; break; }; sleep 0.1; done
  check "$name is killed and comes back" "$restarted" yes
  # One at a time: the next is killed when the gateway sends to both fronts again, and calls found their way.
  eventually 20 both_fronts || fail "$name is back in the gateway" "$(get "http://127.0.0.1:$board/api/board" | jq -c .upstreams)"
  sleep 1.5
done
touch "$tmp/stop"; wait "$load"
echo "load: $(cat "$tmp/load.json")"
check "no request failed at the edge" "$(jq .failed "$tmp/load.json")" 0
[ "$(jq .asked "$tmp/load.json")" -gt 500 ] && ok "there was load" || fail "there was load" "$(cat "$tmp/load.json")"
left=$((1000000000 - $(jq .pieces "$tmp/load.json") - 1))
check "every order took its stock exactly once" "$(get "$site/v1/stock/pen" | jq .left)" "$left"
count=$(python3 -c 'import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute("SELECT count(*) FROM orders WHERE key LIKE ?", ("w%",)).fetchone()[0])' "$tmp/orders.db")
check "every order is written down" "$count" "$(jq .placed "$tmp/load.json")"

# ---- once more without fixed targets: the services announce themselves, front finds them through a registry
examples=$(dirname "$sennit")/../../examples/orders
read -r reg f3 o3 o4 o5 s3 s4 <<<"$(free_ports 7)"
registry=etcd://127.0.0.1:$reg
announced() { # NAME PORT: an instance that is in the registry; its process is $!
  "$examples/$1" -f "$tmp/$1.yaml" -l "127.0.0.1:$2" --set "registry=$registry" >"$tmp/$1-$2.log" 2>&1 & pids+=($!)
}
"$sennit" registry serve --etcd "127.0.0.1:$reg" --consul off --nacos off --apollo off >"$tmp/registry.out" 2>&1 & pids+=($!)
wait_port "$reg"
announced orders "$o3"; first_orders=$!
announced orders "$o4"
announced stock "$s3"; first_stock=$!
announced stock "$s4"
"$examples/front" -f "$tmp/front.yaml" -l "127.0.0.1:$f3" --set "orders=$registry/orders" --set "stock=$registry/stock" \
  >"$tmp/front-found.log" 2>&1 & pids+=($!)
site=http://127.0.0.1:$f3
eventually 20 answers && ok "front finds stock through the registry" ||
  fail "front finds stock through the registry" "$(tail -n 5 "$tmp"/front-found.log "$tmp"/stock-*.log "$tmp/registry.out")"
check "an order is placed with both found" "$(status -X PUT "$site/v1/orders/found?sku=pen&count=1")" 200
python3 "$here/orders.py" load "$f3" 60 "$tmp/otlp" >"$tmp/found.json" & load=$!
sleep 1
announced orders "$o5"
kill -TERM "$first_orders"; sleep 1.5
kill -KILL "$first_stock"; sleep 1.5
touch "$tmp/otlp/stop"; wait "$load"
echo "load: $(cat "$tmp/found.json")"
check "no request failed while instances came and went" "$(jq .failed "$tmp/found.json")" 0
[ "$(jq .asked "$tmp/found.json")" -gt 100 ] && ok "there was load" || fail "there was load" "$(cat "$tmp/found.json")"
served=$(grep -c '"msg":"order written"' "$tmp/orders-$o5.log"); [ "$served" -gt 0 ] && ok "the instance that came later serves" ||
  fail "the instance that came later serves" "$(tail -n 3 "$tmp/orders-$o5.log")"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
