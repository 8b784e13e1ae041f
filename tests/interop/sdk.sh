#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Generated packages against a real node: for each language the package of Kitchen.sol is built with
# the language's strictest checks and runs one scenario on anvil (deploy, calls, events, errors). All
# languages must print the same lines. Then every contract of OpenZeppelin goes through the generator
# and the checkers of all languages.
# usage: sdk.sh SENNIT SOURCE_ROOT [BUILD_ROOT]; SDK_LANGS="ts py go rust c" SDK_MATRIX=1
set -eu
sennit=$1 root=$2 build=${3:-}
here=$root/tests/interop/sdk
langs=${SDK_LANGS:-ts py go rust c}
cache=${SENNIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit}/sdk
tmp=$(mktemp -d)
pids=()
cleanup() { for p in "${pids[@]:-}"; do [ -z "$p" ] || { kill "$p"; wait "$p"; } 2>/dev/null || :; done; rm -rf "$tmp"; }
trap cleanup EXIT
skip() { echo "SKIP: $*"; exit 77; }
wants() { case " $langs " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

# Peers, once, outside the checkout.
mkdir -p "$cache/npm"
command -v npm >/dev/null || skip "npm is not installed"
if [ ! -x "$cache/npm/node_modules/.bin/anvil" ] || [ ! -d "$cache/npm/node_modules/viem" ]; then
  (cd "$cache/npm" && { [ -f package.json ] || npm init -y >/dev/null; } &&
    npm i --no-audit --no-fund typescript@6 viem@2 solc@0.8.37 @foundry-rs/anvil@1.7.1 \
      @openzeppelin/contracts@5.7.0 pyright@1.1 @types/node >"$tmp/npm.log" 2>&1) ||
    skip "the npm packages are out of reach"
fi
bin=$cache/npm/node_modules/.bin
if wants py && [ ! -x "$cache/py/bin/mypy" ]; then
  python3 -m venv "$cache/py" && "$cache/py/bin/pip" -q install 'web3>=8,<9' mypy >"$tmp/pip.log" 2>&1 ||
    skip "the Python packages are out of reach"
fi
wants go && ! command -v go >/dev/null && langs=${langs/go/} && echo "go is not installed: left out"
wants rust && ! command -v cargo >/dev/null && langs=${langs/rust/} && echo "cargo is not installed: left out"
export GOFLAGS=-mod=mod GOTOOLCHAIN=local CARGO_TARGET_DIR=$cache/rust-target

# A node of its own for each language, so that all see the same chain. Anvil's first account; its key
# is anvil's own and in its manual.
account=0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266
key=0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80
node_start() {
  "$bin/anvil" --port 0 --silent --host 127.0.0.1 >"$tmp/anvil.log" 2>&1 &
  pids+=("$!")
  node=$!
}
