#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The light client with CometBFT 0.38.25: our proxy before a Go chain answers as `cometbft light` does, forward, one by
# one and backward; each goes on with the other's folder; a primary that changes its answers is found out; forged
# headers leave evidence that the Go chain puts into a block.
# usage: light.sh SENNIT LIGHT_PEER SOURCE_ROOT
set -u
sennit=$(realpath "$1") peer=$(realpath "$2") root=$(realpath "$3")
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

# ---- a chain of two validators -------------------------------------------------------------------------------------
read -r -a port < <(free_ports 12)
"$comet" testnet --v 2 --o "$tmp/net" >/dev/null 2>&1 || { fail "cometbft testnet"; end; }
peers="$("$comet" show-node-id --home "$tmp/net/node0")@127.0.0.1:${port[2]},$("$comet" show-node-id --home "$tmp/net/node1")@127.0.0.1:${port[3]}"
for i in 0 1; do
  sed -i -e "s#^laddr = \"tcp://127.0.0.1:26657\"#laddr = \"tcp://127.0.0.1:${port[$i]}\"#" \
    -e "s#^laddr = \"tcp://0.0.0.0:26656\"#laddr = \"tcp://127.0.0.1:${port[$((i + 2))]}\"#" \
    -e "s#^persistent_peers = .*#persistent_peers = \"$peers\"#" -e 's#^addr_book_strict = .*#addr_book_strict = false#' \
    -e 's#^allow_duplicate_ip = .*#allow_duplicate_ip = true#' -e 's#^pprof_laddr = .*#pprof_laddr = ""#' \
    -e 's#^timeout_commit = .*#timeout_commit = "100ms"#' -e 's#^proxy_app = .*#proxy_app = "kvstore"#' "$tmp/net/node$i/config/config.toml"
  "$comet" node --home "$tmp/net/node$i" >"$tmp/node$i.log" 2>&1 & pids+=($!)
