#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tests/e2e/exhibits.sh SENNIT OUT - programs that print cards: good ones, and every way to be a bad one.
set -u
sennit=$(realpath "$1") out=$2
. "$(dirname "$0")/lib.sh"
read -r gw board <<<"$(free_ports 2)"
mark=exhibit-$$ # in the arguments of what the exhibits start: none may be left at the end
page=http://127.0.0.1:$board
# The expression is true of the board's JSON; no answer is not true.
says() {
  local json
  json=$(curl -sSf -m 10 "$page/api/board" 2>/dev/null) && [ "$(jq "$1" <<<"$json" 2>/dev/null)" = true ]
}
card() { says "[.exhibits[] | select(.name == \"$1\") | $2] | all and length == 1"; }
# eventually SECONDS NAME COMMAND...
eventually() {
  local end=$((SECONDS + $1)) name=$2
  shift 2
  until "$@"; do
    [ $SECONDS -lt $end ] || { fail "$name" "$(curl -sS -m 10 "$page/api/board" | jq -c '.exhibits' | head -c 1500)"; return; }
    sleep 0.2
  done
  ok "$name"
}
config_says() { # NAME PATTERN: what up says of the exhibits on standard input
  { echo "gateway: gateway.yaml"; cat; } >"$tmp/bad.yaml"
  local said
  said=$("$sennit" up -d "$tmp/d2" --config "$tmp/bad.yaml" 2>&1)
  if grep -q "$2" <<<"$said"; then ok "$1"; else fail "$1" "it said: $said"; fi
}

mkdir "$tmp/site"
echo "listeners: [{name: web, address: \"127.0.0.1:$gw\"}]
routes: [{name: files, static: {root: site}}]" >"$tmp/gateway.yaml"
prints() { printf '%s\n' "echo '$2'" >>"$tmp/$1.sh"; } # EXHIBIT LINE
prints again '{"text":"first","facts":[{"label":"Rate","value":"1 < 2","unit":"/s","state":"ok","note":"quick"}],"link":{"text":"More","href":"/contracts"}}'
echo "bash -c 'exec -a $mark sleep 1000' &" >"$tmp/stays.sh"
prints stays '{"state":"warn","text":"here"}'
echo wait >>"$tmp/stays.sh"
echo "trap '' TERM; exec -a $mark sleep 1000" >"$tmp/slow.sh"
prints silent '{"text":"once"}'
echo "exec -a $mark sleep 1000" >>"$tmp/silent.sh"
prints text 'hello there'
prints typo '{"txt": "x"}'
prints script '{"link": {"text": "x", "href": "javascript:alert(1)"}}'
echo 'echo first >&2; echo "the disk is full" >&2; exit 3' >"$tmp/breaks.sh"
echo 'exec yes "{\"text\":\"<img src=x onerror=alert(1)>\"}"' >"$tmp/flood.sh"
echo 'head -c 40000 /dev/zero | tr "\0" x; echo' >"$tmp/long.sh"
prints long '{"text":"after"}'
cat >"$tmp/up.yaml" <<YAML
board: 127.0.0.1:$board
gateway: gateway.yaml
grace: 2s
exhibits:
  - {name: again, title: Runs <b>again</b>, every: 1s, command: [bash, again.sh]}
  - {name: stays, command: [bash, stays.sh]}
  - {name: later, needs: {sennit-e2e-tool: cp tool to PATH}, command: [sennit-e2e-tool]}
  - {name: slow, every: 1h, timeout: 1s, command: [bash, slow.sh]}
  - {name: silent, timeout: 1s, command: [bash, silent.sh]}
  - {name: text, every: 1h, command: [bash, text.sh]}
  - {name: typo, every: 1h, command: [bash, typo.sh]}
  - {name: script, every: 1h, command: [bash, script.sh]}
  - {name: breaks, every: 1s, command: [bash, breaks.sh]}
  - {name: absent, every: 1h, command: [sennit-e2e-nothing]}
  - {name: flood, command: [bash, flood.sh]}
  - {name: long, every: 1h, command: [bash, long.sh]}
YAML
"$sennit" up -d "$tmp/data" "$tmp" >"$tmp/up.out" 2>"$tmp/up.err" &
up=$!
pids+=("$up")
for _ in $(seq 150); do grep -q "is up" "$tmp/up.out" && break; sleep 0.2; done
if ! says true; then
  fail "up starts" "$(cat "$tmp/up.out" "$tmp/up.err")"
  exit 1
fi
check "the welcome names the exhibits" "$(grep -c "exhibits   again, stays, later" "$tmp/up.out")" 1

