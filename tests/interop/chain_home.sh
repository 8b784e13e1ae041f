#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Home folders, commands and remote signers with CometBFT 0.38.25: its folders read by us and ours by it, the same
# configuration in both, a network of ours run by four of its nodes, rollback on its databases, signers both ways.
# usage: chain_home.sh SENNIT SENNIT_SIGNER SIGNER_PEER ROOT
set -u
sennit=$(realpath "$1") signer=$(realpath "$2") peer=$(realpath "$3") root=$(realpath "$4")
. "$root/tests/e2e/lib.sh"
. "$root/tests/interop/p2p/peers.sh"
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/chain-store
end() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
command -v go >/dev/null || { skip CometBFT "go is not installed"; end; }
mkdir -p "$cache" && cp "$root/tests/interop/chain_store/main.go" "$cache/"
(cd "$cache" && { [ -f go.mod ] || { go mod init chain_store && go get "github.com/cometbft/cometbft@$COMETBFT_VERSION" && go mod tidy; }; } &&
  go build -o chain_store . && { [ -x cometbft ] || GOBIN=$cache go install "github.com/cometbft/cometbft/cmd/cometbft@$COMETBFT_VERSION"; }) \
  >"$cache/go.log" 2>&1 || { rm -f "$cache/go.mod"; skip CometBFT "its Go module is out of reach"; end; }
go=$cache/cometbft
unset CMTHOME TMHOME
s() { "$sennit" chain "$@"; }
# lines FILE - counts the "ok" and "FAIL" lines of a program; $1 is what they are about.
lines() {
  while IFS= read -r line; do
    case $line in
      ok\ *) ok "$1: ${line#ok }" ;;
      FAIL\ *) fail "$1: ${line#FAIL }" ;;
    esac
  done <"$2"
}
# blocks LOG - how many a node's log commits; wait_blocks LOG N - until it is so many, at most 30 s.
blocks() { cat "$1" 2>/dev/null | grep -c 'finalized block'; }
wait_blocks() { for _ in $(seq 300); do [ "$(blocks "$1")" -ge "$2" ] && return 0; sleep 0.1; done; return 1; }
stop() { kill "$1" 2>/dev/null; wait "$1" 2>/dev/null; }

