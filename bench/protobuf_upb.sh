#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Protobuf: our runtime against upb on the same bytes, interleaved runs on one CPU, best of each. upb is the one
# inside Python's protobuf package, built from its source distribution (PyPI) as C, -O3, without Python.
#   PB_SECONDS=1 PB_RUNS=3 bench/protobuf_upb.sh
. "$(dirname "$0")/lib.sh"
seconds=${PB_SECONDS:-1} runs=${PB_RUNS:-3} version=${UPB_VERSION:-4.25.5}
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/upb
src=$cache/protobuf-$version
if [ ! -f "$src/libupb.a" ]; then
  mkdir -p "$cache" && python3 -m pip download -q --no-deps --no-binary protobuf "protobuf==$version" -d "$cache" >/dev/null 2>&1
  [ -f "$cache/protobuf-$version.tar.gz" ] || { echo "SKIP: PyPI's protobuf is out of reach"; exit 0; }
  tar xzf "$cache/protobuf-$version.tar.gz" -C "$cache" &&
    (cd "$src" && mkdir -p obj && find upb utf8_range/naive.c utf8_range/range2-sse.c google/protobuf/descriptor.upb*.c -name '*.c' \
      ! -name round_trip.c ! -name upb_so.c ! -name descriptor.upbdefs.c | while read -r f; do
        cc -O3 -DNDEBUG -march=native -fPIC -I. -Iutf8_range -c "$f" -o "obj/$(tr / _ <<<"$f").o" || exit 1
      done && ar rcs libupb.a obj/*.o) >&2 || { echo "SKIP: upb does not build"; exit 0; }
fi
cc -O3 -DNDEBUG -march=native -I"$src" -o "$BENCH_TMP/peer" "$BENCH_ROOT/bench/protobuf/upb_peer.c" "$src/libupb.a" -lm || exit 1
protoc -I"$BENCH_ROOT/bench/protobuf" -o "$BENCH_TMP/bench.pb" bench.proto || exit 1
bench_build bench/protobuf/pb-ours
for _ in $(seq "$runs"); do
  taskset -c 0 "$BENCH_BUILD/bench/protobuf/pb-ours" "$BENCH_TMP" "$seconds" >>"$BENCH_TMP/ours" || exit 1
  taskset -c 0 "$BENCH_TMP/peer" "$BENCH_TMP" "$seconds" >>"$BENCH_TMP/theirs" || exit 1
done
echo "### Protobuf, upb of protobuf $version"
echo
echo "| message | direction | ours MB/s | upb MB/s | ours ns | upb ns | ratio |"
echo "|---|---|--:|--:|--:|--:|--:|"
awk '{ k = $1 " " $2; f = FILENAME ~ /ours$/ ? 0 : 1
       if (!(k in seen)) { seen[k] = 1; order[++n] = k }
       if ($3 > mb[k, f]) { mb[k, f] = $3; ns[k, f] = $4 } }
     END { for (i = 1; i <= n; i++) { k = order[i]; split(k, w, " ")
       printf "| %s | %s | %.0f | %.0f | %.0f | %.0f | %.2f |\n", w[1], w[2], mb[k, 0], mb[k, 1],
              ns[k, 0], ns[k, 1], mb[k, 0] / mb[k, 1] } }' "$BENCH_TMP/ours" "$BENCH_TMP/theirs"
