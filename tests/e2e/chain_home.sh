#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The commands on a node's home folder, by themselves: made, shown, run, looked into, taken back, reset; and a remote
# signer. tests/interop/chain_home.sh has the same against CometBFT's.
# usage: chain_home.sh SENNIT SENNIT_SIGNER
set -u
sennit=$(realpath "$1") signer=$(realpath "$2")
. "$(dirname "$(realpath "$0")")/lib.sh"
end() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
unset CMTHOME TMHOME CMT_HOME
home=$tmp/home
s() { "$sennit" chain "$@" --home "$home"; }
new_ports() { read -r rpc p2p laddr < <(free_ports 3); net="--rpc.laddr tcp://127.0.0.1:$rpc --p2p.laddr tcp://127.0.0.1:$p2p"; }
height() { curl -s --max-time 2 "http://127.0.0.1:$rpc/status" | grep -o '"latest_block_height":"[0-9]*"' | tr -dc 0-9; }
wait_height() { for _ in $(seq 300); do [ "$(height || :)0" -ge "${1}0" ] && return 0; sleep 0.1; done; return 1; }
run_node() { new_ports; "$sennit" chain start --home "$home" --proxy_app persistent_kvstore $net "$@" >"$tmp/node.log" 2>&1 & node=$!; pids+=($node); }
stop() { kill "$1" 2>/dev/null; wait "$1" 2>/dev/null; }
# refused NAME WORDS COMMAND... - it fails, and says so in these words.
refused() {
  local name=$1 words=$2 out; shift 2
  if out=$("$@" 2>&1); then fail "$name" "it was done"; elif [[ $out == *"$words"* ]]; then ok "$name"; else fail "$name" "$out"; fi
}

# ---- made and shown ----
check init "$(s init | grep -c Generated)" 3
check "init again" "$(s init | grep -c Found)" 3
check "rights" "$(cd "$home" && stat -c '%a' config/node_key.json config/priv_validator_key.json data/priv_validator_state.json data | sort -u | tr '\n' ' ')" "600 700 "
id=$(s show-node-id); check "a node's ID" "${#id}" 40
check "older names of commands" "$(s show_node_id)" "$id"
[[ $(s show-validator) == '{"type":"tendermint/PubKeyEd25519","value":"'*'="}' ]] && ok show-validator || fail show-validator "$(s show-validator)"
refused "gen-node-key keeps a key" "already exists" s gen-node-key
"$sennit" chain gen-validator --home "$tmp/g" | python3 -c 'import json, sys
v = json.load(sys.stdin); assert len(v["Key"]["address"]) == 40 and v["LastSignState"] == {"height": "0", "round": 0, "step": 0}' && ok gen-validator || fail gen-validator
refused "show-node-id without a key" "node_key.json" "$sennit" chain show-node-id --home "$tmp/g"
check version "$("$sennit" chain version)" "0.38.25+sennit"

# ---- configuration: who wins, and what is wrong ----
echo 'moniker = "x"
[rpc]
max_body_byte = 5' >"$tmp/bad.toml"
check "an unknown key is said" "$("$sennit" chain testnet --v 1 --o "$tmp/t1" --config "$tmp/bad.toml" --home "$tmp/g" 2>&1 >/dev/null)" \
  "$tmp/bad.toml:3:1: unknown key rpc.max_body_byte; did you mean max_body_bytes?"
echo '[rpc]
max_body_bytes = "many"' >"$tmp/bad.toml"
refused "a wrong value, its line, key and what was expected" "$tmp/bad.toml:2:18: rpc.max_body_bytes: expected a whole number, got \"many\"" \
  "$sennit" chain testnet --v 1 --o "$tmp/t1" --config "$tmp/bad.toml" --home "$tmp/g"
refused "a wrong variable" "CMT_MEMPOOL_SIZE" env CMT_MEMPOOL_SIZE=x "$sennit" chain show-node-id --home "$home"
refused "a wrong flag" "--p2p.pex" s start --p2p.pex=perhaps
check "CMTHOME" "$(CMTHOME=$home "$sennit" chain show-node-id)" "$id"

