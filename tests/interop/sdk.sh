#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Generated packages against a real node: for each language the package of Kitchen.sol is built with
# the language's strictest checks and runs one scenario on anvil (deploy, calls, events, errors). All
# languages must print the same lines. Then every contract of OpenZeppelin goes through the generator
# and the checkers of all languages.
# usage: sdk.sh SENNIT SOURCE_ROOT BUILD_ROOT; SDK_LANGS="ts py go rust c" SDK_MATRIX=1
set -eu
sennit=$1 root=$2 build=$3
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

# A node of its own for each language, so that all see the same chain. The account is anvil's first
# one; its key stands in anvil's manual.
account=0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266
key=0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80
node_start() {
  "$bin/anvil" --port 0 --host 127.0.0.1 >"$tmp/anvil.log" 2>&1 &
  node=$!
  pids+=("$node")
  url=
  for _ in $(seq 200); do
    url=$(sed -n 's/^Listening on //p' "$tmp/anvil.log")
    [ -z "$url" ] || break
    sleep 0.05
  done
  [ -n "$url" ] || { cat "$tmp/anvil.log"; exit 1; }
  url=http://$url
}
# The scripted node of the gas checks, for all of them.
gas_node_start() {
  node "$here/gas_node.mjs" "$here/gas.json" >"$tmp/gas_node" &
  pids+=($!)
  for _ in $(seq 200); do [ -s "$tmp/gas_node" ] && break; sleep 0.05; done
  gas=("$here/gas.json" "$(cat "$tmp/gas_node")")
}
node_stop() { kill "$node" 2>/dev/null || :; wait "$node" 2>/dev/null || :; }

node "$here/compile.mjs" "$cache/npm/node_modules/solc/index.js" "$tmp" "$here/Kitchen.sol"
sdk=$tmp/sdk
"$sennit" abi gen -q -o "$sdk" -p kitchen "$tmp/contracts.json"
"$sennit" abi gen -q -o "$sdk" -p kitchen --check "$tmp/contracts.json"

# check LANG FOLDER - the language's own checks on a package.
check_ts() { ln -sfn "$cache/npm/node_modules" "$1/node_modules" && (cd "$1" && "$bin/tsc" -p .); }
check_py() {
  (cd "$1" && MYPYPATH=src "$cache/py/bin/mypy" --strict --cache-dir "$cache/mypy" src &&
    "$bin/pyright" --pythonpath "$cache/py/bin/python" src)
}
check_rust() {
  [ ! -f "$cache/Cargo.lock" ] || cp "$cache/Cargo.lock" "$1/"
  (cd "$1" && cargo clippy -q -- -D warnings) && cp "$1/Cargo.lock" "$cache/"
}
check_go() {
  [ ! -f "$cache/go.sum" ] || cp "$cache/go.sum" "$1/"
  (cd "$1" && go vet ./... && [ -z "$(gofmt -l .)" ]) && cp "$1/go.sum" "$cache/"
}
# As many headers as there are, in one translation unit of each contract.
check_c() {
  local f
  for f in "$1"/*.c; do
    "${CC:-cc}" -std=gnu17 -Wall -Wextra -Werror -fsyntax-only -I"$root/base" -I"$root/chains" "$f" || return 1
  done
}
# run LANG - builds the scenario in the package and runs it.
run_ts() {
  mkdir -p "$sdk/ts/scenario" && cp "$here/ts.ts" "$sdk/ts/scenario/main.ts"
  (cd "$sdk/ts" && sed 's/"src"\]/"src", "scenario"]/; s/"rootDir": "src"/"rootDir": "."/; s/"types": \[\]/"types": ["node"]/' \
      tsconfig.json >tsconfig.all.json && "$bin/tsc" -p tsconfig.all.json --outDir out &&
    node out/scenario/main.js "$url" "$account" "${gas[@]}")
}
run_py() { PYTHONPATH=$sdk/py/src "$cache/py/bin/python" "$here/py.py" "$url" "$account" "${gas[@]}"; }
run_go() {
  mkdir -p "$sdk/go/scenario" && cp "$here/go.go" "$sdk/go/scenario/main.go"
  (cd "$sdk/go" && go vet ./scenario && go run ./scenario "$url" "$account" "$key" "${gas[@]}")
}
run_rust() {
  mkdir -p "$sdk/rust/examples" && cp "$here/rust.rs" "$sdk/rust/examples/scenario.rs"
  cat >>"$sdk/rust/Cargo.toml" <<'TOML'

[dev-dependencies]
alloy = { version = "2", default-features = false, features = ["provider-http", "reqwest", "signer-local"] }
tokio = { version = "1", features = ["macros", "rt"] }
[profile.dev]
debug = 0
TOML
  (cd "$sdk/rust" && cargo run -q --example scenario "$url" "$account" "$key" "${gas[@]}")
}

run_c() {
  # The libraries of a plain build; what they stand on is in docs/dependencies.md.
  "${CC:-cc}" -std=gnu17 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -I"$root/base" -I"$root/chains" -include "$sdk/c/kitchen.h" \
    -include "$sdk/c/shelf.h" -o "$tmp/scenario" "$here/c.c" "$sdk"/c/*.c -Wl,--as-needed -Wl,--start-group \
    "$build"/chains/evm/gen/libsn_evm_sdk.a "$build"/chains/evm/libsn_evm.a \
    "$build"/base/{kit,fiber,wire,crypto,core}/libsn_*.a -lssl -lcrypto -lnghttp2 -lyaml -lz -lsecp256k1 \
    -ldw -lelf -lpcre2-8 -lm -pthread -Wl,--end-group && "$tmp/scenario" "$url" "$account" "${gas[@]}"
}

failed=0
gas_node_start
for lang in $langs; do
  "check_$lang" "$sdk/$lang" >"$tmp/$lang.check" 2>&1 ||
    { echo "FAIL $lang: checks"; head -40 "$tmp/$lang.check"; failed=1; continue; }
  node_start
  "run_$lang" >"$tmp/$lang.out" 2>"$tmp/$lang.err" || { echo "FAIL $lang: scenario"; head -40 "$tmp/$lang.err"; failed=1; }
  node_stop
  if diff "$here/expected.txt" "$tmp/$lang.out" >"$tmp/$lang.diff"; then
    echo "ok $lang: $(wc -l <"$tmp/$lang.out") lines as expected"
  else
    echo "FAIL $lang: other lines than expected"; head -40 "$tmp/$lang.diff"; failed=1
  fi
done
[ "${SDK_MATRIX:-1}" = 1 ] || exit $failed

# Every contract of OpenZeppelin.
oz=$cache/npm/node_modules/@openzeppelin/contracts/build/contracts
start=$(date +%s%N)
"$sennit" abi gen -q -o "$tmp/oz" -p oz "$oz"
echo "generated $(ls "$oz" | wc -l) ABIs in all languages in $((($(date +%s%N) - start) / 1000000)) ms"
for lang in $langs; do
  start=$(date +%s%N)
  if "check_$lang" "$tmp/oz/$lang" >"$tmp/oz.$lang" 2>&1; then
    echo "ok $lang: OpenZeppelin, checked in $((($(date +%s%N) - start) / 1000000)) ms"
  else
    echo "FAIL $lang: OpenZeppelin"; head -40 "$tmp/oz.$lang"; failed=1
  fi
done
exit $failed
