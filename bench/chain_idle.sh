#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/chain_idle.sh - the memory of an idle validator: four of a kind, each in its own network namespace, kvstore in the node's
# process, the default configuration (a block a second, empty), measured IDLE seconds after the fifth block, ours against CometBFT
# 0.38.25. Pss (proportional set size, from smaps_rollup) shares what the four map alike; Pss_Anon is each one's own.
#   KINDS="go ours"  IDLE=60  MAPS=1 (each mapping of the first node's, largest first)
. "$(dirname "$0")/lib.sh"
KINDS=${KINDS:-go ours} IDLE=${IDLE:-60}
cd "$BENCH_ROOT" || exit 1
case " $KINDS " in *" ours "*) [ -n "${SENNIT:-}" ] || bench_build cmd/sennit/sennit;; esac
sennit=${SENNIT:-$BENCH_BUILD/cmd/sennit/sennit}
peers=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}
comet=$peers/chain-store/cometbft
export PATH=$PATH:/usr/local/go/bin
[ -x "$comet" ] || GOBIN=$peers/chain-store go install github.com/cometbft/cometbft/cmd/cometbft@v0.38.25 >/dev/null 2>&1
[ -x "$comet" ] || { echo "SKIP: CometBFT is out of reach"; exit 0; }
. tests/e2e/lib.sh
. tests/e2e/chain_rig.sh
trap 'trap "" INT TERM; chain_down; bench_cleanup' EXIT
why=$(chain_probe); [ -z "$why" ] || { echo "SKIP: $why"; exit 0; }

# rollup PID FIELD - in KiB
rollup() { awk -v f="$2:" '$1 == f { print $2 }' "/proc/$1/smaps_rollup"; }
maps() {
  awk '/^[0-9a-f]+-[0-9a-f]+ / { name = NF > 5 ? $6 : "anonymous" } $1 == "Pss:" { pss[name] += $2 }
       $1 == "Anonymous:" { own[name] += $2 } END { for (n in pss) if (pss[n]) printf "%8d KiB, of it %d own: %s\n", pss[n], own[n], n }' \
    "/proc/$1/smaps" | sort -rn
}
# one KIND - rows of four nodes
one() {
  local kind=$1 i f
  chain_up 4 || exit 1
  for i in 0 1 2 3; do node_start "$i" "$kind"; done
  chain_wait 0 5 60 || { echo "no blocks: $(tail -n 2 "$tmp/node0.log")" >&2; exit 1; }
  sleep "$IDLE"
  for i in 0 1 2 3; do
    printf '| %s %d |' "$kind" "$i"
    for f in Pss Pss_Anon Pss_File Rss; do printf ' %s |' "$(rollup "${node_pid[$i]}" $f | awk '{ printf "%.2f", $1 / 1024 }')"; done
    printf ' %s | %s |\n' "$(grep -c '\.so' <(awk '{ print $6 }' "/proc/${node_pid[$i]}/maps" | sort -u))" \
      "$(ls "/proc/${node_pid[$i]}/task" | wc -l)"
  done
  [ -z "${MAPS:-}" ] || maps "${node_pid[0]}"
  for i in 0 1 2 3; do node_stop "$i"; done
  for i in 0 1 2 3; do ip netns del "sncn$$n$i" 2>/dev/null; done; ip netns del "$chain_hub"; rm -rf "$tmp/net"; node_pid=(); sleep 0.5
}
echo "Four validators, default configuration, $IDLE s idle. $(bench_machine)"; echo
echo "| node | Pss MiB | of it anonymous | of it files | Rss MiB | libraries | threads |"
echo "|---|--:|--:|--:|--:|--:|--:|"
for kind in $KINDS; do one "$kind"; done
