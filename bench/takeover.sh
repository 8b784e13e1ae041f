#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/takeover.sh - what the kernel's taking over costs a connect, and what the stages of a gateway cost a request: a
# user-space gateway in Go (ReverseProxy, Gin), Sennit's, the kernel, none. Claim: at most 1 us on top of a connect.
#
# Needs root: control groups, a network namespace and a BPF file system of its own. Go's gateways have one processor, as
# Sennit's has; load generator and back-end share the other one. Stages are
# medians over the rounds, and within a round all come one after the other.
# Environment: PARTS (connect staged shortcut), ROUNDS (400), STAGE_ROUNDS (3), STAGE_SECONDS (2), CONNS (32).
. "$(dirname "$0")/lib.sh"
PARTS=${PARTS:-connect staged shortcut}; ROUNDS=${ROUNDS:-400}
STAGE_ROUNDS=${STAGE_ROUNDS:-3}; STAGE_SECONDS=${STAGE_SECONDS:-2}; CONNS=${CONNS:-32}
GIN=v1.10.0
tmp=$BENCH_TMP; pids=()
. "$BENCH_ROOT/tests/e2e/takeover_rig.sh"
why=$(rig_probe)
[ -z "$why" ] || { echo "SKIP: $why"; exit 0; }
bench_build cmd/sennit/sennit cmd/sennit-bpf/sennit-bpf tests/e2e/takeover_peer
SENNIT=$BENCH_BUILD/cmd/sennit/sennit; BPF=$BENCH_BUILD/cmd/sennit-bpf/sennit-bpf; PEER=$BENCH_BUILD/tests/e2e/takeover_peer
[ -x "$BPF" ] || { echo "SKIP: sennit-bpf was not built (clang, libbpf-dev)"; exit 0; }
LAST=$(($(nproc) - 1)); vip=10.96.0.10
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sennit-bench/ginproxy
if [[ $PARTS == *staged* ]]; then
  command -v go >/dev/null || { echo "SKIP: go is not installed"; exit 0; }
  (cd "$BENCH_ROOT/bench/peers/goproxy" && GO111MODULE=off go build -o "$tmp/goproxy" .) || exit 1
  mkdir -p "$cache" && cp "$BENCH_ROOT/bench/peers/ginproxy/main.go" "$cache/" &&
    (cd "$cache" && { [ -f go.mod ] || go mod init ginproxy; go get "github.com/gin-gonic/gin@$GIN"; go mod tidy; go build -o ginproxy .; }) >"$tmp/gin.log" 2>&1 ||
    echo "SKIP gin: $(tail -1 "$tmp/gin.log")"
fi
rig_up || exit 1
load() { bg "$tmp/load" "$BPF" load --cgroup "$cg/work" --gateway-cgroup "$cg/gateway" --socket "$sock" "$@" || exit 1; loader=$last; }
unload() { kill "$loader"; wait "$loader" 2>/dev/null; }
sync() { printf '%s\n' "$@" >"$tmp/services"; "$BPF" sync --socket "$sock" "$tmp/services" >/dev/null || exit 1; }
echo "$(bench_machine)"

# Cases alternate within one process, which accepts its own connections: nobody is woken meanwhile.
connect_part() {
  local many=() n out
  for n in $(seq 1000); do many+=("service s$n tcp 10.97.$((n / 250)).$((n % 250 + 1)):80 closed" "live $v4:9000"); done
  echo
  echo "connect(2) on loopback, 1,001 services, ns; $((ROUNDS * 100)) connects of each kind, 100 in turn."
  echo
  echo "| loaded with | another cgroup, P50, P90 | redirected cgroup, no service | a service | on top, median (5th to 95th percentile of $ROUNDS) |"
  echo "|---|--:|--:|--:|---|"
  for with in "" "--gateway-cgroup $cg/gateway"; do
    bg "$tmp/load" "$BPF" load --cgroup "$cg/work" $with --socket "$sock" || exit 1
    loader=$last
    sync "service s tcp $vip:80 closed" "live $v4:9000" "${many[@]}"
    mapfile -t out < <(inns taskset -c "$LAST" "$PEER" latency $v4 9000 $vip 80 "$cg/other" "$cg/work" "$ROUNDS" | tail -4)
    unload
    read -r p low high <<<"${out[3]}"
    echo "| \`--cgroup\`${with:+ and \`--gateway-cgroup\`} | ${out[0]/ /, } | ${out[1]/ /, } | ${out[2]/ /, } | $p ($low to $high) |"
  done
}

