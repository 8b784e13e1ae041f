#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The gateway between programs we did not write: curl and wrk in front, Python's HTTP server and
# WebSocket library behind. usage: gateway.sh SENNIT
set -u
sennit=$1
for tool in curl wrk python3 openssl; do
  command -v $tool >/dev/null || { echo "SKIP: $tool is not installed"; exit 77; }
done
. "$(dirname "$0")/lib.sh"

read -r web secure app ws tight <<<"$(free_ports 5)"
cat >"$tmp/app.py" <<'PY'
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class H(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self): self.answer(f"{self.path} {self.headers.get('X-Forwarded-For')}".encode())
    def do_POST(self): self.answer(self.rfile.read(int(self.headers["Content-Length"])))
    def log_message(self, *a): pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
PY
cat >"$tmp/ws.py" <<'PY'
import asyncio, sys, websockets
async def echo(s, *rest):
    async for m in s: await s.send(m)
async def main():
    async with websockets.serve(echo, "127.0.0.1", int(sys.argv[1])): await asyncio.Future()
asyncio.run(main())
PY
cat >"$tmp/ws_client.py" <<'PY'
import asyncio, os, signal, sys, websockets
async def main():
    async with websockets.connect(sys.argv[1]) as s:
        for i in range(40):
            await s.send(f"m{i}")
            assert await s.recv() == f"m{i}"
            if i % 10 == 5: os.kill(int(sys.argv[2]), signal.SIGHUP)
            await asyncio.sleep(0.02)
    print("fine")
asyncio.run(main())
PY
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/key.pem" -out "$tmp/cert.pem" \
  -days 2 -subj /CN=localhost -addext "subjectAltName=DNS:localhost" 2>/dev/null
mkdir "$tmp/site"; echo '<p>site</p>' >"$tmp/site/index.html"
seq 20000 >"$tmp/site/seq.txt"
config() { cat <<YAML
listeners:
  - {name: web, address: "127.0.0.1:$web"}
  - {name: secure, address: "127.0.0.1:$secure", tls: {cert: $tmp/cert.pem, key: $tmp/key.pem}}
upstreams:
  - {name: app, endpoints: [{address: "127.0.0.1:$app"}]}
  - {name: chat, endpoints: [{address: "127.0.0.1:$ws"}]}
routes:
  - {name: chat, match: [{prefix: /chat}], proxy: {to: [{upstream: chat}]}}
  - {name: site, match: [{prefix: /site}], static: {root: $tmp/site}}
  - {name: fixed, match: [{prefix: /fixed}], respond: {body: "$1"}}
  - {name: app, proxy: {to: [{upstream: app}]}}
access_log: {format: json, path: $tmp/access.log}
compress: {bytes_min: 1KiB}
YAML
}
config one >"$tmp/gw.yaml"
python3 "$tmp/app.py" "$app" & pids+=($!)
have_ws=no
if python3 -c 'import websockets' 2>/dev/null || /usr/bin/python3 -c 'import websockets' 2>/dev/null; then
  have_ws=yes; wspy=python3; python3 -c 'import websockets' 2>/dev/null || wspy=/usr/bin/python3
  $wspy "$tmp/ws.py" "$ws" & pids+=($!); wait_port "$ws"
fi
wait_port "$app"
"$sennit" gateway -c "$tmp/gw.yaml" 2>"$tmp/gw.log" & gw=$!; pids+=($gw)
wait_port "$web" || { echo "FAIL start: $(cat "$tmp/gw.log")"; exit 1; }
url=http://127.0.0.1:$web

