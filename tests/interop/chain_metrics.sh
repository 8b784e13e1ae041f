#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two real CometBFT validators and two of ours under load: /metrics of both have the same families, kinds, labels and bounds, and what
# both see of the same blocks has the same values; dump_consensus_state counts what peers have told.
# usage: chain_metrics.sh SENNIT ROOT
set -u
sennit=$(realpath "$1") root=$2
. "$root/tests/e2e/lib.sh"
. "$root/tests/e2e/chain_rig.sh"
end() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/chain-store
comet=$cache/cometbft
command -v go >/dev/null || [ -x "$comet" ] || { skip CometBFT "go is not installed"; end; }
mkdir -p "$cache"
[ -x "$comet" ] || GOBIN=$cache go install github.com/cometbft/cometbft/cmd/cometbft@v0.38.25 >"$cache/go.log" 2>&1 ||
  { skip CometBFT "its Go module is out of reach"; end; }
why=$(chain_probe); [ -z "$why" ] || { skip network "$why"; end; }
chain_up 4 || { fail "the network" "namespaces"; end; }
chain_set prometheus true
chain_set prometheus_listen_addr '"0.0.0.0:26660"'
for i in 0 1 2 3; do node_start "$i" "$([ $((i % 2)) = 0 ] && echo go || echo ours)"; done
chain_wait 0 3 60 && chain_wait 1 3 10 && ok "two of each make blocks" || { fail "two of each make blocks" "$(tail -n 2 "$tmp/node1.log")"; end; }
for n in $(seq 200); do rpc $((n % 4)) "broadcast_tx_async?tx=\"key$n=$(printf 'v%.0s' $(seq $((n % 300 + 1))))\"" >/dev/null; done
chain_wait 0 10 60
# Between two blocks, so that both have told of the same last one.
for _ in 1 2 3 4 5 6; do
  for i in 0 1; do inhub curl -s "http://$chain_net.$((i + 1)):26660/metrics" >"$tmp/m$i"; rpc "$i" dump_consensus_state >"$tmp/d$i"; done
  a=$(sed -n 's/^cometbft_consensus_latest_block_height{.*} //p' "$tmp/m0") b=$(sed -n 's/^cometbft_consensus_latest_block_height{.*} //p' "$tmp/m1")
  [ "$a" = "$b" ] && break; sleep 0.3
done
cat >"$tmp/compare.py" <<'PY'
import json, re, sys
tmp = sys.argv[1]
def read(path):
    kind, fam = {}, {}
    for line in open(path):
        if line.startswith("# TYPE"): kind[line.split()[2]] = line.split()[3]
        m = re.match(r"(cometbft_\w+?)(_bucket|_sum|_count)?(?:\{(.*)\})? (\S+)$", line)
        if not m: continue
        name, tail = m[1], m[2] or ""
        if kind.get(name) != "histogram": name, tail = name + tail, ""
        labels = dict(re.findall(r'(\w+)="([^"]*)"', m[3] or ""))
        f = fam.setdefault(name, {"names": set(), "le": set(), "v": {}})
        f["le"].add(labels.pop("le", None))
        f["names"].add(tuple(sorted(labels)))
        if not tail: f["v"][tuple(sorted((k, v) for k, v in labels.items() if k != "chain_id"))] = float(m[4])
    return kind, fam
(gk, go), (ok_, us) = read(f"{tmp}/m0"), read(f"{tmp}/m1")
def say(name, bad): print(f"ok {name}" if not bad else f"FAIL {name}: {bad}")
say(f"all of CometBFT's {len(go)} families", [n for n in go if n not in us])
say("kinds", [n for n in go if n in us and gk[n] != ok_[n]])
say("labels", [(n, go[n]["names"], us[n]["names"]) for n in go if n in us and go[n]["names"] != us[n]["names"]])
say("bounds", [(n, go[n]["le"] ^ us[n]["le"]) for n in go if n in us and go[n]["le"] != us[n]["le"]])
C = "cometbft_consensus_"
same = ["latest_block_height", "validators", "validators_power", "num_txs", "byzantine_validators", "missing_validators"]
say("what a block has", [(n, go[C + n]["v"], us[C + n]["v"]) for n in same if go[C + n]["v"] != us[C + n]["v"]])
q = C + "quorum_precommit_delay"
say("delays of votes, by proposer", [k for k in go[q]["v"] if abs(go[q]["v"][k] - us[q]["v"].get(k, 9e9)) > .5])
def living(name, f=lambda v: sum(v) > 0): return [] if f(us["cometbft_" + name]["v"].values()) else [name, us["cometbft_" + name]["v"]]
say("living values", sum((living(n) for n in ["consensus_block_parts", "consensus_late_votes", "consensus_proposal_receive_count",
    "consensus_block_gossip_parts_received", "consensus_round_voting_power_percent", "p2p_message_receive_bytes_total",
    "p2p_message_send_bytes_total", "p2p_peer_receive_bytes_total", "p2p_peer_send_bytes_total"]), []))
say("three peers are sent transactions", living("mempool_active_outbound_connections", lambda v: list(v) == [3]))
types = {dict(k)["message_type"] for k in go["cometbft_p2p_message_receive_bytes_total"]["v"]}
say("message types", sorted(t for t in types if (("message_type", t),) not in us["cometbft_p2p_message_receive_bytes_total"]["v"]
    and (("message_type", t),) not in us["cometbft_p2p_message_send_bytes_total"]["v"]))
stats = [p["peer_state"]["stats"] for p in json.load(open(f"{tmp}/d1"))["result"]["peers"]]
say("dump_consensus_state counts votes and parts of peers", [] if len(stats) == 3 and sum(int(s["votes"]) for s in stats) > 10 and
    sum(int(s["block_parts"]) for s in stats) > 1 else stats)
PY
while IFS= read -r line; do
  case "$line" in "ok "*) ok "${line#ok }" ;; "FAIL "*) fail "${line#FAIL }" ;; *) fail comparison "$line" ;; esac
done < <(python3 "$tmp/compare.py" "$tmp" 2>&1)
end
