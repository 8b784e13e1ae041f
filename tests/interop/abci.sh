#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ABCI against CometBFT 0.38.25 itself: its abci-cli and its nodes with our kvstore, our client with its kvstore,
# chains of one and of four validators, kill -9 of the application, state sync from our snapshots.
# usage: abci.sh SENNIT SOURCE_ROOT; ABCI_PARTS="golden hash kill four sync"
set -eu
sennit=$(realpath "$1") root=$(realpath "$2")
version=v0.38.25
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/cometbft
parts=" ${ABCI_PARTS:-golden hash kill four sync} "
. "$root/tests/e2e/lib.sh"
export PATH=$PATH:/usr/local/go/bin
finish() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
if [ ! -x "$cache/cometbft" ] || [ ! -x "$cache/abci-cli" ]; then
  if ! command -v go >/dev/null; then skip abci "Go is not installed, and CometBFT is not there yet"; finish; fi
  mkdir -p "$cache"
  GOBIN=$cache GOTOOLCHAIN=local timeout 900 go install "github.com/cometbft/cometbft/cmd/cometbft@$version" \
    "github.com/cometbft/cometbft/abci/cmd/abci-cli@$version" >"$tmp/go.log" 2>&1 || :
  [ -x "$cache/abci-cli" ] || { skip abci "CometBFT cannot be built: $(tail -n 1 "$tmp/go.log")"; finish; }
fi
comet=$cache/cometbft cli=$cache/abci-cli
# quit PID - CometBFT's node does not always end when it is asked to: then it is made to.
quit() {
  kill "$1" 2>/dev/null || :
  for _ in $(seq 50); do kill -0 "$1" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$1" 2>/dev/null || :
  wait "$1" 2>/dev/null || :
}
trap 'for p in "${pids[@]}"; do quit "$p"; done; cleanup' EXIT
# app NAME [OPTION...] - our kvstore; its process is $app.
app() {
  local name=$1; shift
  "$sennit" chain kvstore "$@" >>"$tmp/$name.log" 2>&1 & app=$!; pids+=("$app")
}
listening() { for _ in $(seq 200); do "$sennit" chain echo x --timeout 50ms "$@" >/dev/null 2>&1 && return 0; sleep 0.05; done; return 1; }

# ---- golden: what CometBFT's own tests of abci-cli compare -----------------------------------------------------
if [[ $parts == *" golden "* ]]; then
  tests=$(GOFLAGS=-mod=mod go env GOMODCACHE 2>/dev/null)/github.com/cometbft/cometbft@$version/abci/tests/test_cli
  if [ ! -d "$tests" ]; then skip golden "CometBFT's source is not in the module cache"
  else
    read -r p1 p2 < <(free_ports 2)
    for ex in ex1 ex2; do
      for how in "socket unix" "socket tcp" "grpc tcp"; do
        read -r kind at <<<"$how"
        if [ "$at" = unix ]; then at=unix://$tmp/g.sock; elif [ "$kind" = grpc ]; then at=127.0.0.1:$p1; else at=tcp://127.0.0.1:$p1; fi
        app golden --address "$at" --abci "$kind"; listening --address "$at" --abci "$kind" || fail "golden $how" "nobody listens"
        timeout 20 "$cli" --address "$at" --abci "$kind" --log_level=error --verbose batch <"$tests/$ex.abci" >"$tmp/out" || :
        check "abci-cli $ex on our kvstore, $how" "$(diff "$tmp/out" "$tests/$ex.abci.out" | head -5)" ""
        quit "$app"
        [ "$at" = "127.0.0.1:$p1" ] && at=tcp://127.0.0.1:$p2
        "$cli" --address "$at" --abci "$kind" kvstore >"$tmp/cli.log" 2>&1 & gokv=$!; pids+=("$gokv")
        listening --address "$at" --abci "$kind" || fail "golden $how" "Go's kvstore does not listen"
        timeout 20 "$sennit" chain batch --address "$at" --abci "$kind" -v <"$tests/$ex.abci" >"$tmp/out" || :
        check "our batch $ex on Go's kvstore, $how" "$(diff "$tmp/out" "$tests/$ex.abci.out" | head -5)" ""
        quit "$gokv"
      done
    done
  fi
fi