staged_part() {
  bg "$tmp/back" inns taskset -c "$LAST" "$SENNIT" serve --listen $v4:9100 --plain -w 1 || exit 1
  cat >"$tmp/gw.yaml" <<CFG
listeners: [{name: web, address: "$v4:9101"}]
upstreams: [{name: app, endpoints: [{address: "$v4:9100"}]}]
routes: [{name: main, match: [{prefix: /}], proxy: {to: [{upstream: app}]}}]
takeover:
  socket: $sock
  services:
  - {name: direct, address: "$vip:80", upstream: app}
  - {name: through, address: "$vip:81", listener: web}
CFG
  load
  bg "$tmp/gw" incg gateway bash -c 'exec "$@" 2>&1' _ taskset -c 0 "$SENNIT" gateway -w 1 -c "$tmp/gw.yaml" || exit 1
  local gw=$last
  bg "$tmp/go" inns taskset -c 0 bash -c 'echo ready; GOMAXPROCS=1 exec "$@"' _ "$tmp/goproxy" $v4:9102 "http://$v4:9100" || exit 1
  local names=(go) n r p
  declare -A url=([go]=http://$v4:9102/ [gin]=http://$v4:9103/ [sennit]=http://$v4:9101/ [through]=http://$vip:81/ [kernel]=http://$vip:80/ [direct]=http://$v4:9100/)
  declare -A what=([go]="gateway in Go, ReverseProxy" [gin]="gateway in Go, Gin $GIN" [sennit]="Sennit's gateway" [through]="Sennit's gateway, sent there by the kernel"
    [kernel]="kernel takeover" [direct]="no gateway")
  declare -A rps p50 p99 one fresh
  if [ -x "$cache/ginproxy" ]; then
    bg "$tmp/gin" inns taskset -c 0 bash -c 'echo ready; GOMAXPROCS=1 exec "$@"' _ "$cache/ginproxy" $v4:9103 "http://$v4:9100" || exit 1
    names+=(gin)
  fi
  names+=(sennit through kernel direct)
  until_true 10 sh -c "$BPF status --socket $sock | grep -q 'through.*live 1'"
  # ask URL OPTION... - requests/s, P50 and P99 in us.
  ask() { local u=$1; shift; inwork taskset -c "$LAST" "$SENNIT" load -q --json -d "${STAGE_SECONDS}s" --warmup 300ms "$@" "$u" | python3 -c '
import json, sys
d = json.load(sys.stdin); h = d["times_ns"]["latency"]
print(round(d["requests_per_s"]), round(h["p50"] / 1000), round(h["p99"] / 1000))'; }
  for r in $(seq "$STAGE_ROUNDS"); do
    for n in "${names[@]}"; do
      p=$(ask "${url[$n]}" -c "$CONNS"); set -- $p; rps[$n]+=" $1"; p50[$n]+=" $2"; p99[$n]+=" $3"
      p=$(ask "${url[$n]}" -c 1 -d 1s); set -- $p; one[$n]+=" $2"
      p=$(ask "${url[$n]}" -c 4 -d 1s --no-keepalive); set -- $p; fresh[$n]+=" $1"
    done
  done
  kill "$gw"; wait "$gw" 2>/dev/null # or it would tell the next loader its services
  unload
  echo
  echo "One request through each stage, $CONNS connections, closed loop; one alone; and with a connection for each request."
  echo
  echo "| stage | requests/s | P50 us | P99 us | one alone, P50 us | new connections/s |"
  echo "|---|--:|--:|--:|--:|--:|"
  for n in "${names[@]}"; do
    echo "| ${what[$n]} | $(bench_median ${rps[$n]}) | $(bench_median ${p50[$n]}) | $(bench_median ${p99[$n]}) | $(bench_median ${one[$n]}) | $(bench_median ${fresh[$n]}) |"
  done
}

shortcut_part() {
  bg "$tmp/echo" incg gateway taskset -c 0 "$PEER" echo $v4 9200 || exit 1
  local tcp64=() cut64=() tcp16=() cut16=() r
  trip() { inwork taskset -c "$LAST" "$PEER" pingpong $vip 82 "$1" "$2" | sed -n '1s/ .*//p'; }
  # Both ends join when the connection is made: a loader for each way.
  for r in $(seq 5); do
    load; sync "service e tcp $vip:82 closed" "live $v4:9200"
    tcp64+=("$(trip 4000 64)"); tcp16+=("$(trip 1000 16384)"); unload
    load --shortcut; sync "service e tcp $vip:82 closed" "live $v4:9200"
    cut64+=("$(trip 4000 64)"); cut16+=("$(trip 1000 16384)"); unload
  done
  echo
  echo "There and back between two processes on two processors, P50 in ns, median of 5."
  echo
  echo "| message | TCP | short-cut |"
  echo "|---|--:|--:|"
  echo "| 64 B | $(bench_median "${tcp64[@]}") | $(bench_median "${cut64[@]}") |"
  echo "| 16 KiB | $(bench_median "${tcp16[@]}") | $(bench_median "${cut16[@]}") |"
}
for part in $PARTS; do "${part}_part" || exit 1; done
