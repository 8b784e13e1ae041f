#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# circomlib's own tests, unchanged, over npm circom_tester: it calls the `circom` on PATH, which here is
# `sennit zk compile`, and computes witnesses with the WebAssembly calculator that writes. A test file where
# something fails is run with npm circom2 too: what fails there in the same words is circomlib's.
# usage: circomlib_tests.sh SENNIT SOURCE_ROOT [FILE...]: only these test files
set -u
sennit=$(realpath "$1")
shift 2
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/circomlib-tests
command -v npm >/dev/null || { echo "SKIP: npm is not installed"; exit 77; }
mkdir -p "$cache"
if [ ! -d "$cache/node_modules/mocha" ]; then
  (cd "$cache" && npm install --silent --no-audit --no-fund circomlib@2.0.5 circom_tester@0.0.24 circomlibjs@0.1.7 \
    circom2@0.2.23 mocha@9.2.2 chai@4.3.10 blake-hash@2.0.0) >/dev/null 2>&1 ||
    { echo "SKIP: circom_tester and what circomlib's tests need are out of reach"; exit 77; }
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$sennit" zk compile --wasm "$tmp/none.circom" 2>&1 | grep -q 'no WebAssembly runtime' &&
  { echo "SKIP: this build of sennit has no WebAssembly runtime"; exit 77; }
cp -r "$cache/node_modules/circomlib" "$tmp/lib" && ln -s "$cache/node_modules" "$tmp/lib/node_modules" || exit 1
cd "$tmp/lib" || exit 1
# on_path DIR COMMAND - a folder whose circom is that command; circom_tester asks for its version first.
on_path() {
  mkdir -p "$1"
  printf '#!/bin/sh\n[ "$1" = --version ] && { echo "circom compiler 2.2.3"; exit 0; }\nexec %s "$@"\n' "$2" >"$1/circom"
  chmod +x "$1/circom"
}
on_path "$tmp/ours" "$sennit zk compile"
on_path "$tmp/theirs" "$cache/node_modules/.bin/circom2"
# verdicts DIR FILE - a line for each test: passed or failed, name, reason.
verdicts() {
  PATH=$1:$PATH node_modules/.bin/mocha --timeout 600000 --reporter json "$2" 2>"$tmp/err" >"$tmp/report"
  # Circuits may print: the report is what begins with a line "{".
  sed -n '/^{$/,$p' "$tmp/report" | node -e '
    const r = JSON.parse(require("fs").readFileSync(0));
    for (const t of r.passes) console.log("passed\t" + t.fullTitle);
    for (const t of r.failures) console.log("failed\t" + t.fullTitle + ": " + t.err.message.split("\n")[0]);' 2>>"$tmp/err"
}
passed=0 failed=0
[ $# -gt 0 ] || set -- test/*.js
for file in "$@"; do
  verdicts "$tmp/ours" "$file" >"$tmp/a"
  [ -s "$tmp/a" ] || { failed=$((failed + 1)); echo "FAIL $file: no verdicts"; tail -5 "$tmp/err"; continue; }
  : >"$tmp/b"
  grep -q '^failed' "$tmp/a" && verdicts "$tmp/theirs" "$file" >"$tmp/b"
  while IFS=$'\t' read -r verdict test; do
    if [ "$verdict" = passed ]; then
      passed=$((passed + 1))
    elif grep -qxF "$verdict"$'\t'"$test" "$tmp/b"; then
      passed=$((passed + 1)) && echo "as with circom2, which fails it in the same words: $test"
    else
      failed=$((failed + 1)) && echo "FAIL $file: $test"
    fi
  done <"$tmp/a"
  echo "$(grep -c . "$tmp/a") tests in $file"
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
