#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tests/e2e/up.sh SENNIT OUT - `sennit up` as a user meets it: real processes, curl, headless Chromium.
# The screenshots stay in OUT.
set -u
sennit=$(realpath "$1")
out=$2
mkdir -p "$out"
tmp=$(mktemp -d)
passed=0 failed=0 skipped=0
up= chrome=

cleanup() {
    [ -n "$chrome" ] && kill "$chrome" 2>/dev/null
    if [ -n "$up" ] && kill -0 "$up" 2>/dev/null; then
        kill -TERM "$up"
        for _ in $(seq 100); do kill -0 "$up" 2>/dev/null || break; sleep 0.1; done
        kill -KILL "$up" 2>/dev/null
    fi
    rm -rf "$tmp"
}
trap cleanup EXIT

ok() { passed=$((passed + 1)); echo "ok   $1"; }
bad() { failed=$((failed + 1)); echo "FAIL $1: ${2:-}"; }
skip() { skipped=$((skipped + 1)); echo "SKIP $1: $2"; }
# check NAME CONDITION...: a command that must succeed; its output is shown where it does not.
check() {
    local name=$1 text
    shift
    if text=$("$@" 2>&1); then ok "$name"; else bad "$name" "$* said: ${text:0:400}"; fi
}
# eventually SECONDS COMMAND...: until it succeeds.
eventually() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -ge $end ] && { "$@"; return 1; }
        sleep 0.2
    done
}

free_ports() {
    python3 - "$1" <<'PY'
import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in held:
    s.bind(("127.0.0.1", 0))
print(*[s.getsockname()[1] for s in held])
PY
}
read -r gw board a1 a2 b1 <<<"$(free_ports 5)"

cat >"$tmp/gateway.yaml" <<YAML
listeners: [{name: web, address: "127.0.0.1:$gw"}]
upstreams:
  - name: apples
    endpoints: [{address: "127.0.0.1:$a1"}, {address: "127.0.0.1:$a2"}]
    outlier: {consecutive: 2, eject: 500ms}
  - name: pears
    endpoints: [{address: "127.0.0.1:$b1"}]
routes:
  - name: apples
    match: [{prefix: /apples}]
    proxy: {to: [{upstream: apples}]}
  - name: pears
    match: [{prefix: /pears}]
    p99_budget: 1ms
    proxy: {to: [{upstream: pears}]}
  - name: files
    static: {root: site}
YAML
mkdir "$tmp/site"
echo "a page" >"$tmp/site/index.html"
cat >"$tmp/up.yaml" <<YAML
name: e2e
board: 127.0.0.1:$board
gateway: gateway.yaml
grace: 3s
processes:
  - {name: apples-1, port: $a1, command: ["{sennit}", serve, -w, "1", -l, "127.0.0.1:{port}", --name, apples]}
  - {name: apples-2, port: $a2, command: ["{sennit}", serve, -w, "1", -l, "127.0.0.1:{port}", --name, apples]}
  - name: pears
    port: $b1
    env: {SENNIT_SERVE_NAME: conference}
    command: ["{sennit}", serve, -w, "1", -l, "127.0.0.1:{port}", --latency, 5ms]
traffic:
  - name: visitors
    command: ["{sennit}", load, -q, --rate, "60", -c, "8", -d, 1h,
              "http://127.0.0.1:$gw/apples/1", "http://127.0.0.1:$gw/pears/2"]
YAML

site=http://127.0.0.1:$gw page=http://127.0.0.1:$board
get() { curl -sS -m 10 "$@"; }
status() { [ "$(get -o /dev/null -w '%{http_code}' "${@:2}")" = "$1" ]; }
# jq over the board's JSON; the expression must be true.
board_says() { get "$page/api/board" | jq -e "$1" >/dev/null; }
pid_of() { get "$page/api/board" | jq -r ".processes[] | select(.name == \"$1\") | .pid"; }

start() {
    "$sennit" up -d "$tmp/data" "$tmp" >"$tmp/up.out" 2>"$tmp/up.err" &
    up=$!
}

start
if ! eventually 30 grep -q "is up" "$tmp/up.out"; then
    bad "up starts" "$(cat "$tmp/up.out" "$tmp/up.err")"
    echo "$passed passed, $failed failed, $skipped skipped"
    exit 1
fi
ok "up starts and says so"

# ---- traffic through the gateway
check "static file through the gateway" grep -q "a page" <(get "$site/")
check "proxied to one upstream" jq -e '.service == "apples"' <(get "$site/apples/x")
check "environment reaches the process" jq -e '.service == "conference"' <(get "$site/pears/x")
check "live rates on every proxied route" eventually 20 board_says \
    '[.routes[] | select(.name != "files") | .rps > 0] | all'
check "latency percentiles" board_says '.totals.p50_us > 0 and .totals.p99_us >= .totals.p50_us'
check "four processes run" board_says '[.processes[] | select(.state == "running" and .pid > 0)] | length == 4'
check "memory, fibers, connections" board_says \
    '.totals.rss_bytes > 1000000 and .totals.fibers > 0 and .totals.conns_open > 0 and (.fibers | length) > 0'
sum_fibers() { get "$page/api/board" | jq -e '(([.fibers[].count] | add) - .totals.fibers) | . > -50 and . < 50'; }
check "fiber groups add up" sum_fibers

# ---- who may read the board
check "page is HTML with a policy" grep -qi "content-security-policy: default-src 'none'; script-src 'sha256-" \
    <(get -D - -o /dev/null "$page/")
check "another host name is refused" status 421 -H "Host: evil.example:$board" "$page/api/board"
check "localhost is fine" status 200 -H "Host: localhost:$board" "$page/api/board"
check "another site's fetch is refused" status 403 -H "Sec-Fetch-Site: cross-site" -H "Sec-Fetch-Mode: cors" \
    "$page/api/board"