check get "$(curl -sS "$url/a?b=c")" "/a?b=c 127.0.0.1"
head -c 3000000 /dev/urandom >"$tmp/big"
check post "$(curl -sS --data-binary @"$tmp/big" "$url/up" | cksum)" "$(cksum <"$tmp/big")"
check h2c "$(curl -sS --http2-prior-knowledge -o /dev/null -w '%{http_version} %{http_code}' "$url/x")" "2 200"
check tls_h2 "$(curl -sS --cacert "$tmp/cert.pem" --resolve "localhost:$secure:127.0.0.1" -o /dev/null -w '%{http_version} %{http_code}' "https://localhost:$secure/x")" "2 200"
check static "$(curl -sS "$url/site/")" "<p>site</p>"
check compressed_file "$(curl -sS --compressed "$url/site/seq.txt" | cksum)" "$(cksum <"$tmp/site/seq.txt")"
size=$(curl -sS -H 'Accept-Encoding: gzip' -D "$tmp/head" -o /dev/null -w '%{size_download}' "$url/site/seq.txt")
if [ "$size" -gt 100 ] && [ "$size" -lt 60000 ]; then ok compressed_size; else fail compressed_size "$size"; fi
# The zstd program and curl's own reader, where both are here: neither is ours.
if command -v zstd >/dev/null; then
  curl -sS -H 'Accept-Encoding: zstd' -D "$tmp/head.zst" -o "$tmp/seq.zst" "$url/site/seq.txt"
  check zstd_file "$(zstd -dc "$tmp/seq.zst" | cksum)" "$(cksum <"$tmp/site/seq.txt")"
  check zstd_is_said "$(grep -ic '^content-encoding: zstd' "$tmp/head.zst")" 1
  size=$(stat -c %s "$tmp/seq.zst")
  if [ "$size" -gt 100 ] && [ "$size" -lt 60000 ]; then ok zstd_size; else fail zstd_size "$size"; fi
  zstd -q -19 -c "$tmp/site/seq.txt" >"$tmp/site/beside.txt.zst"; cp "$tmp/site/seq.txt" "$tmp/site/beside.txt"
  check zstd_beside "$(curl -sS -H 'Accept-Encoding: zstd' "$url/site/beside.txt" | cksum)" "$(cksum <"$tmp/site/beside.txt.zst")"
else
  skip zstd "the zstd program is not installed"
fi
etag=$(sed -n 's/^etag: //Ip' "$tmp/head" | tr -d '\r')
check compressed_not_modified "$(curl -sS -H 'Accept-Encoding: gzip' -H "If-None-Match: $etag" -o /dev/null -w '%{http_code}' "$url/site/seq.txt")" 304
check weak_tag_is_no_match "$(curl -sS -H "If-Match: $etag" -o /dev/null -w '%{http_code}' "$url/site/seq.txt")" 412
check range_is_not_compressed "$(curl -sS -H 'Accept-Encoding: gzip' -r 0-5 "$url/site/seq.txt" | tr '\n' ' ')" "1 2 3 "
curl -sS -D "$tmp/head" -o "$tmp/parts" -r 0-5,-6,1000-1999 "$url/site/seq.txt"
check several_ranges "$(python3 - "$tmp" <<'PY' 2>&1 | tail -1
import email, sys
tmp = sys.argv[1]
whole = open(tmp + "/site/seq.txt", "rb").read()
head = open(tmp + "/head", "rb").read().partition(b"\r\n")[2]
parts = email.message_from_bytes(head + open(tmp + "/parts", "rb").read()).get_payload()
assert len(parts) == 3
for p, (a, b) in zip(parts, [(0, 5), (len(whole) - 6, len(whole) - 1), (1000, 1999)]):
    assert p["Content-Range"] == f"bytes {a}-{b}/{len(whole)}", p["Content-Range"]
    assert p.get_payload(decode=True) == whole[a:b + 1]
print("fine")
PY
)" fine
if [ $have_ws = yes ]; then
  check websocket_survives_reloads "$($wspy "$tmp/ws_client.py" "ws://127.0.0.1:$web/chat" $gw 2>&1 | tail -1)" fine
else
  echo "SKIP websocket_survives_reloads: python3-websockets is not installed"
fi