# ---- testnet ----
check testnet "$("$sennit" chain testnet --v 2 --n 1 --o "$tmp/net" --hostname a --hostname b --hostname c --p2p-port 9 --home "$tmp/g" | tail -1)" \
  "Successfully initialized 3 node directories"
check "its peers" "$(grep '^persistent_peers =' "$tmp/net/node2/config/config.toml" | grep -o '@[a-c]:9' | tr '\n' ' ')" "@a:9 @b:9 @c:9 "
check "one genesis" "$(cat "$tmp"/net/node*/config/genesis.json | sha256sum | cut -c1-9)" "$(f=$tmp/net/node0/config/genesis.json; cat "$f" "$f" "$f" | sha256sum | cut -c1-9)"
refused "testnet with too few hostnames" "precisely 3 hostnames" "$sennit" chain testnet --v 2 --n 1 --o "$tmp/net2" --hostname a --home "$tmp/g"

# ---- a chain, and what is done with a stopped one ----
"$sennit" chain rollback --home "$home" >/dev/null 2>"$tmp/err"; grep -q "no blockstore found" "$tmp/err" && ok "rollback of nothing" || fail "rollback of nothing" "$(cat "$tmp/err")"
[ -e /usr/lib/x86_64-linux-gnu/libleveldb.so.1d ] || ldconfig -p | grep -q libleveldb.so.1d || { skip stores "libleveldb1d is not installed"; end; }
sed -i 's/^timeout_commit = .*/timeout_commit = "100ms"/' "$home/config/config.toml"
run_node
wait_height 4 && ok "a node makes blocks" || fail "a node makes blocks" "$(tail -3 "$tmp/node.log")"
curl -s --max-time 10 "http://127.0.0.1:$rpc/broadcast_tx_commit?tx=\"a=b\"" >/dev/null
refused "rollback while the node runs" "has it open" s rollback
refused "replay while the node runs" "has it open" s replay
if "$sennit" chain debug kill "$node" "$tmp/d.zip" --home "$home" --rpc-laddr "tcp://127.0.0.1:$rpc" >"$tmp/kill.log" 2>&1; then
  wait "$node" 2>/dev/null
  check "debug kill" "$(python3 -c 'import sys, zipfile
z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None
print(*sorted(n.split("/")[1] for n in z.namelist()))
print(z.read("d/stacktrace.out").count(b"goroutine ") > 5)' "$tmp/d.zip")" "config.toml consensus_state.json net_info.json stacktrace.out status.json wal
True"
else fail "debug kill" "$(tail -1 "$tmp/kill.log")"; fi
refused "debug kill of nobody" "process" s debug kill 999999999 "$tmp/e.zip"
s replay --height 2 >"$tmp/replay" 2>&1 || fail replay "$(tail -1 "$tmp/replay")"
last=$(grep -o 'stores block [0-9]*' "$tmp/replay" | tail -1 | tr -dc 0-9)
check "replay, every block" "$(grep -c '^    stores block' "$tmp/replay")" $((last - 1))
check "replay refuses nothing" "$(grep -c refused "$tmp/replay")" 0
refused "replay of what is gone" "can be replayed" s replay --height 1
check "replay-console" "$(printf 'next\nn\nback\nn\n' | s replay-console --height 3 | grep -c '^> [01R]')" 4
rm -rf "$home/data/tx_index.db"
out=$(s reindex-event 2>&1); [[ $out == *"event re-index finished"* ]] && ok reindex-event || fail reindex-event "$out"
refused "reindex-event beyond the chain" "height is not available" s reindex-event --start-height 99999
read -r port < <(free_ports 1)
"$sennit" chain inspect --home "$home" --rpc.laddr "tcp://127.0.0.1:$port" >"$tmp/inspect.log" 2>&1 & ip=$!; pids+=($ip); wait_port "$port"
check "inspect" "$(curl -s "http://127.0.0.1:$port/tx_search?query=\"tx.height%3E0\"" | grep -o '"total_count":"[0-9]*"')" '"total_count":"1"'
kill "$ip"; wait "$ip"; check "inspect ends by a signal" $? 0
[[ $(s rollback) == "Rolled back state to height $((last - 1)) and hash "* ]] && ok rollback || fail rollback
s compact-goleveldb >/dev/null && ok compaction || fail compaction
run_node
wait_height $((last + 2)) && ok "after rollback the node goes on" || fail "after rollback the node goes on" "$(tail -3 "$tmp/node.log")"
stop "$node"
[[ $(s rollback --hard) == "Rolled back both state and block to height "* ]] && ok "rollback --hard" || fail "rollback --hard"

