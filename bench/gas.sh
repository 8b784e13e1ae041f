#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gas: what `sennit abi gas` predicted against receipts on anvil, beside eth_estimateGas, ethers and
# viem; 33 contracts made of published ones (bench/gas/corpus.sol). Corpus and seed are parameters.
#   GAS_CALLS=300 GAS_SEED=1 GAS_DRIFTS=0,1,6 bench/gas.sh [--misses] [--method trace]
. "$(dirname "$0")/lib.sh"
for tool in node npm; do
  command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed"; exit 0; }
done
peers=${XDG_CACHE_HOME:-$HOME/.cache}/sennit/gas
mkdir -p "$peers"
[ -f "$peers/package.json" ] || echo '{"name":"gas-peers","private":true}' >"$peers/package.json"
want=(@foundry-rs/anvil@1.7.1 solc@0.8.37 @openzeppelin/contracts@5.7.0 @uniswap/v2-core@1.0.1 solmate@6.8.0
  viem@2.57.20 ethers@6.17.0)
if ! (cd "$peers" && npm ls "${want[@]}" >/dev/null 2>&1); then
  (cd "$peers" && npm install --no-audit --no-fund --no-save "${want[@]}" >"$BENCH_TMP/npm" 2>&1) ||
    { tail -5 "$BENCH_TMP/npm"; echo "SKIP: the packages cannot be installed"; exit 0; }
fi
bench_build cmd/sennit/sennit
echo "anvil 1.7.1, solc 0.8.37, ethers 6.17, viem 2.57"
node "$BENCH_ROOT/bench/gas/run.mjs" "$BENCH_BUILD/cmd/sennit/sennit" "$peers" \
  --calls "${GAS_CALLS:-300}" --seed "${GAS_SEED:-1}" --drifts "${GAS_DRIFTS:-0,1,6}" "$@"
