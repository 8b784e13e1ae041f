#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Our switch, peer exchange and pool of transactions with CometBFT nodes: dials both ways and at once, transactions both
# ways, restarts, addresses; how many messages and bytes a transaction takes on either side.
# usage: switch.sh SWITCH_PEER ROOT
set -u
peer=$(realpath "$1") root=$2
. "$root/tests/e2e/lib.sh"
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/chain-store
version=v0.38.25
end() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
command -v go >/dev/null || { skip CometBFT "go is not installed"; end; }
mkdir -p "$cache"
[ -x "$cache/cometbft" ] || GOBIN=$cache go install "github.com/cometbft/cometbft/cmd/cometbft@$version" >"$cache/go.log" 2>&1 ||
  { skip CometBFT "its Go module is out of reach"; end; }
read -r rpc1 p2p1 rpc2 p2p2 ours1 ours2 < <(free_ports 6)

# go_home N RPC P2P - a home; the second has the first's genesis, so that it follows.
go_home() {
  local home=$tmp/go$1
  "$cache/cometbft" init --home "$home" >/dev/null 2>&1 || { fail "cometbft init"; end; }
  [ "$1" = 1 ] || cp "$tmp/go1/config/genesis.json" "$home/config/genesis.json"
  sed -i -e 's/^timeout_commit = .*/timeout_commit = "200ms"/' -e "s#tcp://127.0.0.1:26657#tcp://127.0.0.1:$2#" \
    -e "s#tcp://0.0.0.0:26656#tcp://127.0.0.1:$3#" -e 's/^addr_book_strict = .*/addr_book_strict = false/' \
    -e 's/^allow_duplicate_ip = .*/allow_duplicate_ip = true/' "$home/config/config.toml"
}
# go_start N RPC OPTION... - its process id in $go_pid.
go_start() {
  local n=$1 rpc=$2; shift 2
  "$cache/cometbft" start --home "$tmp/go$n" --proxy_app=kvstore "$@" >>"$tmp/go$n.log" 2>&1 & go_pid=$!; pids+=($go_pid)
  wait_port "$rpc" || { fail "cometbft start" "$(tail -n 3 "$tmp/go$n.log")"; end; }
}
rpc() { curl -s "http://127.0.0.1:$1/$2"; }
# peer_start N PORT OPTION... - its commands go to $tmp/inN, its answers to $tmp/outN.
peer_start() {
  local n=$1 port=$2; shift 2
  [ -p "$tmp/in$n" ] || mkfifo "$tmp/in$n"
  start "$tmp/out$n" bash -c 'exec "$@" <>'"$tmp/in$n" peer "$peer" "$n" "$chain" "tcp://127.0.0.1:$port" "$@"
  our_at=${first#listening }; eval "our_pid$n=$!"
}
# tell N LINE - the answer's last line in $answer; `load` takes its time.
tell() {
  local before; before=$(wc -l <"$tmp/out$1")
  echo "$2" >"$tmp/in$1"
  for _ in $(seq 1200); do
    answer=$(tail -n "+$((before + 1))" "$tmp/out$1" | grep -v '^peer ' | tail -1); [ -n "$answer" ] && return; sleep 0.05
  done
  answer="no answer"
}
stat() { tell "$1" stats; sed -n "s/.* $2=\([0-9]*\).*/\1/p" <<<"$answer "; }
# until NAME SECONDS COMMAND WANT - the command's output becomes WANT.
until_is() {
  local got
  for _ in $(seq $(($2 * 10))); do got=$(eval "$3"); [ "$got" = "$4" ] && { ok "$1"; return; }; sleep 0.1; done
  fail "$1" "expected \"$4\", got \"$got\" after $2 s"
}
go_peers() { rpc "$1" net_info | jq -r .result.n_peers; }
committed() { rpc "$1" "abci_query?data=\"$2\"" | jq -r .result.response.value | base64 -d 2>/dev/null; }

go_home 1 "$rpc1" "$p2p1"
chain=$(jq -r .chain_id "$tmp/go1/config/genesis.json")
go_id=$("$cache/cometbft" show-node-id --home "$tmp/go1")
go_start 1 "$rpc1"; go1=$go_pid

# We dial.
peer_start 1 "$ours1" "persistent=$go_id@localhost:$p2p1" "book=$tmp/book1.json"; ours_at1=$our_at
until_is "Go has us as a peer, dialled by a name" 15 "go_peers $rpc1" 1
check "as who we are" "$(rpc "$rpc1" net_info | jq -r '.result.peers[0].node_info | .id + " " + .moniker + " " + .version')" "${ours_at1%@*} sennit 0.38.25+sennit"
tell 1 "tx from-us=1"; check "a transaction into our pool" "$answer" taken
until_is "Go has put our transaction into a block" 15 "committed $rpc1 from-us" 1
rpc "$rpc1" 'broadcast_tx_sync?tx="from-go=2"' >/dev/null
until_is "Go's transaction has come to us" 15 "stat 1 txs" 2
check "and none came back" "$(stat 1 known_in)" 0
# A burst.
tell 1 "load 500 250 5000"; check "500 transactions" "$answer" "loaded 500"
until_is "Go has them all" 30 "rpc $rpc1 'tx_search?query=\"tx.height>0\"&per_page=1' | jq -r .result.total_count" 502
sleep 1
check "none came back either" "$(stat 1 known_in)" 0

# Go is killed, and comes again; then ours.
kill -9 "$go1"; wait "$go1" 2>/dev/null
until_is "we notice that Go has gone" 10 "stat 1 outbound" 0
go_start 1 "$rpc1"; go1=$go_pid
until_is "and are there again when it is" 20 "go_peers $rpc1" 1
tell 1 "tx after-restart=3"; until_is "a transaction after the restart" 15 "committed $rpc1 after-restart" 3

# Two votes of Go's validator for one place, by its own key: Go checks them, tells its peers and puts them into a block.
height=$(($(rpc "$rpc1" status | jq -r .result.sync_info.latest_block_height) - 1))
at=$(rpc "$rpc1" "block?height=$height" | jq -r .result.block.header.time)
power=$(rpc "$rpc1" validators | jq -r '.result.validators[0].voting_power')
key=$(jq -r .priv_key.value "$tmp/go1/config/priv_validator_key.json" | base64 -d | od -An -v -tx1 | tr -d ' \n')
tell 1 "accuse $key $height $(date -d "$at" +%s) $((10#$(date -d "$at" +%N))) $power"
check "evidence goes to Go" "$answer" "accused before 1"
until_is "Go sends it on" 10 "stat 1 evidence" 1
evidence_in_blocks() {
  local top; top=$(rpc "$rpc1" status | jq -r .result.sync_info.latest_block_height)
  for h in $(seq "$height" "$top"); do rpc "$rpc1" "block?height=$h" | jq -r '.result.block.evidence.evidence[] | .type + " " + .value.vote_a.height'; done
}
tell 1 "tx after-evidence=4"
until_is "and puts it into a block" 20 evidence_in_blocks "tendermint/DuplicateVoteEvidence $height"
check "the connection stays" "$(stat 1 outbound)" 1

# Both have each other as persistent peers: one connection, and the same one later.
kill "$go1"; wait "$go1" 2>/dev/null
go_start 1 "$rpc1" --p2p.persistent_peers "$ours_at1"; go1=$go_pid
until_is "both dial: Go has one of us" 20 "go_peers $rpc1" 1
sleep 8
joined=$(stat 1 joined)
sleep 6
check "both dial: the connection stays" "$(stat 1 joined) $(go_peers "$rpc1") $(($(stat 1 inbound) + $(stat 1 outbound)))" "$joined 1 1"

# A second Go node that knows only us: it hears of the first from us, and follows the chain.
go_home 2 "$rpc2" "$p2p2"
go_start 2 "$rpc2" --p2p.seeds "$ours_at1"; go2=$go_pid
until_is "a second Go node finds the first by us" 60 "go_peers $rpc2" 2
until_is "and has its blocks" 60 "committed $rpc2 after-restart" 3
kill "$go2"; wait "$go2" 2>/dev/null

# A transaction on its way through Go, from us to us: what either side sends for it.
peer_start 2 "$ours2" "persistent=$go_id@127.0.0.1:$p2p1"
until_is "a second peer of ours with Go" 15 "stat 2 outbound" 1
# Go, started again, may still be telling it of what ours has told Go anew: that is not part of what is counted.
for _ in $(seq 30); do had=$(stat 2 txs); sleep 2; [ "$(stat 2 txs)" = "$had" ] && break; done
# tcp N - bytes sent and received, segments with data sent, of our process N's connection with Go's port.
tcp() {
  eval "local pid=\$our_pid$1"
  ss -Htinp state established "( sport = :$p2p1 or dport = :$p2p1 or sport = :$ours1 )" | awk -v pid="pid=$pid," '
    /users:/ { mine = index($0, pid) } /segs_out:/ && mine { for (i = 1; i <= NF; i++) { split($i, f, ":"); v[f[1]] = f[2] }
      print v["bytes_sent"] + 0, v["bytes_received"] + 0, v["data_segs_out"] + 0, v["data_segs_in"] + 0; exit }'
}
# counts - what 1 has sent and 2 received: messages, transactions, bytes and segments of TCP.
counts() {
  tell 1 stats; local one=$answer; tell 2 stats; local two=$answer
  read -r sent _ segs_out _ < <(tcp 1); read -r _ received _ segs_in < <(tcp 2)
  num() { sed -n "s/.* $2=\([0-9]*\).*/\1/p" <<<"$1 "; }
  echo "$(num "$one" txs_out) $(num "$one" messages_out) $sent $segs_out $(num "$two" txs_in) $(num "$two" messages_in) $received $segs_in"
}
# through N BYTES RATE - a load, and what either side sent for it.
through() {
  local had; had=$(stat 2 txs)
  local before=($(counts))
  tell 1 "load $1 $2 $3"
  until_is "$1 transactions of $2 bytes through Go, $3 a second" 90 "stat 2 txs" $((had + $1))
  local after=($(counts)) d=()
  for i in ${!after[@]}; do d[i]=$((after[i] - before[i])); done
  echo "   we: ${d[0]} in ${d[1]} messages, ${d[2]} bytes and ${d[3]} segments of TCP; Go: ${d[4]} in ${d[5]}, ${d[6]} bytes, ${d[7]} segments"
  [ "${d[1]}" -le "${d[5]}" ] && ok "we send no more messages than Go" || fail "we send no more messages than Go" "${d[1]}, ${d[5]}"
}
through 100 250 20
through 3000 250 3000
through 4000 250 1000000

# The end: in order, and the book is on the disk.
tell 1 quit; check "ends in order" "$answer" ended
check "our book has the Go node" "$(jq -r '[.addrs[].addr.id] | index("'"$go_id"'") != null' "$tmp/book1.json")" true
tell 2 quit
end
