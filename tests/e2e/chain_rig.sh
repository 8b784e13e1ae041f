# SPDX-License-Identifier: Apache-2.0
# tests/e2e/chain_rig.sh - a network of validators, each in a network namespace of its own on one bridge, of real CometBFT nodes and
# ours in any mix; source it after lib.sh. Everything goes again at the end, also after a failure.
#
#   chain_probe          prints why it cannot be done here, or nothing
#   chain_up N           homes $tmp/net/node0 .. (cometbft testnet), namespaces, addresses 10.78.0.1 ..
#   chain_set KEY VALUE  in every config.toml, by CometBFT's key (unique in the file, or SECTION.KEY)
#   node_start I go|ours, node_stop I, node_kill I, node_alive I;  node_cut I, node_join I: its link
#   rpc I PATH           a GET; chain_height I, chain_wait I HEIGHT SECONDS
#   inhub CMD...         in the bridge's namespace: what talks to the nodes
# Needs $comet (the binary of CometBFT) and $sennit.
chain_n=0 chain_hub=sncn$$h chain_net=10.78.0
declare -A node_pid node_kind
chain_probe() {
  [ "$(id -u)" = 0 ] || { echo "not root"; return; }
  command -v ip nsenter curl >/dev/null || { echo "no ip, nsenter or curl"; return; }
  ip netns add "sncn$$p" 2>/dev/null || { echo "network namespaces cannot be made"; return; }
  ip netns del "sncn$$p"
}
inhub() { nsenter --net="/run/netns/$chain_hub" "$@"; }
chain_up() {
  local i ns
  chain_n=$1
  ip netns add "$chain_hub" && ip -n "$chain_hub" link set lo up &&
    ip -n "$chain_hub" link add br0 type bridge && ip -n "$chain_hub" link set br0 up &&
    ip -n "$chain_hub" addr add "$chain_net.254/24" dev br0 || return 1
  for i in $(seq 0 $((chain_n - 1))); do
    ns=sncn$$n$i
    ip netns add "$ns" && ip -n "$ns" link set lo up &&
      ip -n "$chain_hub" link add "v$i" type veth peer name eth0 netns "$ns" &&
      ip -n "$chain_hub" link set "v$i" master br0 up &&
      ip -n "$ns" addr add "$chain_net.$((i + 1))/24" dev eth0 && ip -n "$ns" link set eth0 up || return 1
  done
  "$comet" testnet --v "$chain_n" --o "$tmp/net" --populate-persistent-peers --starting-ip-address "$chain_net.1" \
    >"$tmp/testnet.log" 2>&1 || { cat "$tmp/testnet.log"; return 1; }
  chain_set rpc.laddr '"tcp://0.0.0.0:26657"'
  chain_set allow_duplicate_ip true
}
chain_set() {
  local i
  for i in $(seq 0 $((chain_n - 1))); do chain_set_one "$i" "$1" "$2"; done
}
# chain_set_one I KEY VALUE
chain_set_one() {
  python3 - "$tmp/net/node$1/config/config.toml" "$2" "$3" <<'PY'
import re, sys
path, key, value = sys.argv[1:]
section, key = key.rsplit(".", 1) if "." in key else (None, key)
at, out, hits = "", [], 0
for line in open(path):
    m = re.match(r"\[(\S+)\]", line)
    if m: at = m[1]
    if re.match(rf"{re.escape(key)}\s*=", line) and (section is None or section == at):
        line, hits = f"{key} = {value}\n", hits + 1
    out.append(line)
assert hits == 1, f"{path}: {key} is there {hits} times"
open(path, "w").writelines(out)
PY
}
node_home() { echo "$tmp/net/node$1"; }
# node_start I KIND [ARG...]
node_start() {
  local i=$1 kind=$2 cmd; shift 2
  node_kind[$i]=$kind
  if [ "$kind" = go ]; then cmd=("$comet" start); else cmd=("$sennit" chain start); fi
  nsenter --net="/run/netns/sncn$$n$i" "${cmd[@]}" --home "$(node_home "$i")" --proxy_app "${chain_app:-persistent_kvstore}" "$@" \
    >>"$tmp/node$i.log" 2>&1 &
  node_pid[$i]=$!; pids+=($!)
}
node_signal() { kill "-$2" "${node_pid[$1]}" 2>/dev/null; wait "${node_pid[$1]}" 2>/dev/null; }
node_stop() { node_signal "$1" TERM; }
node_kill() { node_signal "$1" KILL; }
node_alive() { kill -0 "${node_pid[$1]}" 2>/dev/null; }
node_cut() { ip -n "$chain_hub" link set "v$1" down; }
node_join() { ip -n "$chain_hub" link set "v$1" up; }
rpc() { inhub curl -s --max-time "${rpc_s:-5}" "http://$chain_net.$(($1 + 1)):26657/$2"; }
chain_height() { rpc "$1" status | sed -n 's/.*"latest_block_height": *"\([0-9]*\)".*/\1/p'; }
# chain_wait I HEIGHT SECONDS; time in which the whole machine stood still is not counted.
chain_wait() {
  local h spent=0 before=$SECONDS step
  while [ $spent -lt "$3" ]; do
    h=$(chain_height "$1"); [ "${h:-0}" -ge "$2" ] && return 0
    sleep 0.2
    step=$((SECONDS - before)) before=$SECONDS
    [ $step -gt $((${rpc_s:-5} + 5)) ] || spent=$((spent + step))
  done
  return 1
}
chain_down() {
  local i
  for i in "${!node_pid[@]}"; do node_signal "$i" KILL; done
  for i in $(seq 0 $((chain_n - 1))); do ip netns del "sncn$$n$i" 2>/dev/null; done
  ip netns del "$chain_hub" 2>/dev/null
  cleanup
}
trap 'trap "" INT TERM; chain_down' EXIT
trap 'exit 143' INT TERM
