#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The RPC, the events and the index with CometBFT's: a Go validator with an application that tries everything makes a chain;
# `cometbft inspect` and our RPC answer the same requests over the same home; our events of its blocks are what its own
# subscribers got; an index of ours has Go's keys, and each finds in the other's what it finds in its own. Then two nodes that
# run, theirs the validator and ours behind it, and npm's @cosmjs/tendermint-rpc with a validator of ours.
# usage: chain_rpc.sh CHAIN_RPC_PEER SENNIT ROOT
set -u
peer=$(realpath "$1") sennit=$(realpath "$2") root=$3
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

# ---- nodes that run ----
read -r rpc1 p1 rpc2 p2 rpc3 p3 grpc3 prom3 < <(free_ports 8)
# configure HOME RPC P2P: quick blocks, ports of its own.
configure() {
  sed -i -e 's/^timeout_commit = .*/timeout_commit = "300ms"/' -e "s#tcp://127.0.0.1:26657#tcp://127.0.0.1:$2#" \
    -e "s#tcp://0.0.0.0:26656#tcp://127.0.0.1:$3#" -e 's/^addr_book_strict = .*/addr_book_strict = false/' \
    -e 's/^allow_duplicate_ip = .*/allow_duplicate_ip = true/' "$1/config/config.toml"
}
for n in go ours; do "$cache/cometbft" init --home "$tmp/$n" >/dev/null 2>&1; done
cp "$tmp/go/config/genesis.json" "$tmp/ours/config/"
configure "$tmp/go" "$rpc1" "$p1"; configure "$tmp/ours" "$rpc2" "$p2"
sed -i "s#^persistent_peers = .*#persistent_peers = \"$("$cache/cometbft" show-node-id --home "$tmp/go")@127.0.0.1:$p1\"#" "$tmp/ours/config/config.toml"
"$cache/cometbft" start --home "$tmp/go" --proxy_app=kvstore >"$tmp/go.log" 2>&1 & go=$!; pids+=($go)
wait_port "$rpc1" || fail "cometbft start" "$(tail -n 3 "$tmp/go.log")"
"$sennit" chain start --home "$tmp/ours" --proxy_app kvstore >"$tmp/ours.log" 2>&1 & ours=$!; pids+=($ours)
wait_port "$rpc2" || fail "sennit chain start" "$(tail -n 3 "$tmp/ours.log")"
for _ in $(seq 100); do
  curl -s "http://127.0.0.1:$rpc2/status" | grep -q '"latest_block_height":"[5-9]' && break; sleep 0.1
done
if timeout 100 python3 "$root/tests/interop/chain_rpc/live.py" "127.0.0.1:$rpc1" "127.0.0.1:$rpc2" "${SN_VECTORS:-$root/../shared/vectors}" >"$tmp/live" 2>&1; then ok "$(tail -n 1 "$tmp/live")"
else fail "running nodes" "$(cut -c1-400 "$tmp/live" | tail -n 5)"; fi
kill "$ours" "$go"; wait "$ours" "$go" 2>/dev/null

# ---- npm's client ----
"$cache/cometbft" init --home "$tmp/one" >/dev/null 2>&1
configure "$tmp/one" "$rpc3" "$p3"
sed -i -e 's/^timeout_commit = .*/timeout_commit = "50ms"/' -e "s#^grpc_laddr = .*#grpc_laddr = \"tcp://127.0.0.1:$grpc3\"#" \
  -e 's/^prometheus = .*/prometheus = true/' -e "s#^prometheus_listen_addr = .*#prometheus_listen_addr = \"127.0.0.1:$prom3\"#" "$tmp/one/config/config.toml"
"$sennit" chain start --home "$tmp/one" --proxy_app kvstore >"$tmp/one.log" 2>&1 & one=$!; pids+=($one)
wait_port "$rpc3" || fail "sennit chain start" "$(tail -n 3 "$tmp/one.log")"
npm=$(dirname "$cache")/cosmjs
if ! command -v npm >/dev/null; then skip "@cosmjs/tendermint-rpc" "npm is not installed"
elif ! { mkdir -p "$npm" && cp "$root/tests/interop/chain_rpc/cosmjs.mjs" "$npm/" && cd "$npm" &&
  { [ -d node_modules/@cosmjs/tendermint-rpc ] || npm install --silent --no-audit --no-fund @cosmjs/tendermint-rpc@0.39.0; }; } >"$tmp/npm.log" 2>&1; then
  skip "@cosmjs/tendermint-rpc" "npm's packages are out of reach"
elif timeout 100 node "$npm/cosmjs.mjs" "http://127.0.0.1:$rpc3" >"$tmp/cosmjs" 2>&1; then ok "@cosmjs/tendermint-rpc: $(tail -n 1 "$tmp/cosmjs")"
else fail "@cosmjs/tendermint-rpc" "$(grep FAIL "$tmp/cosmjs" | head -n 5)"; fi
# A transaction by gRPC, from Go's generated client.
if "$theirs" grpc "127.0.0.1:$grpc3" bygrpc=1 >"$tmp/grpc" 2>&1 && grep -q '^0 0$' "$tmp/grpc"; then ok "BroadcastAPI by Go's client"
else fail "BroadcastAPI" "$(cat "$tmp/grpc")"; fi
if curl -s "http://127.0.0.1:$prom3/metrics" | grep -q '^cometbft_consensus_height{'; then ok "metrics"; else fail "metrics"; fi
kill "$one"; wait "$one" 2>/dev/null
end
