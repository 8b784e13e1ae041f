#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ABI encoding and decoding: Sennit, alloy, go-ethereum, viem, ethers; MB of encoded bytes per CPU second.
#   bench/abi.sh       BENCH_RUNS=3 runs of each, interleaved on one CPU
# The corpus is ethers' published one (npm @ethersproject/testcases): 1,880 random types and values.
set -u
cd "$(dirname "$0")/.."
. bench/lib.sh
BENCH_TARGETS="bench/evm/bench_evm"
bench_build
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sennit/bench-evm
mkdir -p "$cache"
(cd "$cache" && [ -d node_modules/viem ] || npm install --prefix "$cache" --silent --no-audit --no-fund \
  @ethersproject/testcases@5.8.0 viem@2.57.0 ethers@6.17.0 >/dev/null 2>&1) || { echo "bench: npm's packages are out of reach" >&2; exit 1; }
python3 - "$cache/node_modules/@ethersproject/testcases/testcases/contract-interface-abi2.json.gz" >"$BENCH_TMP/corpus" <<'PY'
import gzip, json, sys
for r in json.load(gzip.open(sys.argv[1])):
    if len(r["result"]) > 2:
        print(json.dumps({"abi": r["interface"], "data": r["result"]}))
PY
peers=()
if command -v go >/dev/null; then
  cp bench/evm/go/main.go bench/evm/go/go.mod "$cache/" &&
    (cd "$cache" && go mod tidy >/dev/null 2>&1 && go build -o bench_go .) && peers+=(geth)
fi
if command -v cargo >/dev/null; then
  mkdir -p "$cache/alloy" && cp -r bench/evm/rust/. "$cache/alloy/" &&
    cargo build --release --quiet --manifest-path "$cache/alloy/Cargo.toml" --target-dir "$cache/rust" >/dev/null 2>&1 && peers+=(alloy)
fi
cp bench/evm/peers.mjs "$cache/"
: >"$BENCH_TMP/rows"
for _ in $(seq "${BENCH_RUNS:-3}"); do
  taskset -c 0 "$BENCH_BUILD/bench/evm/bench_evm" "$BENCH_TMP/corpus" >>"$BENCH_TMP/rows" || exit 1
  for p in "${peers[@]}"; do
    case $p in
      geth) GOMAXPROCS=1 taskset -c 0 "$cache/bench_go" "$BENCH_TMP/corpus" ;;
      alloy) taskset -c 0 "$cache/rust/release/bench_evm" "$BENCH_TMP/corpus" ;;
    esac >>"$BENCH_TMP/rows" || exit 1
  done
  for p in viem ethers; do taskset -c 0 node "$cache/peers.mjs" $p "$BENCH_TMP/corpus" >>"$BENCH_TMP/rows" || exit 1; done
done
cell() {
  local v
  v=$(awk -v w="$1" -v o="$2" '$1==w && $2==o {print $3}' "$BENCH_TMP/rows")
  [ -n "$v" ] && bench_median $v || echo -
}
ratio() { [ "$2" = - ] && echo - || bench_div "$1" "$2"; }
echo "## Contract ABI: MB of encoded bytes per CPU second (median of ${BENCH_RUNS:-3} interleaved runs)"
echo
echo "\`bench/abi.sh\`; viem 2.57, ethers 6.17, go-ethereum 1.16, alloy 1 (dynamic types), $(bench_machine)"
echo
echo "| | Sennit | alloy | geth | viem | ethers | / alloy | / geth | / viem | / ethers |"
echo "|---|---|---|---|---|---|---|---|---|---|"
for what in decode encode; do
  s=$(cell sennit $what) a=$(cell alloy $what) g=$(cell geth $what) v=$(cell viem $what) e=$(cell ethers $what)
  echo "| $what | $s | $a | $g | $v | $e | $(ratio "$s" "$a") | $(ratio "$s" "$g") | $(ratio "$s" "$v") | $(ratio "$s" "$e") |"
done
