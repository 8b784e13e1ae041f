#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# State sync with CometBFT 0.38.25: our node begins with a snapshot of a Go network (whose applications are our
# kvstores), again with chunks it has; a Go node begins with a snapshot that our node serves, trusting our RPC; its
# light client proxy before our RPC; and a network without snapshots.
# usage: statesync.sh SENNIT SOURCE_ROOT
set -u
sennit=$(realpath "$1") root=$(realpath "$2")
. "$root/tests/e2e/lib.sh"
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/chain-store
version=v0.38.25
export PATH=$PATH:/usr/local/go/bin
end() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
if [ ! -x "$cache/cometbft" ]; then
  command -v go >/dev/null || { skip CometBFT "go is not installed"; end; }
  mkdir -p "$cache"
  GOBIN=$cache go install "github.com/cometbft/cometbft/cmd/cometbft@$version" >"$tmp/go.log" 2>&1 ||
    { skip CometBFT "it cannot be built: $(tail -n 1 "$tmp/go.log")"; end; }
fi
comet=$cache/cometbft
quit() { kill "$1" 2>/dev/null; for _ in $(seq 50); do kill -0 "$1" 2>/dev/null || break; sleep 0.1; done; kill -9 "$1" 2>/dev/null; wait "$1" 2>/dev/null; }
trap 'for p in "${pids[@]}"; do kill -9 "$p" 2>/dev/null; done; cleanup' EXIT
rpc() { curl -s --max-time 20 "http://127.0.0.1:$1/$2"; }
field() { python3 -c 'import json, sys
v = json.load(sys.stdin)
for k in sys.argv[1].split("."): v = v[int(k)] if isinstance(v, list) else v[k]
print(v)' "$1" 2>/dev/null; }
height() { rpc "$1" status | field result.sync_info.latest_block_height; }
wait_height() { local i; for i in $(seq $((${3:-40} * 10))); do [ "$(height "$1" || echo 0)" -ge "$2" ] 2>/dev/null && return 0; sleep 0.1; done; return 1; }
app_hash() { rpc "$1" "block?height=$2" | field result.block.header.app_hash; }
value() { rpc "$1" "abci_query?data=0x$(printf %s "$2" | od -An -tx1 | tr -d ' \n')" | field result.response.value | base64 -d; }
app() { local name=$1; shift; "$sennit" chain kvstore "$@" >>"$tmp/$name.log" 2>&1 & app=$!; pids+=("$app"); sleep 0.2; }
# conf HOME RPC P2P APP PEERS [SERVERS HEIGHT HASH]
conf() {
  python3 - "$@" <<'PY'
import re, sys
home, rpc, p2p, app, peers, *sync = sys.argv[1:]
p = home + "/config/config.toml"
s = open(p).read()
def put(section, **keys):
    global s
    a = s.index("[%s]\n" % section) if section else 0
    for k, v in keys.items():
        s = s[:a] + re.sub(r"(?m)^%s = .*$" % k, lambda m: "%s = %s" % (k, v), s[a:], count=1)
put("", proxy_app='"%s"' % app)
put("rpc", laddr='"tcp://127.0.0.1:%s"' % rpc, pprof_laddr='""')
put("p2p", laddr='"tcp://127.0.0.1:%s"' % p2p, addr_book_strict="false", allow_duplicate_ip="true", persistent_peers='"%s"' % peers, pex="false")
put("consensus", timeout_commit='"300ms"')
if sync: put("statesync", enable="true", rpc_servers='"%s"' % sync[0], trust_height=sync[1], trust_hash='"%s"' % sync[2], discovery_time='"5s"')
open(p, "w").write(s)
PY
}

# ---- a Go network, its applications our kvstores ---------------------------------------------------------------------
read -r -a port < <(free_ports 16)
"$comet" testnet --v 2 --o "$tmp/net" >/dev/null 2>&1 || { fail "cometbft testnet"; end; }
ids=("$("$comet" show-node-id --home "$tmp/net/node0")" "$("$comet" show-node-id --home "$tmp/net/node1")")
peers="${ids[0]}@127.0.0.1:${port[2]},${ids[1]}@127.0.0.1:${port[3]}"
for i in 0 1; do
  app "a$i" --address "unix://$tmp/a$i.sock" --persist "$tmp/a$i-data" --snapshot-interval 5 --snapshot-keep 10 --chunk-bytes 4096
  conf "$tmp/net/node$i" "${port[$i]}" "${port[$((i + 2))]}" "unix://$tmp/a$i.sock" "$peers"
  "$comet" node --home "$tmp/net/node$i" >"$tmp/node$i.log" 2>&1 & pids+=($!)
done
wait_height "${port[0]}" 2 || { fail "a Go network" "$(tail -n 2 "$tmp/node0.log")"; end; }
for i in $(seq 400); do rpc "${port[0]}" "broadcast_tx_async?tx=\"big$i=$(printf '%0200d' "$i")\"" >/dev/null; done
h=$(height "${port[0]}"); wait_height "${port[0]}" $((h + 12)) 60
trust() { th=$(($(height "${port[0]}") - 4)); trust_hash=$(rpc "${port[0]}" "commit?height=$th" | field result.signed_header.commit.block_id.hash); }
new_home() { "$comet" init --home "$1" >/dev/null 2>&1; cp "$tmp/net/node0/config/genesis.json" "$1/config/"; }

# ---- ours from theirs -----------------------------------------------------------------------------------------------
servers="127.0.0.1:${port[0]},127.0.0.1:${port[1]}"
new_home "$tmp/ours"; trust
conf "$tmp/ours" "${port[4]}" "${port[5]}" persistent_kvstore "$peers" "$servers" "$th" "$trust_hash"
ours() { "$sennit" chain start --home "$tmp/ours" >"$tmp/$1.log" 2>&1 & node=$!; pids+=($!); }
ours o1
wait_height "${port[4]}" "$th" 60 || fail "our node begins" "$(grep -v '"info"' "$tmp/o1.log" | tail -n 3)"
h=$(height "${port[0]}"); wait_height "${port[4]}" $((h + 2)) 60 || fail "our node follows" "$(tail -n 2 "$tmp/o1.log" | cut -c1-300)"
check "our node restored a snapshot" "$(grep -c 'snapshot restored' "$tmp/o1.log")" 1
check "and has no first block" "$(rpc "${port[4]}" "block?height=1" | grep -c '"error"')" 1
check "values that were in it" "$(value "${port[4]}" big7) $(value "${port[4]}" big400)" "$(printf '%0200d %0200d' 7 400)"
check "one application hash" "$(app_hash "${port[4]}" $((h + 1)))" "$(app_hash "${port[0]}" $((h + 1)))"
fetched() { grep -o 'snapshot restored.*' "$tmp/$1.log" | grep -o "$2[\"=: ]*[0-9]*" | head -1 | grep -o '[0-9]*$'; }
check "chunk by chunk" "$([ "$(fetched o1 fetched)" -gt 10 ] && echo yes)" yes

# ---- theirs from ours: its only peer is our node; our RPC is its witness (the snapshot's own block is below what it has) ----
our_id=$("$comet" show-node-id --home "$tmp/ours")
new_home "$tmp/go"; trust
app go --address "unix://$tmp/go.sock" --persist "$tmp/go-data"
conf "$tmp/go" "${port[6]}" "${port[7]}" "unix://$tmp/go.sock" "$our_id@127.0.0.1:${port[5]}" "127.0.0.1:${port[0]},127.0.0.1:${port[4]}" "$th" "$trust_hash"
# The snapshot is older than what is trusted: it lies below, and is led back to by hashes.
"$comet" node --home "$tmp/go" >"$tmp/go-node.log" 2>&1 & go=$!; pids+=($!)
wait_height "${port[6]}" "$th" 90 || fail "a Go node begins with ours" "$(grep -i 'err' "$tmp/go-node.log" | tail -n 3 | cut -c1-300)"
check "a Go node restored the snapshot that ours serves" "$(grep -c 'Snapshot restored' "$tmp/go-node.log")" 1
check "its values" "$(value "${port[6]}" big400)" "$(printf '%0200d' 400)"
quit "$go"; quit "$app"

# ---- cometbft light before our RPC -----------------------------------------------------------------------------------
chain=$(rpc "${port[4]}" status | field result.node_info.network)
"$comet" light "$chain" --laddr "tcp://127.0.0.1:${port[8]}" --primary "http://127.0.0.1:${port[4]}" --witnesses "http://127.0.0.1:${port[0]}" \
  --height "$th" --hash "$trust_hash" --home-dir "$tmp/golight" >"$tmp/golight.log" 2>&1 & light=$!; pids+=($!)
wait_port "${port[8]}"
hh=$(($(height "${port[4]}") - 1))
ask() { rpc "$1" "$2" | python3 -c 'import json, sys
d = json.load(sys.stdin); d.pop("id", None); print(json.dumps(d, sort_keys=True))'; }
for r in commit validators block_results consensus_params; do
  check "cometbft light before our RPC: $r" "$(ask "${port[8]}" "$r?height=$hh" | md5sum)" "$(ask "${port[0]}" "$r?height=$hh" | md5sum)"
done
quit "$light"

# ---- again: the node has lost its state, but has chunks ---------------------------------------------------------------
quit "$node"
rpc "${port[0]}" "broadcast_tx_commit?tx=\"big7=changed\"" >/dev/null
h=$(height "${port[0]}"); wait_height "${port[0]}" $((h + 12)) 60
(cd "$tmp/ours/data" && rm -rf blockstore.db state.db evidence.db tx_index.db cs.wal kvstore/state* kvstore/*.log kvstore/snapshots/0* && ls kvstore >"$tmp/left")
echo '{"height":"0","round":0,"step":0}' >"$tmp/ours/data/priv_validator_state.json"
trust; conf "$tmp/ours" "${port[4]}" "${port[5]}" persistent_kvstore "$peers" "$servers" "$th" "$trust_hash"
ours o2
wait_height "${port[4]}" "$th" 60 || fail "our node begins again" "$(grep -v '"info"' "$tmp/o2.log" | tail -n 3); $(tr '\n' ' ' <"$tmp/left")"
check "a second snapshot" "$(grep -c 'snapshot restored' "$tmp/o2.log")" 1
check "of which few chunks are fetched" "$(python3 -c 'import sys; print("yes" if int(sys.argv[1]) * 5 < int(sys.argv[2]) else sys.argv[1:])' "$(fetched o2 fetched)" "$(fetched o1 fetched)")" yes
check "with the change" "$(value "${port[4]}" big7) $(value "${port[4]}" big8)" "changed $(printf '%0200d' 8)"
quit "$node"

# ---- a network without snapshots: all blocks, then ----------------------------------------------------------------------
"$comet" init --home "$tmp/lone" >/dev/null 2>&1
conf "$tmp/lone" "${port[9]}" "${port[10]}" kvstore ""
"$comet" node --home "$tmp/lone" >"$tmp/lone.log" 2>&1 & pids+=($!)
wait_height "${port[9]}" 8
th=3 trust_hash=$(rpc "${port[9]}" "commit?height=3" | field result.signed_header.commit.block_id.hash)
"$comet" init --home "$tmp/fall" >/dev/null 2>&1; cp "$tmp/lone/config/genesis.json" "$tmp/fall/config/"
conf "$tmp/fall" "${port[11]}" "${port[12]}" kvstore "$("$comet" show-node-id --home "$tmp/lone")@127.0.0.1:${port[10]}" \
  "127.0.0.1:${port[9]},127.0.0.1:${port[9]}" "$th" "$trust_hash"
"$sennit" chain start --home "$tmp/fall" >"$tmp/fall.log" 2>&1 & pids+=($!)
wait_height "${port[11]}" 8 40 || fail "our node fetches all blocks" "$(tail -n 2 "$tmp/fall.log" | cut -c1-300)"
check "without snapshots our node fetches all blocks" "$(app_hash "${port[11]}" 7) $(rpc "${port[11]}" "block?height=1" | grep -c '"result"')" "$(app_hash "${port[9]}" 7) 1"
end
