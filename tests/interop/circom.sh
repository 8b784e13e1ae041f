#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Against circom 2 (npm circom2) and its WASM witness generator: constraint counts at every level,
# names and numbers of all signals, and every signal's value at O0, for the circuits in
# tests/interop/zk (the language, and circomlib's). All of circomlib: circomlib.py.
# usage: circom.sh CIRCOM_PEER SOURCE_ROOT
set -u
peer=$(realpath "$1") root=$2 here=$2/tests/interop/zk
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/circom
command -v node >/dev/null || { echo "SKIP: node is not installed"; exit 77; }
mkdir -p "$cache"
if [ ! -d "$cache/node_modules/circomlib" ] || [ ! -d "$cache/node_modules/circom2" ]; then
    (cd "$cache" && npm install --silent --no-audit --no-fund circom2@0.2.23 snarkjs@0.7.6 circomlib@2.0.5) \
        >/dev/null 2>&1 || { echo "SKIP: circom2 and circomlib from npm are out of reach"; exit 77; }
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# The peer sees nothing outside of its working directory.
cd "$tmp" && mkdir lib && cp -r "$cache/node_modules/circomlib" lib/ || exit 1
cp "$here"/*.circom "$here"/*.json .
bin=$cache/node_modules/.bin
circom2() { "$bin/circom2" "$@" 2>&1 | sed 's/\x1b\[[0-9;]*m//g'; }
counts() { awk -F': ' '/^non-linear/ {n=$2} /^linear/ {l=$2} /^wires/ {w=$2} END {print n, l, w}'; }
passed=0 failed=0
ok() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); echo "FAIL $*"; }

printf '%-18s %-16s %-16s %-16s %s\n' circuit O0 O1 O2 values
for main in *.circom; do
    name=${main%.circom}
    in=$name.json
    [ -f "$in" ] || in=
    "$peer" "$main" ours -l lib ${in:+-i "$in"} >ours.out 2>ours.err ||
        { fail "$name: $(cat ours.out ours.err | tail -3)"; continue; }
    row=
    for level in 0 1 2; do
        extra=
        [ "$level" = 0 ] && extra="--sym --wasm"
        # shellcheck disable=SC2086
        theirs=$(circom2 "$main" -l lib --r1cs --O$level $extra | counts)
        ours=$(awk -v l="O$level" '$1 == l {print $2, $3, $4}' ours.out)
        row="$row $(printf '%-16s' "$(echo "${ours% *}" | tr ' ' '+')")"
        # From O1 on the number of wires is ours to choose; constraints are not.
        if [ "$level" = 0 ]; then
            [ "$theirs" = "$ours" ] && ok || fail "$name O0: circom2 says $theirs, here $ours"
        else
            [ "${theirs% *}" = "${ours% *}" ] && ok ||
                fail "$name O$level: circom2 says $theirs, here $ours"
        fi
    done
    cut -d, -f1,2,4 "$name.sym" | cmp -s - ours.sym && ok || fail "$name: other names or numbers"
    values=-
    if [ -n "$in" ]; then
        node "${name}_js/generate_witness.js" "${name}_js/$name.wasm" "$in" w.wtns >/dev/null 2>&1 &&
            "$bin/snarkjs" wej w.wtns w.json >/dev/null 2>&1
        tr -d ' ",[]' <w.json | grep . | cmp -s - ours.labels && ok || fail "$name: other values"
        values=$(wc -l <ours.labels)
        rm -f w.wtns w.json
    fi
    printf '%-18s%s %s\n' "$name" "$row" "$values"
done

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
