#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fees: where a transaction lands with what `sennit abi fees` suggests, beside ethers, viem, web3.py and
# go-ethereum's rule, all asking one scripted node (bench/fees/chain.mjs: EIP-1559 under steady, bursting,
# ramping, elastic and little demand) or a recorded path (an eth_feeHistory answer).
#   FEES_SEED=1 FEES_PROBES=100 FEES_BLOCKS=1,3,6 FEES_REPLAY=FILE bench/fees.sh
. "$(dirname "$0")/lib.sh"
for tool in node npm; do
  command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed"; exit 0; }
done
peers=${XDG_CACHE_HOME:-$HOME/.cache}/sennit/gas
mkdir -p "$peers"
[ -f "$peers/package.json" ] || echo '{"name":"gas-peers","private":true}' >"$peers/package.json"
want=(viem@2.57.20 ethers@6.17.0)
[ -d "$peers/node_modules/viem" ] && [ -d "$peers/node_modules/ethers" ] ||
  (cd "$peers" && npm install --legacy-peer-deps --ignore-scripts --no-audit --no-fund --no-save "${want[@]}" >"$BENCH_TMP/npm" 2>&1) ||
  { tail -5 "$BENCH_TMP/npm"; echo "SKIP: the packages cannot be installed"; exit 0; }
python=$peers/py/bin/python
[ -x "$python" ] || { python3 -m venv "$peers/py" && "$peers/py/bin/pip" -q install 'web3==8.0.0' >"$BENCH_TMP/pip" 2>&1; } ||
  { echo "web3.py cannot be installed: left out"; python=; }
bench_build cmd/sennit/sennit
echo "ethers 6.17, viem 2.57, web3.py 8.0"
node "$BENCH_ROOT/bench/fees/run.mjs" "$BENCH_BUILD/cmd/sennit/sennit" "$peers" --seed "${FEES_SEED:-1}" --probes "${FEES_PROBES:-100}" \
  --blocks "${FEES_BLOCKS:-1,3,6}" ${FEES_REPLAY:+--replay "$FEES_REPLAY"} ${python:+--python "$python"} "$@"
