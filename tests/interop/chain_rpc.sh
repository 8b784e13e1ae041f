#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The RPC, the events and the index with CometBFT's: a Go validator with an application that tries everything makes a chain;
# `cometbft inspect` and our RPC answer the same requests over the same home; our events of its blocks are what its own
# subscribers got; an index of ours has Go's keys, and each finds in the other's what it finds in its own.
# usage: chain_rpc.sh CHAIN_RPC_PEER ROOT
set -u
peer=$(realpath "$1") root=$2
. "$root/tests/e2e/lib.sh"
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/chain-rpc
version=v0.38.25
end() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
command -v go >/dev/null || { skip CometBFT "go is not installed"; end; }
mkdir -p "$cache" && cp "$root/tests/interop/chain_rpc/main.go" "$cache/"
(cd "$cache" && { [ -f go.mod ] || { go mod init chain_rpc && go get "github.com/cometbft/cometbft@$version" && go mod tidy; }; } &&
  go build -o chain_rpc . && { [ -x cometbft ] || GOBIN=$cache go install "github.com/cometbft/cometbft/cmd/cometbft@$version"; }) \
  >"$cache/go.log" 2>&1 || { rm -f "$cache/go.mod"; skip CometBFT "its Go module is out of reach"; end; }
theirs=$cache/chain_rpc
"$peer" search "$tmp/none" a.b=1 2>&1 | grep -q UNIMPLEMENTED && { skip leveldb "libleveldb1d is not installed"; end; }

home=$tmp/home
"$cache/cometbft" init --home "$home" >/dev/null 2>&1 || { fail "cometbft init"; end; }
timeout 120 "$theirs" node "$home" 40 >"$tmp/node.log" 2>&1 || { fail "a Go validator's chain" "$(tail -n 3 "$tmp/node.log")"; end; }

# ---- what is stored ----
cp -r "$home" "$tmp/copy"
read -r port < <(free_ports 1)
"$cache/cometbft" inspect --home "$tmp/copy" --rpc.laddr "tcp://127.0.0.1:$port" >"$tmp/inspect.log" 2>&1 & inspect=$!; pids+=($inspect)
mkfifo "$tmp/stdin"
"$peer" inspect "$home" <"$tmp/stdin" >"$tmp/addr" 2>"$tmp/peer.err" & ours=$!; pids+=($ours)
exec 4>"$tmp/stdin"
wait_port "$port"; for _ in $(seq 100); do [ -s "$tmp/addr" ] && break; sleep 0.05; done
if timeout 200 python3 "$root/tests/interop/chain_rpc/compare.py" "127.0.0.1:$port" "$(cat "$tmp/addr")" >"$tmp/compare" 2>&1; then
  ok "$(tail -n 1 "$tmp/compare")"
else fail "requests" "$(cut -c1-400 "$tmp/compare" | tail -n 5)"; fi
exec 4>&-
if wait "$ours"; then ok "our server ends in order"; else fail "our server's end" "$(tail -n 3 "$tmp/peer.err")"; fi
kill "$inspect"; wait "$inspect" 2>/dev/null

# ---- events ----
if "$peer" events "$home" >"$tmp/events" 2>"$tmp/err" &&
  n=$(python3 "$root/tests/interop/chain_rpc/events.py" "$home/events.jsonl" "$tmp/events" 2>"$tmp/err"); then ok "$n events of blocks, byte for byte"
else fail "events" "$(tail -n 1 "$tmp/err" | cut -c1-400)"; fi

# ---- the index ----
cp -r "$home" "$tmp/again" && rm -r "$tmp/again/data/tx_index.db"
"$peer" index "$home" "$tmp/again" 2>"$tmp/err" || fail "our index" "$(cat "$tmp/err")"
"$theirs" keys "$home/data/tx_index.db" | sort >"$tmp/keys.theirs"; "$theirs" keys "$tmp/again/data/tx_index.db" | sort >"$tmp/keys.ours"
if [ -s "$tmp/keys.ours" ] && cmp -s "$tmp/keys.theirs" "$tmp/keys.ours"; then ok "our index has Go's $(wc -l <"$tmp/keys.ours") keys"
else fail "keys of the index" "$(diff "$tmp/keys.theirs" "$tmp/keys.ours" | cut -c1-200 | head -n 4)"; fi
bad=""; found=0
while read -r q; do
  a=$("$theirs" search "$home" "$q" | sort) b=$("$theirs" search "$tmp/again" "$q" | sort)
  c=$("$peer" search "$home" "$q" | sort) d=$("$peer" search "$tmp/again" "$q" | sort)
  [ "$a" = "$b" ] && [ "$a" = "$c" ] && [ "$a" = "$d" ] || bad="$bad $q;"
  [ -z "$a" ] || found=$((found + 1))
done <<'QUERIES'
tx.height=3
tx.height>3 AND tx.height<=5 AND transfer.amount > 2
transfer.sender='key1'
transfer.sender='x/key1' AND transfer.amount=77
transfer.amount>3
transfer.amount<1
odd.html CONTAINS 'href'
odd.spaced CONTAINS 's p'
block.height>3 AND block.height<9
block_end.parity='odd' AND block_end.height>5
block_end.raw EXISTS
block_end.parity='none' AND block_end.height=3
QUERIES
if [ -z "$bad" ] && [ "$found" -gt 8 ]; then ok "each finds in the other's index what is there"; else fail "searching each other's index" "$bad ($found found something)"; fi
end
