#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fees: where a transaction lands with what `sennit abi fees` suggests, beside ethers, viem, web3.py and
# go-ethereum's rule, all asking one scripted node (bench/fees/chain.mjs: EIP-1559 under steady, bursting,
# ramping, elastic and little demand) or a recorded path: FEES_REPLAY names an eth_feeHistory answer, or an array of
# blocks ({number, base_fee_per_gas, gas_used, gas_limit, avg_priority_fee}).
#   FEES_SEED=1 FEES_PROBES=100 FEES_BLOCKS=1,3,6 FEES_REPLAY=FILE bench/fees.sh
. "$(dirname "$0")/lib.sh"
. "$BENCH_ROOT/tests/interop/evm/peers.sh"
peers=${SENNIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit}/gas
npm_peers "$peers" viem@2.57.20 ethers@6.17.0 || exit 0
python=$peers/py/bin/python
[ -x "$python" ] || { python3 -m venv "$peers/py" && "$peers/py/bin/pip" -q install 'web3==8.0.0' >"$BENCH_TMP/pip" 2>&1; } ||
  { echo "web3.py cannot be installed: left out"; python=; }
bench_build cmd/sennit/sennit
echo "ethers 6.17, viem 2.57, web3.py 8.0"
node "$BENCH_ROOT/bench/fees/run.mjs" "$BENCH_BUILD/cmd/sennit/sennit" "$peers" --seed "${FEES_SEED:-1}" --probes "${FEES_PROBES:-100}" \
  --blocks "${FEES_BLOCKS:-1,3,6}" ${FEES_REPLAY:+--replay "$FEES_REPLAY"} ${python:+--python "$python"} "$@"