done
node=http://127.0.0.1:${port[0]} witness=http://127.0.0.1:${port[1]}
field() { python3 -c 'import json, sys
v = json.load(sys.stdin)
for k in sys.argv[1].split("."): v = v[int(k)] if isinstance(v, list) else v[k]
print(v)' "$1" 2>/dev/null; }
height() { curl -s --max-time 5 "$node/status" | field result.sync_info.latest_block_height; }
wait_height() { local i; for i in $(seq 600); do [ "$(height || echo 0)" -ge "$1" ] 2>/dev/null && return 0; sleep 0.1; done; return 1; }
wait_height 3 || { fail "a Go chain" "$(tail -n 2 "$tmp/node0.log")"; end; }
hashes=()
for i in 1 2 3; do hashes+=("$(curl -s "$node/broadcast_tx_commit?tx=\"light$i=$i\"" | field result.hash)"); done
# The validators grow, so that one that never signs can come and go.
key=$(head -c 32 "$root/LICENSE" | base64 -w0)
for k in $(python3 -c 'import json, sys; print(*[v["pub_key"]["value"] for v in json.load(open(sys.argv[1]))["validators"]])' "$tmp/net/node0/config/genesis.json"); do
  curl -s -G "$node/broadcast_tx_commit" --data-urlencode "tx=\"val=ed25519!$k!10\"" >/dev/null
done
curl -s -G "$node/broadcast_tx_commit" --data-urlencode "tx=\"val=ed25519!$key!2\"" >/dev/null
wait_height 30
curl -s -G "$node/broadcast_tx_commit" --data-urlencode "tx=\"val=ed25519!$key!0\"" >/dev/null
wait_height 50
chain=$(curl -s "$node/status" | field result.node_info.network)
hash_of() { curl -s "$node/commit?height=$1" | field result.signed_header.commit.block_id.hash; }
txh=$(curl -s "$node/tx?hash=0x${hashes[1]}" | field result.height)

# ours NAME PORT ARG... - its process is $light.
ours() { local name=$1 at=$2; shift 2; "$sennit" chain light "$chain" --laddr "tcp://127.0.0.1:$at" "$@" >"$tmp/$name.log" 2>&1 & light=$!; pids+=($!); wait_port "$at" || fail "$name listens" "$(tail -n 2 "$tmp/$name.log")"; }
theirs() { local name=$1 at=$2; shift 2; "$comet" light "$chain" --laddr "tcp://127.0.0.1:$at" "$@" >"$tmp/$name.log" 2>&1 & light=$!; pids+=($!); wait_port "$at" || fail "$name listens" "$(tail -n 2 "$tmp/$name.log")"; }
# ask PORT PATH - the answer, sorted, without its id and what grows meanwhile.
ask() { curl -s --max-time 60 "http://127.0.0.1:$1/$2" | python3 -c 'import json, sys
d = json.load(sys.stdin); d.pop("id", None); d.get("result", {}).pop("last_height", None); print(json.dumps(d, sort_keys=True))'; }
same() { local a b; a=$(ask "$2" "$4") b=$(ask "$3" "$4")
  if [ -n "$a" ] && [ "$a" = "$b" ] && [[ $a == *'"result"'* ]]; then ok "$1"; else fail "$1" "${a:0:300} | ${b:0:300}"; fi; }

trust="--height 2 --hash $(hash_of 2)"
ours skip "${port[4]}" --primary "$node" --witnesses "$witness" --home-dir "$tmp/ours" $trust; skip_pid=$light
theirs golight "${port[5]}" --primary "$node" --witnesses "$witness" --home-dir "$tmp/theirs" $trust; go_pid=$light
for h in 3 20 48 40; do
  for r in "commit?height=$h" "header?height=$h" "validators?height=$h" "block_results?height=$h" "consensus_params?height=$h"; do
    same "$r as cometbft light" "${port[4]}" "${port[5]}" "$r"
  done
  # Its light client reads and writes a block anew, and says null where the node says [].
  same "block?height=$h as the node" "${port[4]}" "${port[0]}" "block?height=$h"
done
same "a transaction with its proof" "${port[4]}" "${port[0]}" "tx?hash=0x${hashes[1]}&prove=true"
same "a block by its hash" "${port[4]}" "${port[0]}" "block_by_hash?hash=0x$(hash_of 30)"
same "a header by its hash" "${port[4]}" "${port[5]}" "header_by_hash?hash=0x$(hash_of 31)"
same "pages of validators" "${port[4]}" "${port[5]}" "validators?height=20&page=2&per_page=1"
same "the genesis is passed on" "${port[4]}" "${port[5]}" "genesis"
same "headers of many blocks, as the node has them" "${port[4]}" "${port[0]}" "blockchain?minHeight=11&maxHeight=25"
a=$(ask "${port[4]}" "abci_query?data=0x6c69676874&path=\"/store\""); check "a query without a proof is refused" "$([[ $a == *"no proof ops"* ]] && echo yes || echo "$a")" yes
a=$(curl -s "http://127.0.0.1:${port[4]}" -d '[{"jsonrpc":"2.0","id":"a","method":"header","params":{"height":"7"}},{"jsonrpc":"2.0","id":2,"method":"block","params":["8"]},{"jsonrpc":"2.0","id":3,"method":"nothing"}]' |
  python3 -c 'import json, sys
x, y, z = json.load(sys.stdin); print(x["id"], x["result"]["header"]["height"], y["id"], y["result"]["block"]["header"]["height"], z["error"]["code"])')
check "a batch by POST" "$a" "a 7 2 8 -32601"

# ---- subscriptions: what `cometbft light` says on its WebSocket, ours says too -----------------------------------------------------
timeout 60 python3 "$root/tests/interop/ws_events.py" "${port[4]}" >"$tmp/ws.ours" 2>&1
timeout 60 python3 "$root/tests/interop/ws_events.py" "${port[5]}" >"$tmp/ws.theirs" 2>&1
check "subscriptions as cometbft light ($(grep -c . "$tmp/ws.theirs") lines)" "$(diff "$tmp/ws.theirs" "$tmp/ws.ours" | head -4)" ""
check "an event's id, three heights in a row" "$(grep -c '^events .*true' "$tmp/ws.ours")" 2
timeout 60 python3 "$root/tests/interop/ws_events.py" "${port[4]}" more >"$tmp/ws.more" 2>&1
check "refusals and verified answers on it" "$(grep -E '^a (query|verified)|^once' "$tmp/ws.more" | tr '\n' ' ')" 'a query that is none true once more true a verified answer between events "3" '

# ---- folders: each goes on where the other stopped -----------------------------------------------------------------
quit "$skip_pid"; quit "$go_pid"
theirs exchange1 "${port[5]}" --home-dir "$tmp/ours"; h=$(($(height) - 1)); same "CometBFT on our folder" "${port[5]}" "${port[0]}" "header?height=$h"; quit "$light"
ours exchange2 "${port[4]}" --home-dir "$tmp/theirs"; same "ours on CometBFT's folder" "${port[4]}" "${port[0]}" "header?height=$h"
check "without trusting anew" "$(grep -c 'all removed' "$tmp/exchange2.log")" 0; quit "$light"

# ---- one by one, and backward -----------------------------------------------------------------------------------------
ours seq "${port[4]}" --primary "$node" --witnesses "$witness" --home-dir "$tmp/seq" --sequential $trust
same "one by one" "${port[4]}" "${port[0]}" "header?height=47"; quit "$light"
ours back "${port[4]}" --primary "$node" --witnesses "$witness" --home-dir "$tmp/back" --height 45 --hash "$(hash_of 45)"
same "backward" "${port[4]}" "${port[0]}" "header?height=12"; quit "$light"
"$sennit" chain light "$chain" --laddr "tcp://127.0.0.1:${port[4]}" --primary "$node" --witnesses "$witness" --home-dir "$tmp/wrong" --height 45 --hash "$(hash_of 44)" >"$tmp/wrong.log" 2>&1
check "a hash that is not the block's" "$([ $? -ne 0 ] && grep -c 'another block 45 than the trusted one' "$tmp/wrong.log")" 1

# ---- a primary that changes what the node says --------------------------------------------------------------------
cat >"$tmp/liar.py" <<'PY'
import http.server, json, sys, urllib.request
upstream, mood_file = sys.argv[2], sys.argv[3]
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        d = json.load(urllib.request.urlopen(urllib.request.Request(upstream, body, {"content-type": "application/json"})))
        mood, method = open(mood_file).read().strip(), json.loads(body)["method"]
        r = d.get("result") or {}
        if mood == "txs" and method == "block": r["block"]["data"]["txs"] = ["bGllPTE="]
        if mood == "results" and method == "block_results": r["txs_results"] = [{"code": 1, "data": None, "gas_wanted": "0", "gas_used": "0"}]
        if mood == "proof" and method == "tx": r["proof"]["proof"]["aunts"] = r["proof"]["proof"]["leaf_hash"] and ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
        if mood == "params" and method == "consensus_params": r["consensus_params"]["block"]["max_bytes"] = "1000"
        if mood == "height" and method == "block":
            q = json.loads(body); q["params"] = {"height": "5"}
            d = json.load(urllib.request.urlopen(urllib.request.Request(upstream, json.dumps(q).encode(), {"content-type": "application/json"})))
        if mood == "header" and method == "commit": r["signed_header"]["header"]["app_hash"] = "00"
        if mood == "signature" and method == "commit":
            for s in r["signed_header"]["commit"]["signatures"]: s["signature"] = "A" * 86 + "=="
        if mood == "chain" and method == "blockchain": r["block_metas"][0]["header"]["app_hash"] = "00"
        out = json.dumps(d).encode()
        self.send_response(200); self.send_header("content-length", str(len(out))); self.end_headers(); self.wfile.write(out)
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
PY
echo none >"$tmp/mood"
python3 "$tmp/liar.py" "${port[6]}" "$node" "$tmp/mood" >"$tmp/liar.log" 2>&1 & pids+=($!)
wait_port "${port[6]}"
ours liar "${port[4]}" --primary "http://127.0.0.1:${port[6]}" --witnesses "$witness,$node" --home-dir "$tmp/liar" $trust; liar_pid=$light
same "the liar tells the truth so far" "${port[4]}" "${port[0]}" "block?height=20"
for row in "txs block?height=21" "results block_results?height=22" "proof tx?hash=0x${hashes[1]}&prove=true" "params consensus_params?height=23" \
  "height block?height=24" "chain blockchain?minHeight=11&maxHeight=25"; do
  read -r mood path <<<"$row"; echo "$mood" >"$tmp/mood"
  a=$(ask "${port[4]}" "$path"); check "a lie about $mood is not passed on" "$([[ $a == *'"error"'* && $a != *'"result"'* ]] && echo yes || echo "${a:0:200}")" yes
  echo none >"$tmp/mood"; same "and the truth is ($mood)" "${port[4]}" "${port[0]}" "$path"
done
for mood in header signature; do
  h=$(($(height) - 1)); echo "$mood" >"$tmp/mood"
  same "with a false $mood a witness takes the primary's place" "${port[4]}" "${port[0]}" "header?height=$h"
done
check "the log says so" "$(grep -c 'primary replaced' "$tmp/liar.log")" 1
quit "$liar_pid"

# ---- forged headers: both validators sign a second chain ---------------------------------------------------------------
for kind in lunatic equivocation; do
  h=$(($(height) - 2))
  timeout 60 "$peer" "$kind" "$node" "$chain" 2 "$h" "$tmp/net/node0/config/priv_validator_key.json" "$tmp/net/node1/config/priv_validator_key.json" >"$tmp/$kind.log" 2>&1
  check "$kind: the attack is seen" "$(grep -c '^attack' "$tmp/$kind.log")" 1
  check "$kind: CometBFT takes the evidence" "$(grep -c '^taken' "$tmp/$kind.log")" 1
  [ "$(grep -c '^taken' "$tmp/$kind.log")" = 1 ] || tail -n 3 "$tmp/$kind.log"
done
found=
for _ in $(seq 50); do
  for b in $(seq "$((h + 1))" "$(height)"); do found="$found$(curl -s "$node/block?height=$b" | grep -o '"tendermint/LightClientAttackEvidence"')"; done
  [ -n "$found" ] && break; sleep 0.2
done
check "and puts it into a block" "$([ -n "$found" ] && echo yes)" yes

# ---- the primary goes while somebody listens --------------------------------------------------------------------------------------
ours gone "${port[4]}" --primary "$node" --witnesses "$witness" --home-dir "$tmp/gone" $trust
timeout 90 python3 "$root/tests/interop/ws_events.py" "${port[4]}" wait >"$tmp/ws.gone" 2>&1 & reader=$!
for _ in $(seq 300); do grep -q '^ready' "$tmp/ws.gone" && break; sleep 0.1; done
kill "${pids[0]}"; wait "$reader"
check "a primary that goes ends the events" "$(grep '^closed' "$tmp/ws.gone")" "closed 1011"
quit "$light"
end
