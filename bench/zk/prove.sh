#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Groth16 proofs: sennit, rapidsnark (the static library in iden3/go-rapidsnark's Go module) and snarkjs, each as a
# whole process from .zkey and .wtns to proof and public JSON, on the same files. Ours is sennit-prove; what loading the
# libraries of the whole command adds is in the last line.
#   bench/zk/prove.sh     BENCH_RUNS=7 of each, in turn; SNARKJS_RUNS=3. Every proof is verified by us and by snarkjs.
# The first run makes powers of tau of 2^16 with a contribution, keys and witnesses, and keeps them with the peers.
set -u
cd "$(dirname "$0")/../.."
. bench/lib.sh
bench_build
here=$PWD/bench/zk/prove sennit=$BENCH_BUILD/cmd/sennit/sennit prove=$BENCH_BUILD/cmd/sennit/sennit-prove
cache=${SENNIT_PEERS:-$HOME/.cache/sennit-peers}/zk-prove
rapidsnark_version=v0.0.15
die() { echo "bench: $*" >&2; exit 1; }
skip() { echo "SKIP bench/zk/prove.sh: $*"; exit 0; }
command -v npm >/dev/null || skip "npm is not installed"
mkdir -p "$cache" && cd "$cache" || die "$cache"
if [ ! -d node_modules/circomlibjs ]; then
  { [ -f package.json ] || npm init -y; npm i --no-audit --no-fund snarkjs@0.7.6 circomlib@2.0.5 circomlibjs@0.1.7; } \
    >npm.log 2>&1 || skip "the npm packages are out of reach"
fi
if [ ! -x rapidsnark ] && command -v go >/dev/null; then
  [ -f go.mod ] || go mod init peer >/dev/null 2>&1
  if go get "github.com/iden3/go-rapidsnark/prover@$rapidsnark_version" >go.log 2>&1; then
    vendor=$(go list -m -f '{{.Dir}}' github.com/iden3/go-rapidsnark/prover)/rapidsnark_vendor
    cc -O2 -w -I"$vendor" "$here/rapidsnark.c" -o rapidsnark "$vendor/librapidsnark-linux-amd64.a" \
      "$vendor/libgmp-linux-amd64.a" -lstdc++ -lm -lpthread >>go.log 2>&1 || rm -f rapidsnark
  fi
fi
if [ ! -f 16.ptau ]; then
  "$sennit" zk ptau new --power 16 0.ptau && "$sennit" zk ptau contribute 0.ptau 1.ptau >/dev/null &&
    "$sennit" zk ptau prepare 1.ptau 16.ptau || die "powers of tau"
fi
[ -f sha256.json ] || { cp "$here/inputs.js" . && node inputs.js; } || die "inputs"
# circuit NAME INCLUDE MAIN - key, verification key and witness.
circuit() {
  [ -f "$1.zkey" ] && return
  printf 'pragma circom 2.0.0;\ninclude "%s.circom";\ncomponent main = %s;\n' "$2" "$3" >"main_$1.circom" # not NAME.circom, which it includes
  "$sennit" zk compile "main_$1.circom" --O2 --r1cs -l node_modules/circomlib/circuits >/dev/null &&
    "$sennit" zk witness "main_$1.circom" "$1.json" "$1.wtns" --O2 -l node_modules/circomlib/circuits &&
    "$sennit" zk setup new "main_$1.r1cs" 16.ptau "$1.0" && "$sennit" zk setup contribute "$1.0" "$1.zkey" >/dev/null &&
    "$sennit" zk export vkey "$1.zkey" "$1.vkey.json" || die "$1"
  rm -f "$1.0"
}
circuit poseidon poseidon 'Poseidon(2)'
circuit eddsaposeidon eddsaposeidon 'EdDSAPoseidonVerifier()'
circuit smtverifier smt/smtverifier 'SMTVerifier(32)'
circuit sha256 sha256/sha256 'Sha256(512)'

snarkjs=$PWD/node_modules/snarkjs/build/cli.cjs
echo "## Groth16 proofs (whole processes, medians of ${BENCH_RUNS:-7}, snarkjs of ${SNARKJS_RUNS:-3})"
echo
echo "\`bench/zk/prove.sh\`; rapidsnark of go-rapidsnark $rapidsnark_version, snarkjs 0.7.6, engine $("$sennit" doctor 2>/dev/null |
  grep -io 'ifma\|avx512\|adx' | head -1), $(bench_machine)"
echo
echo "| circuit | Sennit | rapidsnark | / Sennit (target 3) | snarkjs | / Sennit (target 15) | CPU: Sennit, rapidsnark | MiB: Sennit, rapidsnark, snarkjs |"
echo "|---|---|---|---|---|---|---|---|"
while IFS='|' read -r name text; do
  out=$BENCH_TMP/$name
  peers=("sennit=$prove $name.zkey $name.wtns $out.p $out.q")
  [ -x rapidsnark ] && peers+=("rapidsnark=./rapidsnark $name.zkey $name.wtns $out.rp $out.rq")
  python3 "$here/run.py" "${BENCH_RUNS:-7}" "${peers[@]}" >"$out.t" || die "$name"
  python3 "$here/run.py" "${SNARKJS_RUNS:-3}" "snarkjs=node $snarkjs groth16 prove $name.zkey $name.wtns $out.sp $out.sq" \
    >>"$out.t" || die "$name"
  node "$snarkjs" groth16 verify "$name.vkey.json" "$out.q" "$out.p" >/dev/null || die "snarkjs refuses our proof of $name"
  "$sennit" zk verify "$name.vkey.json" "$out.sq" "$out.sp" >/dev/null || die "we refuse snarkjs' proof of $name"
  awk -v text="$text" '{w[$1]=$2; c[$1]=$3; m[$1]=$4/1024}
    function ms(x) {return x=="" ? "-" : sprintf("%.3g ms", x)}
    function ratio(p) {return w[p]=="" ? "-" : sprintf("%.1f", w[p]/w["sennit"])}
    END {printf "| %s | %s | %s | %s | %s | %s | %s, %s | %.0f, %.0f, %.0f |\n", text, ms(w["sennit"]), ms(w["rapidsnark"]),
      ratio("rapidsnark"), ms(w["snarkjs"]), ratio("snarkjs"), ms(c["sennit"]), ms(c["rapidsnark"]), m["sennit"],
      m["rapidsnark"], m["snarkjs"]}' "$out.t"
done <<EOF
poseidon|Poseidon(2)
eddsaposeidon|EdDSAPoseidon
smtverifier|SMTVerifier(32)
sha256|Sha256(512)
EOF
python3 "$here/run.py" "${BENCH_RUNS:-7}" "command=$sennit zk prove poseidon.zkey poseidon.wtns $BENCH_TMP/p $BENCH_TMP/q" \
  "alone=$prove poseidon.zkey poseidon.wtns $BENCH_TMP/p $BENCH_TMP/q" >"$BENCH_TMP/t" || die "poseidon"
awk '{w[$1]=$2} END {printf "\nPoseidon(2) by `sennit zk prove`: %.3g ms; by `sennit-prove` in the same runs %.3g ms.\n", w["command"], w["alone"]}' \
  "$BENCH_TMP/t"