eventually 15 "a card with its facts" card again '.card.text == "first" and .card.facts[0].value == "1 < 2" and
  .card.facts[0].state == "ok" and .card.link.href == "/contracts" and (has("error") | not)'
eventually 15 "it runs again" card again '.runs >= 3 and .state != "failed"'
eventually 15 "an endless one stays and has a pid" card stays '.state == "running" and .pid > 0 and .card.state == "warn"'
eventually 15 "what is missing, and how it is installed" card later \
  '.state == "missing" and .missing == [{"program": "sennit-e2e-tool", "install": "cp tool to PATH"}]'
mkdir -p "$tmp/node_modules/.bin"
printf '#!/bin/sh\necho "{\\"text\\":\\"installed\\"}"\n' >"$tmp/node_modules/.bin/sennit-e2e-tool"
chmod +x "$tmp/node_modules/.bin/sennit-e2e-tool"
eventually 15 "once it is installed it runs, without a restart" card later '.state == "done" and .card.text == "installed" and .missing == []'
eventually 15 "too slow: stopped, also without obeying SIGTERM" card slow '.state == "failed" and .error == "ran longer than 1 s; stopped"'
eventually 15 "too long silent: stopped and started again" card silent '.runs >= 2 and .card.text == "once"'
eventually 15 "what is no JSON" card text '.error | test("no card: text?.*1:1|no card: .*expected")'
eventually 15 "a misspelt member, with place and suggestion" card typo '.error | test("typo:1:[0-9]+: .*txt.*text")'
eventually 15 "a link that is a script" card script '.error | test("href.*http")'
eventually 15 "why it failed: the last line of its errors" card breaks '.state == "failed" and .error == "the disk is full"'
eventually 15 "a program that is not there" card absent '.state == "failed" and (.error | test("no program sennit-e2e-nothing"))'
eventually 15 "one that prints without end" card flood '.state == "running" and .card.text == "<img src=x onerror=alert(1)>"'
eventually 15 "a line that is too long is left out, the next one counts" card long '.state == "done" and .card.text == "after"'
check "its errors are in its log" "$(head -2 "$tmp/data/breaks.log" | tr '\n' ,)" "first,the disk is full,"
busy=$(curl -sS "$page/api/board" | jq '.totals.cpu_pct < 60')
check "the flood does not keep the node busy" "$busy" true
eventually 15 "it is tried again" card breaks '.runs >= 3'
check "a failure that repeats is told once" \
  "$(curl -sS "$page/api/board" | jq '[.events[] | select(.text | test("exhibit breaks"))] | length')" 1

# ---- the page
if command -v chromium >/dev/null; then
  if said=$(timeout 100 python3 "$(dirname "$0")/exhibits.py" "$page" "$tmp/chrome" "$out" 2>&1); then
    while read -r line; do ok "$line"; done <<<"$said"
  else
    fail "the cards in Chromium" "$said"
  fi
else
  echo "SKIP the cards in Chromium: no chromium here (Debian package chromium)"
fi

# ---- configurations
config_says "an unknown member" "bad.yaml:2:.*comand" <<<'exhibits: [{name: a, comand: [x]}]'
config_says "a missing command" "exhibits\[0\].*command" <<<'exhibits: [{name: a}]'
config_says "a name that a process has" 'exhibits\[0\].name: "a" is already taken' <<<'processes: [{name: a, command: [x]}]
exhibits: [{name: a, command: [x]}]'
config_says "a port that it has not" "exhibits\[0\].command\[1\]: {port}: it has no port" <<<'exhibits: [{name: a, command: [x, "{port}"]}]'
config_says "an unknown word" "unknown {nothing}" <<<'exhibits: [{name: a, command: [x, "{nothing}"]}]'
config_says "a contract without a file" "no-such.json" <<<'contracts: [{name: A, abi: no-such.json}]'
config_says "a file that is no ABI" "gateway.yaml" <<<'contracts: [{name: A, abi: gateway.yaml}]'
config_says "an address that is none" "contracts\[0\].address: .*40 hex digits" <<<'contracts: [{name: A, abi: x, address: "0x12"}]'

# ---- the end
kill -TERM "$up"
wait "$up"
check "SIGTERM ends it with status 0" $? 0
sleep 0.3
check "nothing that the exhibits started is left" "$(pgrep -fc "^$mark" || :)" 0
[ $failed = 0 ] || { cat "$tmp/up.err"; tail -20 "$tmp/data/sennit.log"; }
echo "$passed passed, $failed failed"
[ $failed = 0 ]