check "unknown page" status 404 "$page/nothing"
check "writing is refused" status 405 -X POST "$page/api/board"
check "healthz" status 200 "$page/healthz"
check "Prometheus metrics" grep -q "^process_resident_memory_bytes" <(get "$page/metrics")
check "fiber dump" grep -q "goroutine " <(get "$page/debug/pprof/goroutine?debug=2")

# ---- the page in a browser
flags="--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
 --disable-component-update --disable-sync --hide-scrollbars"
browse() {
    timeout 120 chromium $flags --user-data-dir="$tmp/chrome" --virtual-time-budget=6000 "$@" "$page/" \
        2>>"$tmp/chrome.err"
}
if ! command -v chromium >/dev/null; then
    skip "the page in Chromium" "no chromium here (Debian package chromium)"
else
    browse --enable-logging=stderr --dump-dom >"$tmp/dom.html"
    cp "$tmp/dom.html" "$out/board.html"
    rates() {
        python3 - "$tmp/dom.html" <<'PY'
import html.parser, sys
class P(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(); self.on = False; self.rows = []
    def handle_starttag(self, tag, attrs):
        if tag == "table": self.on = dict(attrs).get("id") == "routes"
        if self.on and tag == "tr": self.rows.append([])
        if self.on and tag in ("td", "th"): self.rows[-1].append("")
    def handle_data(self, text):
        if self.on and self.rows and self.rows[-1]: self.rows[-1][-1] += text
p = P(); p.feed(open(sys.argv[1]).read())
rate = {r[0]: float(r[3].removesuffix("/s").replace(",", "")) for r in p.rows[1:]}
print(rate)
sys.exit(not (rate.get("apples", 0) > 0 and rate.get("pears", 0) > 0))
PY
    }
    check "routes table shows live rates" rates
    check "the page says live" grep -q '<span id="live-text">live</span>' "$tmp/dom.html"
    check "the process table names the processes" grep -q "apples-2" "$tmp/dom.html"
    script_errors() { ! grep -E "Refused to|Uncaught|CONSOLE.*rror" "$tmp/chrome.err"; }
    check "no script error, nothing refused by the policy" script_errors
    browse --window-size=1280,1180 --screenshot="$out/board-1280.png" >/dev/null
    browse --window-size=400,2400 --screenshot="$out/board-400.png" >/dev/null
    check "screenshots" test -s "$out/board-1280.png" -a -s "$out/board-400.png"
fi

# ---- a killed process
victim=$(pid_of apples-1)
kill -KILL "$victim"
lost=0
for _ in $(seq 60); do status 200 "$site/apples/y" || lost=$((lost + 1)); done
check "traffic goes on after kill -9 of an upstream" test "$lost" = 0
restarted() {
    local now
    now=$(pid_of apples-1)
    [ -n "$now" ] && [ "$now" != 0 ] && [ "$now" != "$victim" ]
}
check "it is started again" eventually 20 restarted
check "its restart is counted" board_says '.processes[] | select(.name == "apples-1") | .restarts >= 1'
check "and told of" board_says '[.events[].text | contains("apples-1 was killed by signal 9")] | any'

# ---- a bad configuration
generation=$(get "$page/api/board" | jq .config.generation)
cp "$tmp/gateway.yaml" "$tmp/good.yaml"
sed 's/prefix: \/pears/prefx: \/pears/' "$tmp/good.yaml" >"$tmp/new.yaml" && mv "$tmp/new.yaml" "$tmp/gateway.yaml"
kill -HUP "$up"
check "a bad configuration is named with line and column" eventually 10 board_says \
    '.config.error | test("gateway.yaml:[0-9]+:[0-9]+: .*prefx")'
check "the old one is in force" test "$(get "$page/api/board" | jq .config.generation)" = "$generation"
check "and serves" status 200 "$site/pears/z"
if command -v chromium >/dev/null; then
    browse --dump-dom >"$tmp/bad.html"
    check "the page shows the banner" grep -q 'id="banner"[^>]*display: block' "$tmp/bad.html"
fi
mv "$tmp/good.yaml" "$tmp/gateway.yaml"
kill -HUP "$up"
check "a good one clears it" eventually 10 board_says '.config | (has("error") | not)'

# ---- a port that is taken
"$sennit" up -d "$tmp/data2" "$tmp" >"$tmp/second.out" 2>&1
code=$?
check "a second node fails" test $code = 1
check "and names the port" grep -q "port $board is in use" "$tmp/second.out"
check "bad up.yaml: line, column, field" grep -q "up.yaml:1:[0-9]*: .*gatway" <(
    mkdir "$tmp/bad" && echo "gatway: x" >"$tmp/bad/up.yaml" && "$sennit" up -d "$tmp/data2" "$tmp/bad" 2>&1)

# ---- the end
pids=$(get "$page/api/board" | jq -r '.processes[].pid')
kill -TERM "$up"
for _ in $(seq 150); do kill -0 "$up" 2>/dev/null || break; sleep 0.1; done
if kill -0 "$up" 2>/dev/null; then
    bad "SIGTERM ends it" "still there after 15 s"
else
    wait "$up"
    code=$?
    up=
    check "SIGTERM ends it with status 0" test $code = 0
fi
left=
for p in $pids; do [ "$p" != 0 ] && kill -0 "$p" 2>/dev/null && left="$left $p"; done
check "no process is left" test -z "$left"
[ $failed = 0 ] || { echo "--- sennit up said:"; cat "$tmp/up.err"; tail -30 "$tmp/data/sennit.log"; }
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
