#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The gas estimator against anvil behind a proxy: each of its ways, and providers that fail or lie.
# usage: gas.sh SENNIT SOURCE_ROOT
set -eu
sennit=$(realpath "$1") root=$2
. "$root/tests/interop/evm/peers.sh"
peers=${SENNIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit}/gas
npm_peers "$peers" @foundry-rs/anvil@1.7.1 solc@0.8.37 ethers@6.17.0 || exit 77
exec timeout 240 node "$root/tests/interop/evm/gas.mjs" "$sennit" "$peers"
