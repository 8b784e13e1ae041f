#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gas: what `sennit abi gas` predicted against receipts on anvil, beside eth_estimateGas, ethers and
# viem; 50 contracts (bench/gas/corpus.mjs: OpenZeppelin, Uniswap v2 and v3, solmate, solady, ERC721A,
# Safe, Aave). Corpus, seed and how many calls are parameters; `--misses` lists what was wrong.
#   GAS_CALLS=300 GAS_SEED=1 GAS_DRIFTS=0,1,6 GAS_CORPUS=FILE bench/gas.sh [--misses] [--args "--quick"]
. "$(dirname "$0")/lib.sh"
. "$BENCH_ROOT/tests/interop/evm/peers.sh"
peers=${SENNIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit}/gas
npm_peers "$peers" @foundry-rs/anvil@1.7.1 solc@0.8.37 @openzeppelin/contracts@5.7.0 @uniswap/v2-core@1.0.1 \
  @uniswap/v2-periphery@1.1.0-beta.0 @uniswap/v3-core@1.0.1 @uniswap/v3-periphery@1.4.4 solmate@6.8.0 solady@0.1.26 \
  erc721a@4.3.0 @safe-global/safe-contracts@1.4.1 @aave/core-v3@1.19.3 viem@2.57.20 ethers@6.17.0 || exit 0
bench_build cmd/sennit/sennit
echo "anvil 1.7.1, solc 0.8.37, ethers 6.17, viem 2.57"
node "$BENCH_ROOT/bench/gas/run.mjs" "$BENCH_BUILD/cmd/sennit/sennit" "$peers" --calls "${GAS_CALLS:-300}" --seed "${GAS_SEED:-1}" \
  --drifts "${GAS_DRIFTS:-0,1,6}" ${GAS_CORPUS:+--corpus "$GAS_CORPUS"} "$@"
