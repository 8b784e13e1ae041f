#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sennit load from the command line, against servers whose behaviour is known: load.sh SENNIT HELLO
set -u
sennit=$1 hello=$2
tmp=$(mktemp -d) pids=() passed=0 failed=0
cleanup() { for p in "${pids[@]:-}"; do [ -n "$p" ] && kill "$p" 2>/dev/null; done; wait 2>/dev/null; rm -rf "$tmp"; }
trap cleanup EXIT
ok() { passed=$((passed + 1)); echo "ok $1"; }
bad() { failed=$((failed + 1)); echo "FAIL $1"; }
check() { local name=$1; shift; if "$@" >"$tmp/why" 2>&1; then ok "$name"; else bad "$name: $(head -c 400 "$tmp/why")"; fi; }
# json EXPR FILE - a Python expression over the report d must hold.
json() { python3 -c 'import json, sys; d = json.load(open(sys.argv[2])); assert eval(sys.argv[1]), {k: d[k] for k in ("requests", "errors", "elapsed_s")} | {"latency": d["times_ns"]["latency"]}' "$1" "$2"; }

"$hello" 127.0.0.1:0 1 >"$tmp/hello" & pids+=($!)
for _ in $(seq 100); do grep -q listening "$tmp/hello" && break; sleep 0.05; done
url="http://$(awk '{print $3}' "$tmp/hello")/"

"$sennit" load -q -c 4 -n 1000 -d 30s --json "$url" >"$tmp/n.json"
check "request count is exact" json 'd["requests"] == 1000 and d["errors"]["total"] == 0 and d["status"]["2xx"] == 1000' "$tmp/n.json"

"$sennit" load -q -c 8 --procs 2 --rate 200:600:2s -d 2s --json --html "$tmp/report.html" "$url" >"$tmp/open.json"
check "an open loop sends what is due" json '790 <= d["requests"] + d["errors"]["unsent"] <= 800' "$tmp/open.json"
check "the page is whole" grep -q '</html>' "$tmp/report.html"

# A server that stalls once for a second. What was due meanwhile must show in the open loop's tail;
# the closed loop, which waits with the server, sees one slow request.
cat >"$tmp/stall.py" <<'PY'
import http.server, socketserver, sys, threading, time
gate = threading.Lock(); begun = [None, False]
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a): pass
    def do_GET(self):
        with gate:
            begun[0] = begun[0] or time.time()
            if time.time() - begun[0] > 1 and not begun[1]:
                begun[1] = True
                time.sleep(1)
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
class S(socketserver.ThreadingMixIn, http.server.HTTPServer): daemon_threads = True; request_queue_size = 64
s = S(("127.0.0.1", 0), H); print(s.server_address[1], flush=True); s.serve_forever()
PY
for loop in open closed; do
  python3 "$tmp/stall.py" >"$tmp/$loop.port" & pids+=($!)
  for _ in $(seq 100); do [ -s "$tmp/$loop.port" ] && break; sleep 0.05; done
  [ $loop = open ] && rate=(--rate 100) || rate=()
  "$sennit" load -q -c 4 "${rate[@]}" -d 4s --json "http://127.0.0.1:$(cat "$tmp/$loop.port")/" >"$tmp/$loop-stall.json"
done
check "the open loop shows a stall in its percentiles" json 'd["times_ns"]["latency"]["p90"] > 300e6' "$tmp/open-stall.json"
check "the closed loop alone would hide it" json 'd["times_ns"]["latency"]["p90"] < 300e6 and d["times_ns"]["latency"]["max"] > 500e6' "$tmp/closed-stall.json"

"$sennit" load -q -c 4 --procs 2 -d 20s --json "$url" >"$tmp/lost.json" & run=$!
sleep 1; kill -KILL "$(pgrep -P $run | head -1)"; sleep 0.5; kill -INT $run; wait $run
check "a lost worker and an interrupt are reported" json 'd["workers_lost"] >= 1 and d["interrupted"] and d["requests"] > 0' "$tmp/lost.json"

usage() { # usage NAME TEXT ARGS... - exits with 2 and says TEXT
  local name=$1 text=$2 status; shift 2
  "$sennit" load "$@" >"$tmp/out" 2>"$tmp/err"; status=$?
  if [ $status -eq 2 ] && grep -qF -- "$text" "$tmp/err"; then ok "$name"; else bad "$name: status $status, $(cat "$tmp/err")"; fi
}
usage "no URL" "no URL given"
usage "wrong scheme" 'target "ftp://x": expected http:// or https://' ftp://x
usage "misspelt option" "unknown option --duraton; did you mean --duration?" --duraton 1s "$url"
usage "bad rate" 'rate "fast": expected a number' --rate fast "$url"
"$sennit" load -q -c 1 -d 1s http://127.0.0.1:1/ >/dev/null 2>"$tmp/err"; [ $? -eq 1 ] && ok "nobody there exits with 1" || bad "nobody there: $(cat "$tmp/err")"
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
