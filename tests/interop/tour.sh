#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tests/interop/tour.sh SENNIT SOURCE_ROOT OUT - the tour's exhibits on a real node and compiler, and the contract page on
# what they deployed: predictions held against the node. Screenshots stay in OUT.
set -u
sennit=$(realpath "$1") root=$2 out=$3
. "$root/tests/e2e/lib.sh"
skip() { echo "SKIP: $*"; exit 77; }
cache=${SENNIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit}/tour
mkdir -p "$cache"
command -v npm >/dev/null || skip "npm is not installed"
if [ ! -x "$cache/node_modules/.bin/anvil" ] || [ ! -x "$cache/node_modules/.bin/solcjs" ]; then
  (cd "$cache" && { [ -f package.json ] || npm init -y >/dev/null; } &&
    npm i --no-audit --no-fund solc@0.8.37 @foundry-rs/anvil@1.7.1 >"$tmp/npm.log" 2>&1) || skip "the npm packages are out of reach"
fi

SOLC=$cache/node_modules/solc/index.js node "$root/examples/token/compile.mjs" --check >"$tmp/solc" 2>&1
check "Token.json is what Token.sol compiles to" "$?" 0

# The tour's own folder, on other ports, without the shop.
read -r gw board chain proofs <<<"$(free_ports 4)"
mkdir "$tmp/tour" "$tmp/site"
cp -r "$root/examples/token" "$root/examples/merkle" "$tmp/"
echo "listeners: [{name: web, address: \"127.0.0.1:$gw\"}]
routes: [{name: files, static: {root: ../site}}]" >"$tmp/tour/gateway.yaml"
sed "/^processes:/,/^exhibits:/{/^exhibits:/!d}; s/127.0.0.1:7070/127.0.0.1:$board/; s/9145/$chain/; s/9146/$proofs/" \
  "$root/examples/tour/up.yaml" >"$tmp/tour/up.yaml"
PATH=$PATH:$cache/node_modules/.bin "$sennit" up -d "$tmp/data" "$tmp/tour" >"$tmp/up.out" 2>&1 &
up=$!
pids+=("$up")
page=http://127.0.0.1:$board
card() { curl -sSf -m 10 "$page/api/board" 2>/dev/null | jq -r ".exhibits[] | select(.name == \"$1\") | $2"; }
fact() { card "$1" ".card.facts[] | select(.label == \"$2\") | $3"; }
ask() { curl -sS -m 60 "$page/api/contracts/$1" -H 'content-type: application/json' -d "$2"; }
for _ in $(seq 300); do
  [ "$(card token .runs)$(card token .card.state)$(card merkle .card.state)" = 1okok ] && break
  sleep 0.5
done

check "the token's card" "$(card token .card.state)" ok
check "gas used is what was predicted" "$(fact token "Gas used" .state)" ok
check "so was the deployment's" "$(fact token Contract .note | sed -E 's/deployed with ([0-9,]+) gas, predicted \1$/equal/')" equal
check "the limit was enough" "$(fact token "Gas limit" .state)" ok
check "five SDKs were generated" "$(fact token "SDKs in five languages" .note | grep -o KiB | wc -l)" 5
check "the proof's card" "$(card merkle .card.state)" ok
check "verified here" "$(fact merkle "Verified here" '.value + "," + .state')" yes,ok
check "verified on chain, another root refused" "$(fact merkle "Verified on chain" '.value + "," + .state')" yes,ok

# ---- the page's questions, answered by the node
token=$(curl -sS "$page/api/contracts" | jq -c '.contracts[0] | {contract: .name, node, address, from}')
of() { jq -c --arg f "$1" '. + {function: $f, args: $ARGS.positional}' --args "${@:2}" <<<"$token"; }
other=0x70997970C51812dc3A010C7d01b50e0d17dc79C8
check "symbol" "$(ask call "$(of symbol)" | jq -r '.result[0].value')" TURN
check "a revert's own error" "$(ask call "$(of transfer "$other" 999999999999999999999999999)" | jq -r .reverted.name)" NotEnough
check "events" "$(ask events "$token" | jq -r '[.logs[].event] | unique[]')" Transfer
predicted=$(ask gas "$(of approve "$other" 5)")
rpc() { curl -sS -m 10 "http://127.0.0.1:$chain" -H 'content-type: application/json' -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$1\",\"params\":$2}"; }
tx=$(jq -c --argjson t "$token" --argjson p "$predicted" -n '[{from: $t.from, to: $t.address, data: $p.data}]')
hash=$(rpc eth_sendTransaction "$tx" | jq -r .result)
used=
for _ in $(seq 50); do
  used=$(rpc eth_getTransactionReceipt "[\"$hash\"]" | jq -r '.result.gasUsed // empty')
  [ -n "$used" ] && break
  sleep 0.1
done
check "the page's prediction is what a write used" "$(jq .gas.used <<<"$predicted")" "$((used))"

if command -v chromium >/dev/null; then
  PYTHONPATH=$root/tests/e2e python3 - "$page" "$tmp/chrome" "$out" >"$tmp/page" 2>&1 <<'PY'
import sys
from browser import Browser
page, folder, out = sys.argv[1:]
with Browser(folder) as b:
    b.open(page)
    assert b.wait("document.querySelectorAll('.exhibit .facts').length >= 2 && !document.querySelector('.exhibit > .sub')"), b.text("main")
    b.shot(f"{out}/tour-board.png", 1280, 1180)
    b.open(page + "/contracts#Token/transfer")
    assert b.wait("document.querySelector('#events-table td.n') !== null"), b.text("main")
    b.fill(".arg[data-i='0']", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
    b.fill(".arg[data-i='1']", "2500000000000000000")
    b.click("#do-gas")
    assert b.wait("document.querySelector('#answer .facts')"), b.text("#answer")
    b.shot(f"{out}/tour-contracts.png", 1280, 1180)
    assert b.said == [], b.said
PY
  check "both pages in Chromium" "$?:$(cat "$tmp/page")" 0:
else
  echo "SKIP the pages in Chromium: no chromium here (Debian package chromium)"
fi

kill -TERM "$up"
wait "$up"
check "the end" $? 0
sleep 0.5
check "no node is left" "$(pgrep -fc "anvil.*--port ($chain|$proofs)" || :)" 0
[ $failed = 0 ] || { cat "$tmp/up.out"; tail -n 5 "$tmp"/data/*.log; }
echo "$passed passed, $failed failed"
[ $failed = 0 ]
