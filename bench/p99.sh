#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The P99 story: one handler, an object at a time from malloc or from a request arena, under a memory
# limit that also has to hold the page cache of its dataset. A burst comes and goes; then P99 is
# measured at each of several steady open-loop rates, lowest first. Needs a writable cgroup memory
# controller (v1 or v2).
#   P99_LIMIT_MB=232 P99_DATA_MB=160 P99_RATES="500 1000 2000" bench/p99.sh
. "$(dirname "$0")/lib.sh"
read -ra rates <<<"${P99_RATES:-500 1000 2000}"
read -ra peers <<<"${P99_PEERS:-malloc arena go}"
limit_mb=${P99_LIMIT_MB:-232} data_mb=${P99_DATA_MB:-160} port=${P99_PORT:-18471}
burst_conns=${P99_BURST:-400} seconds=${P99_SECONDS:-8} runs=${P99_RUNS:-3}
if [ -w /sys/fs/cgroup/memory/cgroup.procs ]; then
  cg=/sys/fs/cgroup/memory/sennit-p99-$$; limit_file=memory.limit_in_bytes usage=memory.stat
elif grep -qw memory /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null; then
  cg=/sys/fs/cgroup/sennit-p99-$$; limit_file=memory.max usage=memory.stat
else
  echo "SKIP: no writable cgroup memory controller on this machine"; exit 0
fi
bench_build
load=$BENCH_BUILD/cmd/sennit/sennit
server=$BENCH_BUILD/bench/p99-server
data=${P99_DIR:-$BENCH_ROOT/build-bench}/p99-dataset
[ -f "$data" ] && [ "$(stat -c %s "$data")" -eq $((data_mb << 20)) ] || head -c $((data_mb << 20)) /dev/urandom >"$data"
if command -v go >/dev/null; then
  (cd "$BENCH_ROOT/bench/p99/go" && GO111MODULE=off CGO_ENABLED=0 go build -o "$BENCH_TMP/p99-go" .) || exit 1
else
  peers=("${peers[@]/go/}")
fi
cg_done() { for _ in 1 2 3 4 5 6 7 8 9 10; do rmdir "$cg" 2>/dev/null && break; sleep 0.2; done; }
trap 'bench_cleanup; cg_done' EXIT

# p99_one PEER - one whole run: adds to p50s, p99s and errs of "PEER RATE" and to anons and caches.
p99_one() {
  local peer=$1 pid rate anon cache p50 p99 errors
  sync; dd of="$data" oflag=nocache conv=notrunc,fdatasync count=0 status=none
  mkdir -p "$cg"; echo $((limit_mb << 20)) >"$cg/$limit_file"
  case $peer in
    go) cmd=(env GOMEMLIMIT=$((limit_mb - 20))MiB GOMAXPROCS=1 "$BENCH_TMP/p99-go" "127.0.0.1:$port" "$data") ;;
    *) cmd=("$server" "$peer" "127.0.0.1:$port" "$data") ;;
  esac
  bash -c 'echo $$ >"$1/cgroup.procs"; shift; exec taskset -c 0 "$@"' _ "$cg" "${cmd[@]}" >"$BENCH_TMP/p99.log" 2>&1 &
  pid=$!; BENCH_PIDS+=("$pid")
  bench_wait_port "$port" || { cat "$BENCH_TMP/p99.log"; return 1; }
  # Warm: the session table fills and the dataset becomes resident.
  p99_load -c 8 -d 15s
  # The burst.
  p99_load -c "$burst_conns" -d 5s
  # The dataset is read once from end to end inside the limit, as a backup or a restart of the
  # working set would: what fits beside the handler's memory stays, for every peer alike.
  for _ in 1 2; do bash -c 'echo $$ >"$1/cgroup.procs"; exec cat "$2"' _ "$cg" "$data" >/dev/null; done
  p99_load -c 4 -d 5s
  # What the users see afterwards.
  for rate in "${rates[@]}"; do
    p99_load -c 64 --rate "$rate" -d "${seconds}s" --warmup 2s
    read -r p50 p99 errors < <(python3 -c 'import json,sys; d=json.load(open(sys.argv[1])); h=d["times_ns"]["latency"]; print(h["p50"]/1e6, h["p99"]/1e6, d["errors"]["total"])' "$BENCH_TMP/p99.json")
    p50s[$peer $rate]+=" $p50"; p99s[$peer $rate]+=" $p99"; errs[$peer $rate]+=" $errors"
  done
  anon=$(awk '$1=="total_rss"||$1=="anon"{print $2}' "$cg/$usage"); cache=$(awk '$1=="total_cache"||$1=="file"{print $2}' "$cg/$usage")
  anons[$peer]+=" $((anon >> 20))"; caches[$peer]+=" $((cache >> 20))"
  bench_stop "$pid"; cg_done
}
p99_load() { taskset -c 1 "$load" load "$@" --timeout 30s --json "http://127.0.0.1:$port/" >"$BENCH_TMP/p99.json" 2>/dev/null; }
declare -A p50s p99s anons caches errs
for _ in $(seq "$runs"); do
  for peer in "${peers[@]}"; do [ -z "$peer" ] || p99_one "$peer" || exit 1; done
done
echo "Limit $limit_mb MiB, dataset $data_mb MiB, burst of $burst_conns connections, then open loop; server on one core, median of $runs interleaved runs$(command -v go >/dev/null && echo "; $(go version | cut -d' ' -f3) with GOMEMLIMIT")."
echo
echo "| requests/s | memory of the handler | P50 ms | P99 ms | errors | P99 against arena | anonymous MiB | page cache MiB |"
echo "|---|---|---|---|---|---|---|---|"
for rate in "${rates[@]}"; do
  for peer in "${peers[@]}"; do
    [ -n "$peer" ] || continue
    v=$(bench_median ${p99s[$peer $rate]})
    printf '| %s | %s | %.2f | %.2f | %s | %s | %s | %s |\n' "$rate" "$peer" "$(bench_median ${p50s[$peer $rate]})" "$v" \
      "$(bench_median ${errs[$peer $rate]})" "$(bench_div "$v" "$(bench_median ${p99s[arena $rate]:-0})" '%.1fx')" \
      "$(bench_median ${anons[$peer]})" "$(bench_median ${caches[$peer]})"
  done
done