# ---- folders ----
"$go" init --home "$tmp/theirs" >"$tmp/go.init"; s init --home "$tmp/ours" >"$tmp/our.init"
strip() { sed -e 's/^.\[[^]]*\]//' -e "s#$tmp/[a-z]*#HOME#g" "$1"; }
check "init says the same" "$(strip "$tmp/our.init")" "$(strip "$tmp/go.init")"
# Without what a killed Go node leaves half written.
listing() { (cd "$1" && find . ! -name "write-file-atomic*" -printf '%p %m %y\n' | sort); }
check "init makes the same files, with the same rights" "$(listing "$tmp/ours")" "$(listing "$tmp/theirs")"
shape() { python3 -c '
import json, sys
def shape(v): return {k: shape(x) for k, x in v.items()} if isinstance(v, dict) else [shape(x) for x in v] if isinstance(v, list) else type(v).__name__
for f in sys.argv[2:]: print(f, json.dumps(shape(json.load(open(sys.argv[1] + "/" + f)))))' "$1" config/genesis.json config/node_key.json \
  config/priv_validator_key.json data/priv_validator_state.json; }
check "files have the same members in the same order" "$(shape "$tmp/ours")" "$(shape "$tmp/theirs")"
for home in ours theirs; do
  check "show-node-id of $home" "$(s show-node-id --home "$tmp/$home")" "$("$go" show-node-id --home "$tmp/$home")"
  check "show-validator of $home" "$(s show-validator --home "$tmp/$home")" "$("$go" show-validator --home "$tmp/$home")"
done
check "CMTHOME" "$(CMTHOME=$tmp/theirs s show_node_id)" "$("$go" show-node-id --home "$tmp/theirs")"
check "version" "$(s version)" "$("$go" version)+sennit"

# ---- configuration: every key, read by both ----
# Go's own template from what Go reads of a file: two files that mean the same come out the same.
keys() { python3 -c '
import json, sys, tomllib
c = tomllib.load(open(sys.argv[1], "rb"))
for k, v in sorted(c.items()):
    for x, y in (sorted(v.items()) if isinstance(v, dict) else [(None, v)]):
        if k == "statesync" and x in ("chunk_fetchers",): y = int(y)
        if x == "rpc_servers" and isinstance(y, str): y = y.split(",") if y else []
        print(k, x, json.dumps(y))' "$1"; }
check "config.toml has the same keys and defaults" "$(keys "$tmp/ours/config/config.toml")" "$(keys "$tmp/theirs/config/config.toml")"
python3 - "$tmp/theirs/config/config.toml" >"$tmp/odd.toml" <<'PY'
import re, sys
text = open(sys.argv[1]).read()
changes = {"moniker": '"a \\"b\\" é"', "laddr": '"tcp://127.0.0.1:1"', "max_num_inbound_peers": "7", "pex": "false",
    "timeout_commit": '"1h2m3.000000004s"', "cors_allowed_origins": '["*", "http://a"]', "rpc_servers": '"a:1,b:2"',
    "chunk_fetchers": '"9"', "keep-invalid-txs-in-cache": "true", "max_txs_bytes": "12345678901", "namespace": '"x"',
    "timeout_broadcast_tx_commit": '"1500ms"', "trust_period": '"9h"', "flush_throttle_timeout": '"1.5ms"', "send_rate": "1"}
for k, v in changes.items():
    text = re.sub(r"(?m)^%s = .*$" % re.escape(k), lambda m: "%s = %s" % (k, v), text)
print(text)
PY
s testnet --config "$tmp/odd.toml" --v 1 --o "$tmp/ourodd" --home "$tmp/ours" >/dev/null
"$go" testnet --config "$tmp/odd.toml" --v 1 --o "$tmp/goodd" --home "$tmp/theirs" >/dev/null
sed -i 's/^persistent_peers = .*/persistent_peers = ""/' "$tmp"/{ourodd,goodd}/node0/config/config.toml
check "what we read and write of a changed file is what Go reads and writes" "$(keys "$tmp/ourodd/node0/config/config.toml")" \
  "$(keys "$tmp/goodd/node0/config/config.toml")"
# And Go reads ours: its testnet copies it.
"$go" testnet --config "$tmp/ourodd/node0/config/config.toml" --v 1 --o "$tmp/goback" --home "$tmp/theirs" >/dev/null
sed -i 's/^persistent_peers = .*/persistent_peers = ""/' "$tmp/goback/node0/config/config.toml"
check "Go reads the file we write" "$(keys "$tmp/goback/node0/config/config.toml")" "$(keys "$tmp/goodd/node0/config/config.toml")"

# ---- a node of Go's on our folder, and back ----
# New ones for every node: other tests of this machine look for ports, too.
new_ports() { read -r rpc p2p laddr < <(free_ports 3); net="--rpc.laddr tcp://127.0.0.1:$rpc --p2p.laddr tcp://127.0.0.1:$p2p"; }
new_ports
sed -i 's/^timeout_commit = .*/timeout_commit = "100ms"/' "$tmp"/{ours,theirs}/config/config.toml
new_ports
"$go" start --home "$tmp/ours" --proxy_app persistent_kvstore $net >"$tmp/node.log" 2>&1 & node=$!; pids+=("$node")
if wait_blocks "$tmp/node.log" 8; then ok "cometbft start on our folder makes blocks"; else fail "cometbft start on our folder" "$(tail -2 "$tmp/node.log")"; fi
curl -s -G "http://127.0.0.1:$rpc/broadcast_tx_commit" --data-urlencode 'tx="a=b"' >/dev/null
out=$(s rollback --home "$tmp/ours" 2>&1); code=$?
if [ $code -ne 0 ] && [[ $out == *ock* || $out == *usy* || $out == *another* ]]; then ok "rollback refuses while the node runs: $out"; else fail "rollback while the node runs" "$out"; fi
kill -9 "$node"; wait "$node" 2>/dev/null

# ---- rollback ----
cp -r "$tmp/ours" "$tmp/copy"
for how in "" --hard --hard; do
  check "rollback $how" "$(s rollback $how --home "$tmp/ours" 2>&1)" "$("$go" rollback $how --home "$tmp/copy" 2>&1)"
  if "$cache/chain_store" dump "$tmp/ours/data" >"$tmp/a" 2>&1 && "$cache/chain_store" dump "$tmp/copy/data" >"$tmp/b" 2>&1 && cmp -s "$tmp/a" "$tmp/b"; then
    ok "rollback $how leaves the same stores, $(wc -l <"$tmp/a") values"
  else fail "rollback $how leaves the same stores" "$(diff "$tmp/a" "$tmp/b" | cut -c1-200 | head -4)"; fi
done
s experimental-compact-goleveldb --home "$tmp/ours" >/dev/null || fail "compaction"
"$cache/chain_store" dump "$tmp/ours/data" >"$tmp/a2" 2>&1; cmp -s "$tmp/a" "$tmp/a2" && ok "compaction loses nothing" || fail "compaction loses nothing"
new_ports
"$go" start --home "$tmp/theirs" --proxy_app persistent_kvstore $net >"$tmp/node.log" 2>&1 & node=$!; pids+=("$node")
wait_blocks "$tmp/node.log" 5; kill -9 "$node"; wait "$node" 2>/dev/null
# Its log through our core: every block comes out again, and nothing is written.
before=$(cd "$tmp/theirs/data" && find cs.wal -type f -exec sha256sum {} +)
s replay --height 2 --home "$tmp/theirs" >"$tmp/replay"; code=$?
last=$(grep -o 'stores block [0-9]*' "$tmp/replay" | tail -1 | tr -dc 0-9)
if [ $code -eq 0 ] && [ "$(grep -c '^    stores block' "$tmp/replay")" = $((last - 1)) ] && grep -q "^$((last + 1))/0/RoundStep" "$tmp/replay"; then
  ok "replay of Go's log, $(grep -c '^[0-9]* [0-9]*-' "$tmp/replay") records, blocks 2 to $last"
else fail "replay of Go's log" "code $code, last $last: $(tail -3 "$tmp/replay")"; fi
grep -q refused "$tmp/replay" && fail "replay of Go's log" "$(grep -m1 refused "$tmp/replay")"
check "replay leaves the log as it is" "$(cd "$tmp/theirs/data" && find cs.wal -type f -exec sha256sum {} +)" "$before"
check "replay-console" "$(printf 'next 2\nn\nback 1\nn\nback 9\nrs short\nwhat\n' | s replay-console --height 3 --home "$tmp/theirs" | grep -v '^ ' |
  sed -e 's/ [0-9TZ:.-]* entered/ T entered/' -e 's/ [0-9TZ:.-]* timeout/ T timeout/')" '> 1 T entered 3/0 RoundStepNewHeight
2 T timeout 3/0 RoundStepNewHeight
> 2
> Resetting from 2 to 1
> 1
> argument to back must not be larger than the current count (1)
> 3/0/RoundStepNewHeight
> next [N], back [N], rs [short|validators|proposal|proposal_block|locked_round|locked_block|votes], n
> '
s rollback --home "$tmp/theirs" >/dev/null || fail "rollback on Go's folder"
new_ports
"$go" start --home "$tmp/theirs" --proxy_app persistent_kvstore $net >"$tmp/node.log" 2>&1 & node=$!; pids+=("$node")
if wait_blocks "$tmp/node.log" 5; then ok "after our rollback CometBFT goes on"; else fail "after our rollback CometBFT goes on" "$(tail -2 "$tmp/node.log")"; fi
stop "$node"

# ---- the index again, and stores by RPC ----
curl() { command curl -s --max-time 10 "$@"; }
new_ports
"$go" start --home "$tmp/theirs" --proxy_app persistent_kvstore $net >"$tmp/node.log" 2>&1 & node=$!; pids+=("$node")
wait_port "$rpc"; for k in x y z; do curl -G "http://127.0.0.1:$rpc/broadcast_tx_commit" --data-urlencode "tx=\"$k=1\"" >/dev/null; done
# debug, while a node of Go's runs here.
"$sennit" chain debug dump "$tmp/dumps" --frequency 1 --home "$tmp/theirs" --rpc-laddr "tcp://127.0.0.1:$rpc" >"$tmp/dump.log" 2>&1 & dp=$!; pids+=($dp)
for _ in $(seq 100); do [ "$(ls "$tmp/dumps" 2>/dev/null | wc -l)" -ge 2 ] && break; sleep 0.1; done; stop "$dp"
zips() { python3 -c '
import json, sys, zipfile
z = zipfile.ZipFile(sys.argv[1]); bad = z.testzip()
for n in sorted(z.namelist()):
    data = z.read(n)
    if n.endswith(".json"): json.loads(data)
    print(n.split("/", 1)[1], len(data) > 0 and not bad)' "$1"; }
check "debug dump" "$(zips "$(ls -d "$tmp"/dumps/*.zip | head -1)")" "consensus_state.json True
net_info.json True
status.json True
wal True"
"$sennit" chain debug kill "$node" "$tmp/go.zip" --home "$tmp/theirs" --rpc-laddr "tcp://127.0.0.1:$rpc" >"$tmp/kill.log" 2>&1 || fail "debug kill" "$(tail -1 "$tmp/kill.log")"
wait "$node" 2>/dev/null
check "debug kill of Go's node" "$(zips "$tmp/go.zip")" "config.toml True
consensus_state.json True
net_info.json True
stacktrace.out True
status.json True
wal True"
[ "$(unzip -p "$tmp/go.zip" '*/stacktrace.out' 2>/dev/null | grep -c ^goroutine)" -gt 10 ] && ok "and its goroutines" || fail "and its goroutines"
for h in goix ourix; do cp -r "$tmp/theirs" "$tmp/$h"; rm -rf "$tmp/$h/data/tx_index.db"; done
"$go" reindex-event --home "$tmp/goix" >"$tmp/go.out" 2>&1; s reindex-event --home "$tmp/ourix" >"$tmp/our.out" 2>&1
check "reindex-event says the same" "$(cat "$tmp/our.out")" "$(tr '\r' '\n' <"$tmp/go.out" | grep -v '^\[\|^$')"
ask() {
  for q in 'tx_search?query="tx.height>0"' 'block_search?query="block.height>2"' 'block?height=3' 'block' 'validators?height=2' 'block_results?height=3' \
    'status' 'consensus_params' 'blockchain' 'header?height=4' 'commit?height=3' 'net_info' 'genesis' 'health' 'block?height=999' 'broadcast_tx_sync?tx="a"'; do
    echo "$q: $(curl "http://127.0.0.1:$rpc/${q//>/%3E}")"
  done
}
"$go" inspect --home "$tmp/goix" --rpc.laddr "tcp://127.0.0.1:$rpc" >"$tmp/i.log" 2>&1 & node=$!; pids+=("$node"); wait_port "$rpc"; ask >"$tmp/go.ask"; stop "$node"
"$sennit" chain inspect --home "$tmp/ourix" --rpc.laddr "tcp://127.0.0.1:$rpc" >"$tmp/i.log" 2>&1 & node=$!; pids+=("$node"); wait_port "$rpc"; ask >"$tmp/our.ask"; stop "$node"
if cmp -s "$tmp/go.ask" "$tmp/our.ask"; then ok "inspect answers $(wc -l <"$tmp/our.ask") calls as Go's, over the index made again"
else fail "inspect answers as Go's" "$(diff "$tmp/go.ask" "$tmp/our.ask" | cut -c1-300 | head -6)"; fi

# ---- resets ----
for home in ours theirs; do
  which=$([ $home = ours ] && echo s || echo "$go")
  touch "$tmp/$home/config/addrbook.json"
  $which reset-state --home "$tmp/$home" >"$tmp/$home.reset"; $which unsafe-reset-all --home "$tmp/$home" >>"$tmp/$home.reset"
  $which unsafe-reset-priv-validator --home "$tmp/$home" >>"$tmp/$home.reset"
done
check "resets say the same" "$(strip "$tmp/ours.reset")" "$(strip "$tmp/theirs.reset")"
check "resets leave the same" "$(listing "$tmp/ours")" "$(listing "$tmp/theirs")"
check "the validator has forgotten" "$(cat "$tmp/ours/data/priv_validator_state.json")" "$(cat "$tmp/theirs/data/priv_validator_state.json")"

# ---- a network of ours, run by four of Go's ----
s testnet --v 4 --n 1 --o "$tmp/net" --starting-ip-address 127.0.0.1 --initial-height 7 --home "$tmp/ours" >"$tmp/testnet"
check testnet "$(tail -1 "$tmp/testnet")" "Successfully initialized 5 node directories"
read -r -a ports < <(free_ports 10)
peers=$(for i in 0 1 2 3 4; do printf '%s@127.0.0.1:%s,' "$(s show-node-id --home "$tmp/net/node$i")" "${ports[$i]}"; done)
nodes=()
for i in 0 1 2 3 4; do
  "$go" start --home "$tmp/net/node$i" --proxy_app kvstore --p2p.laddr "tcp://127.0.0.1:${ports[$i]}" --rpc.laddr "tcp://127.0.0.1:${ports[$((i + 5))]}" \
    --p2p.persistent_peers "${peers%,}" >"$tmp/net$i.log" 2>&1 & nodes+=($!); pids+=($!)
done
good=0; for i in 0 1 2 3 4; do wait_blocks "$tmp/net$i.log" 3 && good=$((good + 1)); done
check "our testnet, run by five nodes of CometBFT's" "$good" 5
grep -q 'height=7 ' "$tmp/net4.log" && ok "it begins at --initial-height" || fail "it begins at --initial-height"
for p in "${nodes[@]}"; do stop "$p"; done

# ---- our signer, CometBFT's node ----
s init --home "$tmp/split" >/dev/null; mkdir "$tmp/key"
mv "$tmp/split/config/priv_validator_key.json" "$tmp/split/data/priv_validator_state.json" "$tmp/key/"
sed -i 's/^timeout_commit = .*/timeout_commit = "100ms"/' "$tmp/split/config/config.toml"
chain=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["chain_id"])' "$tmp/split/config/genesis.json")
our_signer() { "$signer" --node "$1" --chain-id "$chain" --key "$tmp/key/priv_validator_key.json" --state "$tmp/key/priv_validator_state.json" >"$tmp/signer.log" 2>&1 & sp=$!; pids+=($sp); }
for addr in tcp "unix://$tmp/signer.sock"; do
  new_ports; [ "$addr" = tcp ] && addr=tcp://127.0.0.1:$laddr
  our_signer "$addr"
  "$go" start --home "$tmp/split" --proxy_app persistent_kvstore --priv_validator_laddr "$addr" $net >"$tmp/node.log" 2>&1 & node=$!; pids+=("$node")
  if wait_blocks "$tmp/node.log" 5; then ok "CometBFT signs by our signer over ${addr%%:*}"; else fail "CometBFT signs by our signer over ${addr%%:*}" "$(tail -2 "$tmp/node.log") $(tail -2 "$tmp/signer.log")"; fi
  kill -9 "$sp"; wait "$sp" 2>/dev/null; n=$(blocks "$tmp/node.log"); our_signer "$addr"
  if wait_blocks "$tmp/node.log" $((n + 5)); then ok "it goes on when our signer comes back"; else fail "it goes on when our signer comes back" "$(tail -2 "$tmp/node.log")"; fi
  stop "$node"; stop "$sp"
  grep -q "$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["priv_key"]["value"][:20])' "$tmp/key/priv_validator_key.json")" "$tmp/signer.log" && fail "a key in the signer's log"
done
h=$(grep -o '"height": "[0-9]*"' "$tmp/key/priv_validator_state.json" | tr -dc 0-9)
[ "$h" -gt 9 ] && ok "the signer remembers height $h" || fail "the signer remembers" "$h"

# ---- CometBFT's client and server of signers, by themselves ----
if go_peer signer "$root/tests/interop/signer"; then
  for kind in tcp unix; do
    for _ in 1 2 3; do # a port may be taken meanwhile
      new_ports; addr=unix://$tmp/ask.sock; [ $kind = tcp ] && addr=tcp://127.0.0.1:$laddr
      start "$tmp/ask" "$go_peer_bin" ask "$addr" "$chain"; ask=${pids[-1]}
      grep -q "address already in use" "$tmp/ask" || break
    done
    "$signer" --init --node "$addr" --chain-id "$chain" --key "$tmp/$kind.key" --state "$tmp/$kind.state" --identity "$tmp/identity.json" >"$tmp/signer.log" 2>&1 & sp=$!; pids+=($sp)
    wait "$ask"; lines "Go asks our signer over $kind" "$tmp/ask"; stop "$sp"
    start "$tmp/peer" "$peer" "$addr" "$chain" 8; ask=${pids[-1]}
    "$go_peer_bin" sign "$addr" "$chain" "$tmp/go-$kind.key" "$tmp/go-$kind.state" >"$tmp/gosign" 2>&1 & sp=$!; pids+=($sp)
    wait "$ask"; lines "we ask Go's signer over $kind" "$tmp/peer"; stop "$sp"
  done
  # Our node on the folder CometBFT's node left, signed by CometBFT's signer.
  for addr in tcp "unix://$tmp/ours.sock"; do
    new_ports; [ "$addr" = tcp ] && addr=tcp://127.0.0.1:$laddr
    "$sennit" chain start --home "$tmp/split" --proxy_app persistent_kvstore --priv_validator_laddr "$addr" $net >"$tmp/node.log" 2>&1 & node=$!; pids+=("$node")
    "$go_peer_bin" sign "$addr" "$chain" "$tmp/key/priv_validator_key.json" "$tmp/key/priv_validator_state.json" >"$tmp/gosign" 2>&1 & sp=$!; pids+=($sp)
    for _ in $(seq 300); do [ "$(grep -c 'msg=block' "$tmp/node.log")" -ge 5 ] && break; sleep 0.1; done
    n=$(grep -c 'msg=block' "$tmp/node.log")
    if [ "$n" -ge 5 ]; then ok "our node signs by Go's signer over ${addr%%:*}"; else fail "our node signs by Go's signer over ${addr%%:*}" "$n blocks: $(tail -2 "$tmp/node.log" | cut -c1-300)"; fi
    stop "$node"; stop "$sp"
  done
else skip "CometBFT's signer" "$go_peer_why"; fi

# ---- a validator with a secp256k1 key, by turns ----
"$go" init --home "$tmp/secp" >/dev/null 2>&1; rm "$tmp"/secp/config/priv_validator_key.json "$tmp"/secp/data/priv_validator_state.json
"$cache/chain_store" secp "$tmp/secp/config/priv_validator_key.json" "$tmp/secp/data/priv_validator_state.json" >"$tmp/validator"
python3 - "$tmp/secp/config/genesis.json" "$tmp/validator" <<'PY'
import json, sys
g = json.load(open(sys.argv[1]))
g["validators"] = [json.load(open(sys.argv[2]))]
g["consensus_params"]["validator"]["pub_key_types"] = ["ed25519", "secp256k1"]
json.dump(g, open(sys.argv[1], "w"))
PY
sed -i 's/^timeout_commit = .*/timeout_commit = "100ms"/' "$tmp/secp/config/config.toml"
check "show-validator of a secp256k1 key" "$(s show-validator --home "$tmp/secp")" "$("$go" show-validator --home "$tmp/secp")"
for kind in go ours go ours; do
  new_ports; : >"$tmp/node.log"
  if [ $kind = go ]; then "$go" start --home "$tmp/secp" --proxy_app persistent_kvstore $net >"$tmp/node.log" 2>&1 & node=$!
  else "$sennit" chain start --home "$tmp/secp" --proxy_app persistent_kvstore $net >"$tmp/node.log" 2>&1 & node=$!; fi
  pids+=("$node")
  for _ in $(seq 300); do [ "$(grep -cE 'msg=block|committed state' "$tmp/node.log")" -ge 5 ] && break; sleep 0.1; done
  n=$(grep -cE 'msg=block|committed state' "$tmp/node.log")
  if [ "$n" -ge 5 ]; then ok "secp256k1 signs for $kind"; else fail "secp256k1 signs for $kind" "$n blocks: $(tail -n 2 "$tmp/node.log" | cut -c1-300)"; fi
  kill "$node"; for _ in $(seq 50); do kill -0 "$node" 2>/dev/null || break; sleep 0.1; done; kill -9 "$node" 2>/dev/null; wait "$node" 2>/dev/null
done
end
