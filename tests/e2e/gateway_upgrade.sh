#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Reloads and upgrades under load, with WebSockets open: nothing may be lost. wrk counts for HTTP/1.1, grpc-go for
# h2 (where it is in the cache), Python's WebSocket library for tunnels. usage: gateway_upgrade.sh SENNIT [ROUNDS]
set -u
sennit=$1 rounds=${2:-136}
for tool in wrk python3 nginx; do command -v $tool >/dev/null || { echo "SKIP: $tool is not installed"; exit 77; }; done
. "$(dirname "$0")/lib.sh"
wspy=python3; python3 -c 'import websockets' 2>/dev/null || wspy=/usr/bin/python3
$wspy -c 'import websockets' 2>/dev/null || { echo "SKIP: python3-websockets is not installed"; exit 77; }

read -r web ws app rpc <<<"$(free_ports 4)"
grpc=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/grpc/go
# back-end: nginx answers, Python echoes.
cat >"$tmp/nginx.conf" <<CFG
daemon off; master_process off; worker_processes 1; pid $tmp/nginx.pid; error_log /dev/null crit;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 100000000; server { listen 127.0.0.1:$app; location / { return 200 'hello'; } } }
CFG
nginx -p "$tmp" -c "$tmp/nginx.conf" 2>/dev/null & pids+=($!)
cat >"$tmp/ws.py" <<'PY'
import asyncio, sys, websockets
async def echo(s, *rest):
    async for m in s: await s.send(m)
async def main():
    async with websockets.serve(echo, "127.0.0.1", int(sys.argv[1]), max_size=None): await asyncio.Future()
asyncio.run(main())
PY
# Clients that talk until the file `stop` is there; every message must come back, in order and unchanged.
cat >"$tmp/ws_client.py" <<'PY'
import asyncio, os, random, sys, websockets
url, stop, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
total = 0
async def one(i):
    global total
    rnd = random.Random(i)
    async with websockets.connect(url, max_size=None, ping_interval=None) as s:
        k = 0
        while not os.path.exists(stop):
            batch = [rnd.randbytes(rnd.choice([1, 100, 5000, 200000])) for _ in range(rnd.choice([1, 1, 4]))]
            for m in batch: await s.send(m)
            for m in batch:
                got = await asyncio.wait_for(s.recv(), 20)
                assert got == m, f"client {i}: message {k} came back as {len(got)} bytes, expected {len(m)}"
                k += 1
            await asyncio.sleep(rnd.random() * 0.05)
        total += k
async def main():
    await asyncio.gather(*[one(i) for i in range(n)])
    assert total >= n, total
    print("fine")
asyncio.run(main())
PY
cat >"$tmp/gw.yaml" <<YAML
listeners: [{name: web, address: "127.0.0.1:$web"}]
admin: {address: "unix:$tmp/admin.sock"}
upgrade_socket: $tmp/upgrade.sock
upstreams:
  - {name: app, endpoints: [{address: "127.0.0.1:$app"}]}
  - {name: chat, endpoints: [{address: "127.0.0.1:$ws"}]}
  - {name: rpc, h2: true, endpoints: [{address: "127.0.0.1:$rpc"}]}
routes:
  - {name: chat, match: [{prefix: /chat}], proxy: {to: [{upstream: chat}]}}
  - {name: rpc, match: [{prefix: /grpc.testing.TestService}], proxy: {to: [{upstream: rpc}]}}
  - {name: app, proxy: {to: [{upstream: app}]}}
drain_grace: 20s
YAML
$wspy "$tmp/ws.py" "$ws" & pids+=($!)
wait_port "$ws"; wait_port "$app"

# Nobody to take over from, and nowhere to ask.
"$sennit" gateway -c "$tmp/gw.yaml" --upgrade 2>"$tmp/none.log"; check upgrade_of_nobody_fails $? 1
grep -q 'no gateway to take over from' "$tmp/none.log" && ok upgrade_of_nobody_says_so || fail upgrade_of_nobody_says_so "$(cat "$tmp/none.log")"

