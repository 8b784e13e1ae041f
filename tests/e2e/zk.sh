#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sennit zk compile, witness, check, info from the command line: files, figures, exit statuses, and that
# a command that fails leaves the files there were. Every other tool of the field stays out: see interop.
# usage: zk.sh SENNIT SENNIT_WITNESS
set -u
sennit=$(realpath "$1") runner=$(realpath "$2")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
export SENNIT_CACHE=$tmp/cache
passed=0 failed=0
# expect STATUS NAME COMMAND... - output goes to out and err.
expect() {
  local want=$1 name=$2 got
  shift 2
  "$@" >out 2>err
  got=$?
  if [ "$got" = "$want" ]; then passed=$((passed + 1)); else
    failed=$((failed + 1)); echo "FAIL $name: exit status $got, expected $want"; cat out err
  fi
}
# has FILE PATTERN NAME
has() { if grep -q -- "$2" "$1"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAIL $3: no '$2' in:"; cat "$1"; fi; }
same() { if cmp -s "$1" "$2"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAIL $1 and $2 differ"; fi; }

mkdir lib out1 out2
cat >lib/square.circom <<'END'
pragma circom 2.2.0;
template Square() { signal input a; signal output o <== a * a; }
END
cat >main.circom <<'END'
pragma circom 2.2.0;
include "square.circom";
template Main(n) {
  signal input x; signal input y; signal output z; signal s[n + 1]; s[0] <== x;
  for (var i = 0; i < n; i++) s[i + 1] <== Square()(s[i]);
  signal t <== s[n] + 3 * y; z <== t * y; log("t", t); assert(y < 100);
}
component main {public [y]} = Main(4);
END
echo '{"x": 3, "y": "4"}' >in.json

expect 1 "a missing include" "$sennit" zk compile main.circom --r1cs -o out1
has err 'there is no file "square.circom"' "the reason"
expect 0 "compile" "$sennit" zk compile main.circom -l lib --r1cs --sym --json --snw --O2 -o out1
has out '^non-linear constraints: 5$' "figures"
has out '^linear constraints: 0$' "figures"
expect 0 "compile --stats" "$sennit" zk compile main.circom -l lib --r1cs --sym --snw --O0 --stats -o out2
has out '"version": 1' "stats"
for level in 1 2; do
  expect 0 "witness from the program" "$sennit" zk witness out$level/main.snw in.json $level.wtns
  has out '^t 43046733$' "log"
  expect 0 "check" "$sennit" zk check out$level/main.r1cs $level.wtns --sym out$level/main.sym
done
expect 0 "witness from the source" "$sennit" zk witness main.circom in.json source.wtns -l lib --O2
same source.wtns 1.wtns
[ "$(ls cache/zk-programs/*.snw | wc -l)" = 1 ] || { failed=$((failed + 1)); echo "FAIL the program is not kept"; }
expect 0 "witness from the kept program" "$sennit" zk witness main.circom in.json again.wtns -l lib --O2
same source.wtns again.wtns
# Another source, another program; the old one is not used, and not kept.
sed -i 's/a \* a/a * (a + 1)/' lib/square.circom
expect 0 "witness of the changed source" "$sennit" zk witness main.circom in.json changed.wtns -l lib --O2
cmp -s source.wtns changed.wtns && { failed=$((failed + 1)); echo "FAIL a changed source has the old program"; }
[ "$(ls cache/zk-programs/*.snw | wc -l)" = 1 ] || { failed=$((failed + 1)); echo "FAIL old programs pile up"; }
# A file where an include was looked for before counts as well.
cp lib/square.circom square.circom && sed -i 's/a + 1/a + 2/' square.circom
expect 0 "witness with a nearer include" "$sennit" zk witness main.circom in.json nearer.wtns -l lib --O2
cmp -s nearer.wtns changed.wtns && { failed=$((failed + 1)); echo "FAIL the nearer include is not seen"; }
rm square.circom && sed -i 's/a \* (a + 1)/a * a/' lib/square.circom
expect 2 "a witness of another level" "$sennit" zk check out1/main.r1cs 2.wtns
expect 0 "info" "$sennit" zk info out2/main.r1cs --deps --sym out2/main.sym
has out '^dependentConstraints  *0$' "info"

# A witness that does not fit is shown with names and values; a bit of its third wire is turned.
python3 - 1.wtns wrong.wtns <<'END'
import sys
d = bytearray(open(sys.argv[1], "rb").read())
d[76 + 32 * 3] ^= 1
open(sys.argv[2], "wb").write(d)
END
expect 1 "check of a wrong witness" "$sennit" zk check out1/main.r1cs wrong.wtns --sym out1/main.sym
has out '^constraint [0-9]* does not hold: (' "the constraint"
has out '^  main\.[a-z].* = -\?[0-9]*$' "values of signals"
has out '^  left .*, right ' "sides"
expect 1 "the same as JSON" "$sennit" zk check out1/main.r1cs wrong.wtns --json
has out '"holds": false' "JSON"
expect 0 "check as JSON" "$sennit" zk check out1/main.r1cs 1.wtns --json
has out '"holds": true' "JSON"

# circom's other flags: taken, or answered with what to do.
expect 0 "substitutions" "$sennit" zk compile main.circom -l lib --O2 --simplification_substitution --verbose \
  --sanity_check 0 --no_init -o out2
has err '^simplify  *[0-9.]* ms$' "--verbose"
python3 -c 'import json; assert json.load(open("out2/main_substitutions.json"))' ||
  { failed=$((failed + 1)); echo "FAIL the substitutions are no JSON"; }
expect 1 "--c" "$sennit" zk compile main.circom -l lib --c
has err '--snw writes the witness' "what to use"
expect 1 "--wat" "$sennit" zk compile main.circom -l lib --wat
expect 1 "old heuristics" "$sennit" zk compile main.circom -l lib --use_old_simplification_heuristics
if "$sennit" zk compile main.circom -l lib --O2 --wasm -o out1 >out 2>err; then
  for f in main.wasm generate_witness.js witness_calculator.js; do
    [ -s "out1/main_js/$f" ] || { failed=$((failed + 1)); echo "FAIL no main_js/$f"; }
  done
  [ "$(head -c 4 out1/main_js/main.wasm | tail -c 3)" = asm ] || { failed=$((failed + 1)); echo "FAIL main.wasm"; }
  passed=$((passed + 1))
else
  has err 'no WebAssembly runtime' "the reason"
fi

# What fails: exit status 1, and what was there stays.
cp out1/main.r1cs before.r1cs
sed 's/z <== t \* y/z <== t * y * x/' main.circom >bad.circom && mv bad.circom main.circom
expect 1 "not quadratic" "$sennit" zk compile main.circom -l lib --r1cs --sym -o out1
has err 'main.circom:6:[0-9]*: error: this constraint is not quadratic' "place"
has err 'hint: ' "hint"
same out1/main.r1cs before.r1cs
echo '{"x": 3}' >missing.json
cp 1.wtns before.wtns
expect 1 "a missing input" "$sennit" zk witness out1/main.snw missing.json 1.wtns
has err 'the input "y" is missing' "reason"
echo '{"x": 3, "y": 1000}' >large.json
expect 1 "a failing assert" "$sennit" zk witness out1/main.snw large.json 1.wtns
has err 'assert failed: main.circom:6' "place"
same 1.wtns before.wtns
# The small program for one witness: the same file, the same words, and what fails leaves none half made.
expect 0 "sennit-witness" "$runner" out1/main.snw in.json small.wtns
same small.wtns before.wtns
expect 1 "sennit-witness, a missing input" "$runner" out1/main.snw missing.json none.wtns
expect 1 "sennit-witness, a failing assert" "$runner" out1/main.snw large.json none.wtns
has err 'assert failed: main.circom:6' "where it fails"
expect 1 "sennit-witness, no program" "$runner" none.snw in.json none.wtns
has err 'none.snw' "which file"
expect 2 "sennit-witness, usage" "$runner" out1/main.snw
ls none.wtns* >none 2>/dev/null; same none /dev/null
head -c 500 out1/main.snw >short.snw
expect 1 "a truncated program" "$sennit" zk witness short.snw in.json 1.wtns
expect 2 "two levels" "$sennit" zk compile main.circom --O1 --O2
expect 2 "an unknown prime" "$sennit" zk compile main.circom --prime bn256
expect 1 "no file" "$sennit" zk compile none.circom
has err 'none.circom: there is no such file' "the reason"
expect 1 "no folder" "$sennit" zk compile lib/none.circom --r1cs -o nowhere
[ -z "$(find . -name '*.tmp')" ] || { failed=$((failed + 1)); echo "FAIL temporary files are left"; }
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