# ---- a remote signer ----
mkdir "$tmp/key"; mv "$home/config/priv_validator_key.json" "$home/data/priv_validator_state.json" "$tmp/key/"
s unsafe-reset-all >/dev/null; rm "$home/config/priv_validator_key.json" "$home/data/priv_validator_state.json"
printf '{\n  "height": "0",\n  "round": 0,\n  "step": 0\n}' >"$tmp/key/priv_validator_state.json"
chain=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["chain_id"])' "$home/config/genesis.json")
sign() { "$signer" --node "$addr" --chain-id "$chain" --key "$tmp/key/priv_validator_key.json" --state "$tmp/key/priv_validator_state.json" "$@" >"$tmp/signer.log" 2>&1 & sp=$!; pids+=($sp); }
new_ports; addr=tcp://127.0.0.1:$laddr
refused "a signer without a key" "nokey.json" "$signer" --node "$addr" --chain-id "$chain" --key "$tmp/nokey.json" --state "$tmp/nokey.state"
refused "a signer without a chain" "chain-id" "$signer" --node "$addr"
n=0
for addr in "$addr" "unix://$tmp/s.sock"; do
  kind=${addr%%:*}
  run_node --priv_validator_laddr "$addr"; sign --node-id "$id"
  wait_height $((n + 3)) && ok "signed by a remote signer over $kind" || fail "signed by a remote signer over $kind" "$(tail -2 "$tmp/node.log" "$tmp/signer.log")"
  kill -9 "$sp"; wait "$sp" 2>/dev/null; n=$(height); sign
  wait_height $((n + 3)) && ok "and when it comes back" || fail "and when it comes back" "$(tail -2 "$tmp/node.log")"
  n=$(height); stop "$node"; kill "$sp"; wait "$sp"; check "the signer ends by a signal" $? 0
done
secret=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["priv_key"]["value"][:16])' "$tmp/key/priv_validator_key.json")
grep -q "$secret" "$tmp/signer.log" "$tmp/node.log" && fail "a key in a log" || ok "no key in the logs"
# Its place in the kernel: it cannot start programs or write elsewhere; memory is locked where that may be done.
sign; for _ in $(seq 50); do grep -q '"ready"' "$tmp/signer.log" && break; sleep 0.1; done
refused "a second signer with one state" "another signer runs" "$signer" --node "$addr" --chain-id "$chain" --key "$tmp/key/priv_validator_key.json" --state "$tmp/key/priv_validator_state.json"
check "seccomp is on" "$(grep -o '^Seccomp:.*' "/proc/$sp/status" | tr -dc 0-9)" 2
check "no new privileges" "$(grep -o '^NoNewPrivs:.*' "/proc/$sp/status" | tr -dc 0-9)" 1
if grep -q '"memory_locked":false' "$tmp/signer.log"; then skip "memory is locked" "ulimit -l is $(ulimit -l)"
elif [ "$(grep -o '^VmLck:.*' "/proc/$sp/status" | tr -dc 0-9)" -gt 100 ]; then ok "memory is locked"; else fail "memory is locked" "$(grep VmLck "/proc/$sp/status")"; fi
stop "$sp"

# ---- resets ----
check "reset-state" "$(s reset-state | grep -c Removed)" 5
s unsafe-reset-priv-validator >/dev/null; check "unsafe-reset-priv-validator makes a key" "$(stat -c %a "$home/config/priv_validator_key.json")" 600
check "unsafe-reset-all" "$(touch "$home/config/addrbook.json"; s unsafe-reset-all --keep-addr-book | grep -c 'remains\|Removed\|Reset')" 3
[ -e "$home/config/addrbook.json" ] && ok "--keep-addr-book" || fail "--keep-addr-book"
end