# newest - the process that holds the upgrade socket now; generations are children of each other.
"$sennit" gateway -w 2 -c "$tmp/gw.yaml" 2>"$tmp/gw.log" & gw=$!; all=($gw)
wait_port "$web" || { echo "FAIL start: $(cat "$tmp/gw.log")"; exit 1; }
stop_all() { for p in "${all[@]}"; do kill -KILL "$p" 2>/dev/null; done; cleanup; }
trap stop_all EXIT
for _ in $(seq 100); do [ -S "$tmp/upgrade.sock" ] && break; sleep 0.05; done

# A successor with a bad configuration leaves the old one in service.
sed 's/upstream: chat/upstream: chatt/' "$tmp/gw.yaml" >"$tmp/bad.yaml"
"$sennit" gateway -c "$tmp/bad.yaml" --upgrade 2>/dev/null; check bad_successor_fails $? 1
check bad_successor_changes_nothing "$(curl -sS "http://127.0.0.1:$web/x")" hello

# upgrade - by signal; waits until the successor has taken over. Sets gw.
upgrade() {
  local before; before=$(grep -c 'upgrade: took over' "$tmp/gw.log")
  kill -USR2 "$gw"
  for _ in $(seq 400); do
    if [ "$(grep -c 'upgrade: took over' "$tmp/gw.log")" -gt "$before" ]; then
      gw=$(sed -n 's/.*successor started.*"pid":\([0-9]*\).*/\1/p' "$tmp/gw.log" | tail -1)
      all+=("$gw"); return 0
    fi
    sleep 0.02
  done
  return 1
}

$wspy "$tmp/ws_client.py" "ws://127.0.0.1:$web/chat" "$tmp/stop" 20 >"$tmp/ws.out" 2>&1 & wsc=$!
seconds=$((rounds / 3 + 5))
wrk -t1 -c16 -d${seconds}s "http://127.0.0.1:$web/x" >"$tmp/wrk.out" 2>&1 & load=$!
h2=
if [ -x "$grpc/client/client" ] && [ -x "$grpc/server/server" ]; then
  "$grpc/server/server" -port="$rpc" >/dev/null 2>&1 & pids+=($!)
  wait_port "$rpc"
  "$grpc/client/client" -server_host=127.0.0.1 -server_port="$web" -test_case=rpc_soak -soak_iterations=$((seconds * 50)) \
    -soak_min_time_ms_between_rpcs=20 -soak_overall_timeout_seconds=$((seconds * 3)) -soak_per_iteration_max_acceptable_latency_ms=10000 \
    -soak_request_size=1000 -soak_response_size=1000 >"$tmp/h2.out" 2>&1 & h2=$!
fi
sleep 1
done_rounds=0
for i in $(seq "$rounds"); do
  if [ $((i % 2)) = 0 ]; then upgrade || { fail "upgrade $i" "no successor: $(tail -3 "$tmp/gw.log")"; break; }
  else kill -HUP "$gw"; sleep 0.05; fi
  done_rounds=$((done_rounds + 1))
done
check rounds "$done_rounds" "$rounds"
kill -0 $load 2>/dev/null && ok load_outlasted_the_rounds || fail load_outlasted_the_rounds "wrk ended before"
touch "$tmp/stop"
wait $wsc; check websockets_lose_nothing "$(tail -1 "$tmp/ws.out")" fine
wait $load
if grep -q 'Non-2xx\|Socket errors' "$tmp/wrk.out"; then fail wrk_loses_nothing "$(grep 'Non-2xx\|Socket' "$tmp/wrk.out")"; else ok wrk_loses_nothing; fi
echo "# $(grep requests\ in "$tmp/wrk.out")"
if [ -n "$h2" ]; then wait $h2 && ok grpc_loses_nothing || fail grpc_loses_nothing "$(tail -c 500 "$tmp/h2.out")"
else skip grpc_loses_nothing "grpc-go's interop programs are not in the cache"; fi
check only_the_last_stays "$(for _ in $(seq 300); do n=0; for p in "${all[@]}"; do kill -0 "$p" 2>/dev/null && n=$((n + 1)); done; [ $n = 1 ] && break; sleep 0.1; done; echo $n)" 1
check admin_moved_too "$(curl -sS --unix-socket "$tmp/admin.sock" http://localhost/ready)" ready
kill -TERM "$gw"
check last_ends "$(for _ in $(seq 100); do kill -0 "$gw" 2>/dev/null || break; sleep 0.1; done; kill -0 "$gw" 2>/dev/null && echo no || echo yes)" yes
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
