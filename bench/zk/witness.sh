#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Witnesses against the C++ generator of circom 2 (npm circom2 --c) as processes, and our ways to run
# many of them against one at a time: single, eight lanes, cache, constraint check.
#   bench/zk/witness.sh [CIRCUIT...]     BENCH_RUNS=31 processes of each
# The peer's binaries take minutes of g++ each; they are kept in the cache.
set -u
cd "$(dirname "$0")/../.."
. bench/lib.sh
BENCH_TARGETS="bench/zk/bench_witness cmd/sennit-witness/sennit-witness"
bench_build
ours=$BENCH_BUILD/bench/zk/bench_witness runner=$BENCH_BUILD/cmd/sennit-witness/sennit-witness
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sennit/bench-zk-witness
mkdir -p "$cache"
(cd "$cache" && [ -d node_modules/circomlib ] || npm install --prefix "$cache" --silent --no-audit --no-fund \
  circom2@0.2.23 circomlib@2.0.5 >/dev/null 2>&1) || { echo "bench: npm's packages are out of reach" >&2; exit 1; }
[ $# -gt 0 ] || set -- poseidon2 eddsa_poseidon smtverifier32 sha256_512

# inputs NAME - of the circuit, from tests/interop/zk where it has some.
inputs() {
  case $1 in
    smtverifier32) python3 -c '
import json
print(json.dumps(dict(enabled=0, root=0, siblings=[0] * 32, oldKey=0, oldValue=0, isOld0=0, key=5, value=6, fnc=0)))' ;;
    *) cat "tests/interop/zk/$1.json" ;;
  esac
}
circuit() {
  case $1 in
    smtverifier32) sed 's/SMTVerifier(10)/SMTVerifier(32)/' tests/interop/zk/smtverifier10.circom ;;
    *) cat "tests/interop/zk/$1.circom" ;;
  esac
}
# peer NAME - builds the peer's binary once; empty where g++, nasm or a header is missing.
peer() {
  local dir=$cache/$1_cpp
  [ -x "$dir/$1" ] && { echo "$dir/$1"; return; }
  command -v g++ nasm >/dev/null || return
  cp "$BENCH_TMP/$1.circom" "$cache/" && mkdir -p "$cache/lib" && cp -r "$cache/node_modules/circomlib" "$cache/lib/"
  (cd "$cache" && node_modules/.bin/circom2 "$1.circom" -l lib --c --O2 && make -C "$1_cpp") >"$cache/$1.log" 2>&1 &&
    echo "$dir/$1"
}

echo "### Witness"
echo
echo "\`bench/zk/witness.sh\`; circom 2.2.3 (npm circom2 0.2.23) C++ at -O3, $(bench_machine)"
echo
echo "A process reads its program and input.json and writes the .wtns file: medians of ${BENCH_RUNS:-31}, wall and CPU milliseconds."
echo "Library calls: CPU microseconds, the least of 30 to 90."
echo
echo "Rows: products entry by entry over compressed sparse rows; plain: without products by 1 and -1 and of zeros; check: eight at a time."
echo
echo "| circuit | process | C++ process | C++ / ours wall | C++ / ours CPU | load | one | one of 16 in lanes | one / lanes | rows | plain | check | rows / check | plain / check |"
echo "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
for name in "$@"; do
  circuit "$name" >"$BENCH_TMP/$name.circom"
  inputs "$name" >"$BENCH_TMP/$name.json"
  snw=$BENCH_TMP/$name.snw
  "$ours" compile "$BENCH_TMP/$name.circom" "$snw" -l "$cache/node_modules" || exit 1
  read -r wall cpu < <("$ours" spawn "${BENCH_RUNS:-31}" "$runner" "$snw" "$BENCH_TMP/$name.json" "$BENCH_TMP/$name.wtns")
  theirs=$(peer "$name") peer_wall=- peer_cpu=-
  [ -n "$theirs" ] && read -r peer_wall peer_cpu < <("$ours" spawn "${BENCH_RUNS:-31}" "$theirs" "$BENCH_TMP/$name.json" "$BENCH_TMP/peer.wtns")
  : >"$BENCH_TMP/times"
  for _ in 1 2 3; do
    "$ours" time "$snw" "$BENCH_TMP/$name.json" >>"$BENCH_TMP/times" || exit 1
    "$ours" check "$snw.r1cs" "$BENCH_TMP/$name.wtns" >>"$BENCH_TMP/times" || exit 1
  done
  t() { awk -v w="$1" '$1==w && (!n++ || $2 < m) {m = $2} END {print m}' "$BENCH_TMP/times"; }
  lane=$(bench_div "$(t many16)" 16 %.1f)
  echo "| $name | $wall ($cpu) | $peer_wall ($peer_cpu) | $(bench_div "$peer_wall" "$wall")x | $(bench_div "$peer_cpu" "$cpu")x" \
    "| $(t load) | $(t one16 | awk '{printf "%.1f", $1 / 16}') | $lane | $(bench_div "$(t one16)" "$(t many16)")x" \
    "| $(t rows) | $(t plain) | $(t check) | $(bench_div "$(t rows)" "$(t check)")x | $(bench_div "$(t plain)" "$(t check)")x |"
done
echo
echo "One witness of a circuit with four EdDSA verifiers that do not depend on each other: wall milliseconds, medians of 31 in turn."
echo
sed -e 's/component main.*//' tests/interop/zk/eddsa_poseidon.circom >"$BENCH_TMP/four.circom"
cat >>"$BENCH_TMP/four.circom" <<'END'
template Four() {
  signal input enabled; signal input Ax; signal input Ay; signal input S; signal input R8x; signal input R8y; signal input M;
  component v[4];
  for (var i = 0; i < 4; i++) {
    v[i] = EdDSAPoseidonVerifier();
    v[i].enabled <== enabled; v[i].Ax <== Ax; v[i].Ay <== Ay; v[i].S <== S; v[i].R8x <== R8x; v[i].R8y <== R8y; v[i].M <== M;
  }
}
component main = Four();
END
"$ours" compile "$BENCH_TMP/four.circom" "$BENCH_TMP/four.snw" -l "$cache/node_modules" || exit 1
read -r alone two < <("$ours" beside "$BENCH_TMP/four.snw" tests/interop/zk/eddsa_poseidon.json)
echo "One thread $alone, two threads $two: $(bench_div "$alone" "$two")x."
echo
echo "Cache: 4,000 requests for 500 different inputs, Zipf with exponent 1, the cache holds 125 witnesses."
echo
echo "| circuit | hit rate | without | with | without / with |"
echo "|---|---|---|---|---|"
for name in poseidon2 smtverifier32; do
  [ -f "$BENCH_TMP/$name.snw" ] || continue
  read -r rate without with < <("$ours" cache "$BENCH_TMP/$name.snw" "$BENCH_TMP/$name.json")
  echo "| $name | $rate | $without ms | $with ms | $(bench_div "$without" "$with")x |"
done