# ---- nodes ------------------------------------------------------------------------------------------------------
rpc() { curl -s --max-time 20 "http://127.0.0.1:$1/$2"; }
# field PATH - of the JSON on standard input: result.sync_info.latest_block_height
field() { python3 -c 'import json, sys
v = json.load(sys.stdin)
for k in sys.argv[1].split("."): v = v[int(k)] if isinstance(v, list) else v[k]
print(v)' "$1" 2>/dev/null; }
height() { rpc "$1" status | field result.sync_info.latest_block_height || :; }
# wait_height PORT HEIGHT [SECONDS] - until the node has that block.
wait_height() { for _ in $(seq $((${3:-30} * 10))); do [ "$(height "$1" || echo 0)" -ge "$2" ] 2>/dev/null && return 0; sleep 0.1; done; return 1; }
# conf HOME RPC P2P APP ABCI - ports, the application, quick blocks.
conf() {
  python3 - "$@" <<'PY'
import re, sys
home, rpc, p2p, app, abci = sys.argv[1:6]
p = home + "/config/config.toml"
s = open(p).read()
def put(section, key, value):
    global s
    a = s.index("[%s]\n" % section) if section else 0
    s = s[:a] + re.sub(r"(?m)^%s = .*$" % key, lambda m: "%s = %s" % (key, value), s[a:], count=1)
put("", "proxy_app", '"%s"' % app)
put("", "abci", '"%s"' % abci)
put("rpc", "laddr", '"tcp://127.0.0.1:%s"' % rpc)
put("rpc", "pprof_laddr", '""')
put("p2p", "laddr", '"tcp://127.0.0.1:%s"' % p2p)
put("p2p", "addr_book_strict", "false")
put("p2p", "allow_duplicate_ip", "true")
put("consensus", "timeout_commit", '"200ms"')
put("consensus", "timeout_propose", '"1s"')
open(p, "w").write(s)
PY
}
# node NAME HOME - its process is $node.
node() { "$comet" node --home "$2" --log_level "*:info" >>"$tmp/$1.log" 2>&1 & node=$!; pids+=("$node"); }
# tx PORT TEXT - in a block; its code.
tx() { rpc "$1" "broadcast_tx_commit?tx=0x$(printf %s "$2" | od -An -tx1 | tr -d ' \n')" | field result.tx_result.code || echo none; }
app_hash() { rpc "$1" abci_info | field result.response.last_block_app_hash; }
value() { rpc "$1" "abci_query?data=0x$(printf %s "$2" | od -An -tx1 | tr -d ' \n')" | field result.response.value | base64 -d; }

# ---- hash: the same transactions through a node with Go's kvstore and through nodes with ours ---------------------
if [[ $parts == *" hash "* ]]; then
  txs=("a=1" "b=2" "a=3" "name=satoshi" $'\xff\xfe=bytes')
  for how in builtin "socket unix" "socket tcp" "grpc tcp"; do
    read -r r p a < <(free_ports 3)
    read -r kind at <<<"$how"
    label=${how// /-}; home=$tmp/h-$label
    "$comet" init --home "$home" >/dev/null 2>&1
    if [ "$how" = builtin ]; then conf "$home" "$r" "$p" kvstore socket; app=
    else
      if [ "$at" = tcp ]; then at=tcp://127.0.0.1:$a; else at=unix://$tmp/h.sock; fi
      app "h-$label" --address "$at" --abci "$kind"; listening --address "$at" --abci "$kind"
      if [ "$kind" = grpc ]; then at=127.0.0.1:$a; fi # grpc-go knows no tcp://
      conf "$home" "$r" "$p" "$at" "$kind"
    fi
    node "h-$label" "$home"
    wait_height "$r" 2 || fail "a chain by $how" "no blocks: $(tail -n 2 "$tmp/h-$label.log")"
    codes=; for t in "${txs[@]}"; do codes="$codes$(tx "$r" "$t")"; done
    bad=$(rpc "$r" "broadcast_tx_sync?tx=\"nothing\"" | field result.code)
    h=$(height "$r")
    { echo "codes $codes $bad"; echo "hash $(app_hash "$r")"; echo "values $(value "$r" a) $(value "$r" b) $(value "$r" name)"
      rpc "$r" "tx_search?query=\"tx.height>0\"&order_by=\"asc\"" | python3 -c 'import json, sys
for t in json.load(sys.stdin)["result"]["txs"]: print(json.dumps([t["tx"], t["tx_result"]], sort_keys=True))'; } >"$tmp/h-$label.txt"
    quit "$node"; [ -z "$app" ] || quit "$app"
    if [ "$how" = builtin ]; then check "a chain with Go's kvstore" "$(head -1 "$tmp/h-builtin.txt")" "codes 00000 2"
    else check "by $how: codes, hash, values, events as with Go's kvstore (height $h)" "$(diff "$tmp/h-builtin.txt" "$tmp/h-$label.txt")" ""; fi
  done
fi

# ---- kill: the application dies, and node and application come back ------------------------------------------------
if [[ $parts == *" kill "* ]]; then
  read -r r p < <(free_ports 2)
  home=$tmp/k at=unix://$tmp/k.sock
  "$comet" init --home "$home" >/dev/null 2>&1
  conf "$home" "$r" "$p" "$at" socket
  app k --address "$at" --persist "$tmp/k-data"; listening --address "$at"
  node k "$home"; wait_height "$r" 1 || fail kill "no blocks"
  lost=
  for round in 1 2 3 4; do
    for i in 1 2 3; do [ "$(tx "$r" "r$round-$i=v$round")" = 0 ] || fail "kill round $round" "a transaction is refused"; done
    (for i in $(seq 50); do rpc "$r" "broadcast_tx_async?tx=\"x$round-$i=1\"" >/dev/null; done) & more=$!
    sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
    kill -9 "$app"; wait "$app" 2>/dev/null || :
    for _ in $(seq 50); do kill -0 "$node" 2>/dev/null || break; sleep 0.1; done
    quit "$node"; wait "$more" 2>/dev/null || :
    app k --address "$at" --persist "$tmp/k-data"; listening --address "$at"
    node k "$home"
    h=$(grep -o '"height": *"[0-9]*"' "$home/data/priv_validator_state.json" | grep -o '[0-9]*')
    wait_height "$r" $((h + 2)) || fail "kill round $round" "no block after $h: $(tail -n 2 "$tmp/k.log")"
    for q in $(seq "$round"); do for i in 1 2 3; do [ "$(value "$r" "r$q-$i")" = "v$q" ] || lost="$lost r$q-$i"; done; done
  done
  check "four times kill -9 of the application: replayed, nothing lost" "$lost" ""
  n=$(rpc "$r" "tx_search?query=\"tx.height>0\"&per_page=1" | field result.total_count)
  check "the application has counted each transaction once" "$("$sennit" chain info --address "$at" | sed -n 's/^-> data: //p')" "{\"size\":$n}"
  quit "$node"; quit "$app"
fi

# ---- four: validators, two with Go's kvstore and two with ours ------------------------------------------------------
# net NAME N - homes $tmp/NAME/node0.. that know each other; ports in rp[] and pp[].
net() {
  local name=$1 n=$2 i peers=
  "$comet" testnet --v "$n" --o "$tmp/$name" >/dev/null 2>&1
  read -r -a rp < <(free_ports $((2 * n))); pp=("${rp[@]:n}")
  for i in $(seq 0 $((n - 1))); do peers="$peers,$("$comet" show-node-id --home "$tmp/$name/node$i")@127.0.0.1:${pp[$i]}"; done
  peers=${peers#,}
  for i in $(seq 0 $((n - 1))); do sed -i "s/^persistent_peers = .*/persistent_peers = \"$peers\"/" "$tmp/$name/node$i/config/config.toml"; done
  net_peers=$peers
}
key() { python3 -c 'import base64, hashlib, sys; print(base64.b64encode(hashlib.sha256(sys.argv[1].encode()).digest()).decode())' "$1"; }
if [[ $parts == *" four "* || $parts == *" sync "* ]]; then
  net f 4
  nodes=() apps=()
  for i in 0 1 2 3; do
    at=unix://$tmp/f$i.sock
    if [ "$i" -lt 2 ]; then
      app "f$i" --address "$at" --persist "$tmp/f$i-data" --snapshot-interval 5 --snapshot-keep 10 --chunk-bytes 4096; apps+=("$app")
      listening --address "$at"
    else at=kvstore; fi
    conf "$tmp/f/node$i" "${rp[$i]}" "${pp[$i]}" "$at" socket
    node "f$i" "$tmp/f/node$i"; nodes+=("$node")
  done
  wait_height "${rp[0]}" 3 60 || fail four "no blocks: $(tail -n 2 "$tmp/f0.log")"
  codes=; for i in $(seq 12); do codes="$codes$(tx "${rp[$((i % 4))]}" "k$i=$i")"; done
  check "four validators, two with our kvstore: transactions by each" "$codes" 000000000000
  k=$(key new); check "a new validator" "$(tx "${rp[2]}" "val=ed25519!$k!1")" 0
  h=$(height "${rp[0]}"); wait_height "${rp[0]}" $((h + 3)) || :
  check "it is in the set" "$(rpc "${rp[1]}" validators | python3 -c 'import json, sys
print([v["voting_power"] for v in json.load(sys.stdin)["result"]["validators"] if v["pub_key"]["value"] == sys.argv[1]])' "$k")" "['1']"
  check "and leaves it" "$(tx "${rp[3]}" "val=ed25519!$k!0")" 0
  h=$(height "${rp[0]}"); for i in 0 1 2 3; do wait_height "${rp[$i]}" $((h + 3)) || fail four "node $i stays behind"; done
  same=; for i in 0 1 2 3; do same="$same $(rpc "${rp[$i]}" "block?height=$h" | field result.block.header.app_hash)"; done
  check "four nodes, one application hash" "$(tr ' ' '\n' <<<"${same# }" | sort -u | wc -l)" 1
fi

# ---- sync: a Go node begins with a snapshot of ours ------------------------------------------------------------------
if [[ $parts == *" sync "* ]]; then
  for i in $(seq 300); do rpc "${rp[0]}" "broadcast_tx_async?tx=\"big$i=$(printf '%0200d' "$i")\"" >/dev/null; done
  h=$(height "${rp[0]}"); wait_height "${rp[0]}" $((h + 12)) 60 || :
  read -r r p < <(free_ports 2)
  sync() { # NAME - a new node whose application has the folder NAME-data
    local name=$1 home=$tmp/$1 at=unix://$tmp/$1.sock th trust
    "$comet" init --home "$home" >/dev/null 2>&1
    cp "$tmp/f/node0/config/genesis.json" "$home/config/genesis.json"
    app "$name" --address "$at" --persist "$tmp/$name-data" --snapshot-interval 5 --chunk-bytes 4096; listening --address "$at"
    conf "$home" "$r" "$p" "$at" socket
    th=$(($(height "${rp[0]}") - 5))
    trust=$(rpc "${rp[0]}" "commit?height=$th" | field result.signed_header.commit.block_id.hash)
    python3 - "$home" "127.0.0.1:${rp[0]},127.0.0.1:${rp[2]}" "$th" "$trust" "$net_peers" <<'PY'
import re, sys
home, servers, th, trust, peers = sys.argv[1:6]
p = home + "/config/config.toml"
s = open(p).read()
a = s.index("[statesync]\n")
t = s[a:]
for k, v in {"enable": "true", "rpc_servers": '"%s"' % servers, "trust_height": th, "trust_hash": '"%s"' % trust, "discovery_time": '"5s"'}.items():
    t = re.sub(r"(?m)^%s = .*$" % k, lambda m: "%s = %s" % (k, v), t, count=1)
s = re.sub(r'(?m)^persistent_peers = .*$', lambda m: 'persistent_peers = "%s"' % peers, s[:a], count=1) + t
open(p, "w").write(s)
PY
    node "$name" "$home"
  }
  sync s1
  wait_height "$r" 1 60 && h=$(height "${rp[0]}") && wait_height "$r" "$h" 60 || fail sync "the node does not follow: $(tail -n 3 "$tmp/s1.log")"
  check "the node restored a snapshot" "$(grep -c 'Snapshot restored' "$tmp/s1.log")" 1
  check "and has no first block" "$(rpc "$r" "block?height=1" | grep -c '"error"')" 1
  check "values that were in it" "$(value "$r" big7) $(value "$r" big300) $(value "$r" k12)" "$(printf '%0200d %0200d 12' 7 300)"
  wait_height "$r" $((h + 3)) 30 || :
  check "one application hash" "$(rpc "$r" "block?height=$((h + 2))" | field result.block.header.app_hash)" \
    "$(rpc "${rp[2]}" "block?height=$((h + 2))" | field result.block.header.app_hash)"
  check "many chunks" "$([ "$(ls "$tmp/s1-data/snapshots/chunks" | wc -l)" -gt 5 ] && echo yes)" yes
  quit "$node"; quit "$app"
  # A second node, whose application has the first one's chunks and no state.
  mkdir -p "$tmp/s2-data" && cp -r "$tmp/s1-data/snapshots" "$tmp/s2-data/" && rm -f "$tmp"/s2-data/snapshots/0*
  sync s2
  wait_height "$r" 1 60 || fail sync "the second node does not begin: $(tail -n 3 "$tmp/s2.log")"
  check "a second node, with chunks of the first" "$(value "$r" big300)" "$(printf '%0200d' 300)"
  quit "$node"; quit "$app"
fi
finish
