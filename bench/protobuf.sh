#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Protobuf: our runtime against protobuf-c on the same bytes, interleaved runs on one CPU, best of each.
#   PB_SECONDS=1 PB_RUNS=3 bench/protobuf.sh
. "$(dirname "$0")/lib.sh"
seconds=${PB_SECONDS:-1} runs=${PB_RUNS:-3}
command -v protoc-c >/dev/null && [ -f /usr/include/protobuf-c/protobuf-c.h ] ||
  { echo "SKIP: libprotobuf-c-dev and protobuf-c-compiler are not installed"; exit 0; }
bench_build
protoc-c -I"$BENCH_ROOT/bench/protobuf" --c_out="$BENCH_TMP" bench.proto || exit 1
cc -O3 -I"$BENCH_TMP" -o "$BENCH_TMP/peer" "$BENCH_ROOT/bench/protobuf/peer.c" \
  "$BENCH_TMP/bench.pb-c.c" -lprotobuf-c || exit 1
for _ in $(seq "$runs"); do
  taskset -c 0 "$BENCH_BUILD/bench/protobuf/pb-ours" "$BENCH_TMP" "$seconds" >>"$BENCH_TMP/ours" || exit 1
  taskset -c 0 "$BENCH_TMP/peer" "$BENCH_TMP" "$seconds" >>"$BENCH_TMP/theirs" || exit 1
done
echo "### Protobuf, protobuf-c $(protoc-c --version | awk 'NR==1{print $2}')"
echo
echo "| message | direction | ours MB/s | protobuf-c MB/s | ours ns | protobuf-c ns | ratio |"
echo "|---|---|--:|--:|--:|--:|--:|"
awk '{ k = $1 " " $2; f = FILENAME ~ /ours$/ ? 0 : 1
       if (!(k in seen)) { seen[k] = 1; order[++n] = k }
       if ($3 > mb[k, f]) { mb[k, f] = $3; ns[k, f] = $4 } }
     END { for (i = 1; i <= n; i++) { k = order[i]; split(k, w, " ")
       printf "| %s | %s | %.0f | %.0f | %.0f | %.0f | %.2f |\n", w[1], w[2], mb[k, 0], mb[k, 1],
              ns[k, 0], ns[k, 1], mb[k, 0] / mb[k, 1] } }' "$BENCH_TMP/ours" "$BENCH_TMP/theirs"
