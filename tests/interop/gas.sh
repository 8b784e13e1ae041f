#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The gas estimator against anvil behind a proxy: each of its ways, and providers that fail or lie.
# usage: gas.sh SENNIT SOURCE_ROOT
set -eu
sennit=$(realpath "$1") root=$2
peers=${SENNIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit}/gas
for tool in node npm; do command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed"; exit 77; }; done
mkdir -p "$peers"
[ -f "$peers/package.json" ] || echo '{"name":"gas-peers","private":true}' >"$peers/package.json"
for p in @foundry-rs/anvil solc ethers; do
  [ -d "$peers/node_modules/$p" ] && continue
  (cd "$peers" && npm install --ignore-scripts --no-audit --no-fund --no-save @foundry-rs/anvil@1.7.1 solc@0.8.37 ethers@6.17.0 >/dev/null 2>&1) ||
    { echo "SKIP: the npm packages are out of reach"; exit 77; }
done
exec timeout 240 node "$root/tests/interop/evm/gas.mjs" "$sennit" "$peers"
