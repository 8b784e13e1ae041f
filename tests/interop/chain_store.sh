#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The stores of a chain with CometBFT's: a Go node makes blocks, with transactions and changing validators; our stores
# read its folders as its own do; our state machine makes the same folders again, byte for byte.
# usage: chain_store.sh CHAIN_STORE_PEER ROOT
set -u
peer=$(realpath "$1") root=$2
. "$root/tests/e2e/lib.sh"
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/chain-store
version=v0.38.25
end() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
command -v go >/dev/null || { skip CometBFT "go is not installed"; end; }
mkdir -p "$cache" && cp "$root/tests/interop/chain_store/main.go" "$cache/"
(cd "$cache" && { [ -f go.mod ] || { go mod init chain_store && go get "github.com/cometbft/cometbft@$version" && go mod tidy; }; } &&
  go build -o chain_store . && { [ -x cometbft ] || GOBIN=$cache go install "github.com/cometbft/cometbft/cmd/cometbft@$version"; }) \
  >"$cache/go.log" 2>&1 || { rm -f "$cache/go.mod"; skip CometBFT "its Go module is out of reach"; end; }
"$peer" dump "$tmp/none" >/dev/null 2>&1; [ $? -eq 77 ] && { skip leveldb "libleveldb1d is not installed"; end; }

home=$tmp/home
# A validator's two files: whoever made them, both sign the same, and neither goes back where the other has been.
for maker in ours theirs; do
  k=$tmp/$maker.key.json t=$tmp/$maker.state.json go="$cache/chain_store pv $k $t" we="$peer pv $k $t"
  if [ $maker = ours ]; then first=$we; else first=$go; fi
  a=$($first 5) b=$($go 5) c=$($we 5) d=$($go 6) e=$($we 6) f=$($we 7) g=$($go 6) h=$($go 7) i=$($we 3)
  if [ "${a##* }" = "${b##* }" ] && [ "$b" = "$c" ] && [ "${d##* }" = "${e##* }" ] && [ "${f##* }" = "${h##* }" ] &&
    [ "${g##* }" = refused ] && [ "${i##* }" = refused ] && [ "${#h}" -gt 100 ] && [ "${a%% *}" = "${i%% *}" ]; then
    ok "validator files made by $maker"
  else fail "validator files made by $maker" "$a | $b | $c | $d | $e | $f | $g | $h | $i"; fi
done

read -r rpc p2p < <(free_ports 2)
"$cache/cometbft" init --home "$home" >/dev/null 2>&1 || { fail "cometbft init"; end; }
sed -i -e 's/^timeout_commit = .*/timeout_commit = "50ms"/' -e "s#tcp://127.0.0.1:26657#tcp://127.0.0.1:$rpc#" \
  -e "s#tcp://0.0.0.0:26656#tcp://127.0.0.1:$p2p#" "$home/config/config.toml"
"$cache/cometbft" start --home "$home" --proxy_app=kvstore >"$tmp/node.log" 2>&1 & node=$!; pids+=($node)
wait_port "$rpc" || { fail "cometbft start" "$(tail -n 3 "$tmp/node.log")"; end; }
send() { curl -s -G "http://127.0.0.1:$rpc/broadcast_tx_commit" --data-urlencode "tx=\"$1\"" >/dev/null; }
for i in $(seq 12); do send "key$i=$(head -c $((i * 40)) /dev/zero | tr '\0' v)"; done
# Keys nobody has: their votes are missing from then on. The second goes again, the first changes its power.
send "val:$(head -c 32 "$root/LICENSE" | base64 -w0)!2"
send "val:$(head -c 64 "$root/LICENSE" | tail -c 32 | base64 -w0)!1"
for i in 1 2 3; do send "again$i=$i"; done
send "val:$(head -c 64 "$root/LICENSE" | tail -c 32 | base64 -w0)!0"
send "val:$(head -c 32 "$root/LICENSE" | base64 -w0)!3"
# More than a part of 64 KiB.
{ printf '{"jsonrpc":"2.0","id":1,"method":"broadcast_tx_commit","params":{"tx":"'
  { printf long=; head -c 150000 /dev/zero | tr '\0' a; } | base64 -w0; printf '"}}'; } >"$tmp/long"
curl -s "http://127.0.0.1:$rpc" -H 'content-type: application/json' -d "@$tmp/long" >/dev/null
send last=1
sleep 1
kill "$node"; wait "$node" 2>/dev/null

if "$cache/chain_store" dump "$home/data" >"$tmp/theirs" 2>"$tmp/err" && "$peer" dump "$home/data" >"$tmp/ours" 2>>"$tmp/err" &&
  cmp -s "$tmp/theirs" "$tmp/ours"; then ok "a Go node's stores, $(wc -l <"$tmp/ours") values"
else fail "a Go node's stores" "$(head -n 3 "$tmp/err"; diff "$tmp/theirs" "$tmp/ours" | cut -c1-200 | head -n 4)"; fi
grep -q '^meta [0-9]* [0-9]* [0-9]* [0-9A-F]* [2-9]' "$tmp/theirs" && ok "one block has several parts" || fail "one block has several parts"

mkdir "$tmp/again"
if "$peer" replay "$home" "$tmp/again" 2>"$tmp/err"; then ok "the chain once more"; else fail "the chain once more" "$(cat "$tmp/err")"; fi
for db in blockstore state; do
  "$cache/chain_store" keys "$home/data/$db.db" >"$tmp/$db.theirs"; "$cache/chain_store" keys "$tmp/again/$db.db" >"$tmp/$db.ours"
  # What a node's start stores is no block's.
  sed -i '/^"genesisDoc" /d; /^"offlineStateSyncHeightKey" 00$/d' "$tmp/$db.theirs"
  # Ours has no events; below.
  sed -i '/^"lastABCIResponseKey" /d' "$tmp/$db.theirs" "$tmp/$db.ours"
  if cmp -s "$tmp/$db.theirs" "$tmp/$db.ours"; then ok "$db.db, byte for byte: $(wc -l <"$tmp/$db.ours") keys"
  else fail "$db.db" "$(diff "$tmp/$db.theirs" "$tmp/$db.ours" | cut -c1-160 | head -n 6)"; fi
done
if "$cache/chain_store" dump "$tmp/again" >"$tmp/back" 2>"$tmp/err" && cmp -s "$tmp/theirs" "$tmp/back"; then
  ok "CometBFT reads what we wrote"
else fail "CometBFT reads what we wrote" "$(cat "$tmp/err")"; fi
# After a crash between Commit and the state CometBFT makes the state from the last answer: at every height with transactions.
n=0 bad=
for h in $(awk '$1 == "meta" && $4 > 0 { print $2 }' "$tmp/theirs"); do
  rm -rf "$tmp/upto"; mkdir "$tmp/upto"
  "$peer" replay "$home" "$tmp/upto" "$h" 2>"$tmp/err" && "$cache/chain_store" last "$tmp/upto" "$h" >"$tmp/last" 2>>"$tmp/err" &&
    "$cache/chain_store" answer "$home/data" "$h" >"$tmp/answer" 2>>"$tmp/err" && cmp -s "$tmp/last" "$tmp/answer" ||
    bad="$bad $h: $(cat "$tmp/err" "$tmp/last" "$tmp/answer" | cut -c1-200)"
  n=$((n + 1))
done
if [ "$n" -gt 5 ] && [ -z "$bad" ]; then ok "from $n last answers of ours CometBFT makes the same states"
else fail "last answers of ours in CometBFT, of $n" "$bad"; fi
end