# The watched file replaces the configuration; a bad one does not.
config two >"$tmp/gw.new"; mv "$tmp/gw.new" "$tmp/gw.yaml"
for _ in $(seq 40); do [ "$(curl -sS "$url/fixed")" = two ] && break; sleep 0.1; done
check reload_by_file "$(curl -sS "$url/fixed")" two
sed 's/upstream: chat/upstream: chatt/' "$tmp/gw.yaml" >"$tmp/bad.yaml"
"$sennit" gateway --check -c "$tmp/bad.yaml" 2>"$tmp/why"; check bad_config_fails $? 1
check bad_config_says_why "$(cut -d: -f2- "$tmp/why")" '8:68: routes[0].proxy.to[0].upstream: no upstream is called "chatt"'
cp "$tmp/bad.yaml" "$tmp/gw.yaml"; sleep 0.5
check bad_reload_keeps_the_old "$(curl -sS "$url/fixed")" two
grep -q 'stays in force' "$tmp/gw.log" && ok bad_reload_is_logged || fail bad_reload_is_logged "$(tail -1 "$tmp/gw.log")"
config three >"$tmp/gw.yaml"

# Reloads under load: wrk counts what is lost.
wrk -t1 -c16 -d4s "$url/fixed" >"$tmp/wrk.out" & load=$!
for i in $(seq 30); do kill -HUP $gw; sleep 0.1; done
wait $load
if grep -q 'Non-2xx\|Socket errors' "$tmp/wrk.out"; then fail reload_under_load "$(grep 'Non-2xx\|Socket' "$tmp/wrk.out")"
else ok reload_under_load; fi

# Out of descriptors: who is connected is served, an upstream that cannot be dialled is 503, who waits is
# served as soon as others leave.
cat >"$tmp/tight.yaml" <<YAML
listeners: [{name: web, address: "127.0.0.1:$tight"}]
upstreams: [{name: app, endpoints: [{address: "127.0.0.1:$app"}]}]
routes:
  - {name: fixed, match: [{prefix: /fixed}], respond: {body: fixed}}
  - {name: app, proxy: {to: [{upstream: app}]}}
YAML
(ulimit -n 64; exec "$sennit" gateway -c "$tmp/tight.yaml") 2>"$tmp/tight.log" & pids+=($!)
wait_port "$tight"
check descriptors_run_out "$(python3 - "$tight" <<'PY' 2>&1 | tail -1
import socket, sys, time
port = int(sys.argv[1])
def dial():
    return socket.create_connection(("127.0.0.1", port), timeout=20)
def ask(s, path, wait=20):
    s.settimeout(wait)
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    data = b""
    while b"\r\n\r\n" not in data:
        got = s.recv(4096)
        assert got, "closed"
        data += got
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += s.recv(4096)
    return int(head.split(b" ")[1])
first = dial()
assert ask(first, "/fixed") == 200
crowd = [dial() for _ in range(100)]  # the kernel's queue takes those that are not accepted
served = 0
for s in crowd:
    try:
        served += ask(s, "/fixed", 2) == 200
    except TimeoutError:
        break
assert 10 < served < 100, served
for _ in range(5):
    assert ask(first, "/fixed") == 200
assert ask(first, "/new") == 503
for s in crowd[:served]:
    s.close()
last = crowd[-1]
last.settimeout(20)
assert ask(last, "/fixed") == 200  # it had waited in the queue
assert ask(dial(), "/fixed") == 200
end = time.monotonic() + 20
while ask(first, "/new") != 200:
    assert time.monotonic() < end, "the upstream stays unreachable"
    time.sleep(0.05)
print("fine")
PY
)" fine

# SIGTERM answers what is in flight and ends with 0.
(sleep 0.3; kill -TERM $gw) &
check drain_in_flight "$(head -c 3000000 "$tmp/big" | curl -sS --limit-rate 3000000 -H 'Expect:' --data-binary @- -o /dev/null -w '%{http_code}' "$url/up")" 200
wait $gw; check drain_exit $? 0
python3 - "$tmp/access.log" <<'PY' && ok access_log || fail access_log
import json, sys
rows = [json.loads(l) for l in open(sys.argv[1])]
assert any(r["route"] == "app" and r["status"] == 200 and r["upstream"] == "app" for r in rows)
PY
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
