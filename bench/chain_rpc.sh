#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/chain_rpc.sh - requests per second of a node's RPC beside CometBFT's: status, one block, broadcast_tx_sync.
# Claim: >= 3x each.
#
# One home for both: CometBFT makes a chain of some blocks with transactions; then it and we go on from copies, one after
# the other, each alone on processor 0 with its kvstore in the process, wrk on the last one. The configuration is CometBFT's
# but for the mempool's size (else it is full at once) and a pause of PAUSE between blocks. Slices in turn, so that a slow
# moment of the machine meets both; CPU is the server's own, per request.
# Environment: SLICES (4), SECONDS_EACH (3), CONNS (32), PAUSE (3s).
. "$(dirname "$0")/lib.sh"
SLICES=${SLICES:-4}; EACH=${SECONDS_EACH:-3}; CONNS=${CONNS:-32}; PAUSE=${PAUSE:-3s}
LAST=$(($(nproc) - 1))
for tool in wrk go curl; do command -v $tool >/dev/null || { echo "SKIP: $tool is not installed"; exit 0; }; done
comet=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/chain-store/cometbft
[ -x "$comet" ] || { echo "SKIP: no cometbft; tests/interop/chain_store.sh builds it"; exit 0; }
[ -n "${BENCH_BUILT:-}" ] || bench_build cmd/sennit/sennit
SENNIT=$BENCH_BUILD/cmd/sennit/sennit
PORT=19400 PEER=19401

"$comet" init --home "$BENCH_TMP/home" >/dev/null 2>&1
set_in() { sed -i -e "s#^$2 = .*#$2 = $3#" "$1/config/config.toml"; }
sed -i -e "s#tcp://127.0.0.1:26657#tcp://127.0.0.1:$PORT#" -e "s#tcp://0.0.0.0:26656#tcp://127.0.0.1:$PEER#" "$BENCH_TMP/home/config/config.toml"
set_in "$BENCH_TMP/home" timeout_commit '"100ms"'
set_in "$BENCH_TMP/home" log_level '"error"'
bench_start 0 "$comet" start --home "$BENCH_TMP/home" --proxy_app=persistent_kvstore; maker=$BENCH_PID
bench_wait_port $PORT || exit 1
for b in 1 2 3 4 5 6; do
  for i in $(seq 40); do curl -s "http://127.0.0.1:$PORT/broadcast_tx_async?tx=\"key$b-$i=$(head -c 200 /dev/zero | tr '\0' v)\"" >/dev/null & done; wait $(jobs -p | grep -v "^$maker$") 2>/dev/null
done
sleep 1
# The block with the most transactions.
read -r HEIGHT TXS < <(curl -s "http://127.0.0.1:$PORT/blockchain" | python3 -c 'import json, sys
m = json.load(sys.stdin)["result"]["block_metas"]
b = max(m, key=lambda b: int(b["num_txs"])); print(b["header"]["height"], b["num_txs"])')
bench_stop "$maker"
set_in "$BENCH_TMP/home" timeout_commit "\"$PAUSE\""
for key in size cache_size; do set_in "$BENCH_TMP/home" $key 10000000; done
set_in "$BENCH_TMP/home" max_txs_bytes 10737418240

cat >"$BENCH_TMP/tx.lua" <<'LUA'
local n, id = 0, ""
function setup(thread) thread:set("seed", os.getenv("SEED") or "0") end
function init() id = "/broadcast_tx_sync?tx=%22b" .. seed .. "-" end
function request() n = n + 1; return wrk.format("GET", id .. n .. "=1%22") end
LUA

declare -A RATE CPU P99 BAD
# one NAME ROUTE SLICE: wrk on a server that runs; appends to RATE and the others.
one() {
  local before after out path script=()
  case $2 in
    status) path=/status;; block) path="/block?height=$HEIGHT";;
    broadcast_tx_sync) path=/; script=(-s "$BENCH_TMP/tx.lua");;
  esac
  before=$(bench_cpu_s "$BENCH_PID")
  out=$(SEED=$1$3 taskset -c "$LAST" wrk -t1 -c"$CONNS" -d"${EACH}s" --latency "${script[@]}" "http://127.0.0.1:$PORT$path")
  after=$(bench_cpu_s "$BENCH_PID")
  RATE[$1.$2]+=" $(awk '/Requests\/sec/ {print $2}' <<<"$out")"
  P99[$1.$2]+=" $(awk '$1 == "99%" {print $2}' <<<"$out")"
  CPU[$1.$2]+=" $(awk -v b="$before" -v a="$after" '/requests in/ {printf "%.1f", (a - b) * 1e6 / $1}' <<<"$out")"
  BAD[$1.$2]+="$(awk '/Non-2xx|Socket errors/ {printf " %s", $0}' <<<"$out")"
}
for slice in $(seq "$SLICES"); do
  for name in sennit cometbft; do
    rm -rf "$BENCH_TMP/run"; cp -r "$BENCH_TMP/home" "$BENCH_TMP/run"
    if [ $name = sennit ]; then bench_start 0 "$SENNIT" chain start --home "$BENCH_TMP/run" --proxy_app persistent_kvstore
    else bench_start 0 env GOMAXPROCS=1 "$comet" start --home "$BENCH_TMP/run" --proxy_app=persistent_kvstore; fi
    bench_wait_port $PORT || exit 1
    sleep 0.5
    for route in status block broadcast_tx_sync; do one $name $route "$slice"; done
    bench_stop "$BENCH_PID"
  done
done
median() { tr ' ' '\n' <<<"$1" | sed '/^$/d' | sort -g | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
echo "wrk, $CONNS connections, $SLICES slices of $EACH s in turn, medians; block of $TXS transactions; CometBFT $("$comet" version), $(go version | cut -d' ' -f3)"
echo
echo "| call | Sennit, requests/s | CometBFT | ratio | us of CPU a request | CometBFT | P99 | CometBFT |"
echo "|---|--:|--:|--:|--:|--:|--:|--:|"
for route in status block broadcast_tx_sync; do
  a=$(median "${RATE[sennit.$route]}") b=$(median "${RATE[cometbft.$route]}")
  printf '| %s | %.0f | %.0f | %.1f | %s | %s | %s | %s |\n' $route "$a" "$b" "$(awk "BEGIN {print $a / $b}")" \
    "$(median "${CPU[sennit.$route]}")" "$(median "${CPU[cometbft.$route]}")" \
    "$(tr ' ' '\n' <<<"${P99[sennit.$route]}" | sed '/^$/d' | tail -1)" "$(tr ' ' '\n' <<<"${P99[cometbft.$route]}" | sed '/^$/d' | tail -1)"
  for n in sennit cometbft; do [ -z "${BAD[$n.$route]}" ] || echo "$n $route:${BAD[$n.$route]}"; done
done
