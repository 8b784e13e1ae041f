#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Circuits against circom and snarkjs: simplified constraint counts, keys and powers of tau byte for
# byte, proofs in both directions, and the exported contract in a real EVM.
# usage: zk.sh SENNIT SOURCE_ROOT; ZK_LARGE=1 adds the circuits that take circom minutes
set -eu
sennit=$(realpath "$1") root=$2
cache=${SENNIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit}/zk
tmp=$(mktemp -d)
node_pid=
cleanup() {
  [ -z "$node_pid" ] || { kill "$node_pid" && wait "$node_pid"; } 2>/dev/null || :
  rm -rf "$tmp"
}
trap cleanup EXIT
skip() { echo "SKIP: $*"; exit 77; }
fail() { echo "FAIL: $*"; exit 1; }
command -v npm >/dev/null || skip "npm is not installed"
mkdir -p "$cache"
if [ ! -d "$cache/node_modules/ethers" ]; then
  (cd "$cache" && { [ -f package.json ] || npm init -y >/dev/null 2>&1; } &&
    npm i --no-audit --no-fund circom2@0.2.23 snarkjs@0.7.6 circomlib@2.0.5 solc@0.8.37 \
      @foundry-rs/anvil@1.7.1 ethers@6 >"$tmp/npm.log" 2>&1) || skip "the npm packages are out of reach"
fi
ln -s "$cache/node_modules" "$tmp/node_modules"
# circom2 is a sandboxed program: it sees the folder it runs in, and no links out of it.
mkdir -p "$cache/work"
work=$(mktemp -d "$cache/work/run.XXXXXX")
trap 'cleanup; rm -rf "$work"' EXIT
circom() { (cd "$cache" && node_modules/.bin/circom2 "$@") >"$tmp/circom.log" 2>&1 || { cat "$tmp/circom.log"; fail "circom2 $*"; }; }
snarkjs() { node "$cache/node_modules/snarkjs/build/cli.cjs" "$@" >"$tmp/snarkjs.log" 2>&1; }
at=${work#"$cache/"}

# counts FILE - non-linear, linear, wires
counts() {
  "$sennit" zk info "$1" --json | node -e '
    const d = JSON.parse(require("fs").readFileSync(0));
    console.log(d.nonLinear, d.linear, d.wires)'
}
# circuit NAME LIBRARY MAIN - the simplifier on circom's O0 output against circom's O1 and O2.
circuit() {
  local name=$1 level ours theirs
  printf 'pragma circom 2.0.0;\ninclude "node_modules/circomlib/circuits/%s.circom";\ncomponent main = %s;\n' \
    "$2" "$3" >"$work/$name.circom"
  cp "$work/$name.circom" "$cache/zk_$name.circom"
  for level in 0 1 2; do
    mkdir -p "$work/o$level"
    circom "zk_$name.circom" --O$level --r1cs --sym -o "$at/o$level"
  done
  rm -f "$cache/zk_$name.circom"
  for level in 1 2; do
    "$sennit" zk simplify --level $level "$work/o0/zk_$name.r1cs" "$tmp/s.r1cs" 2>/dev/null
    ours=$(counts "$tmp/s.r1cs") theirs=$(counts "$work/o$level/zk_$name.r1cs")
    [ -n "$ours" ] || fail "$name: no counts"
    # Constraints must be equal; wires equal or fewer.
    [ "${ours% *}" = "${theirs% *}" ] && [ "${ours##* }" -le "${theirs##* }" ] ||
      fail "$name O$level: $ours, circom has $theirs"
    printf '%-14s O%s  non-linear, linear, wires: %s (circom %s)\n' "$name" $level "$ours" "$theirs"
  done
}
circuit poseidon2 poseidon 'Poseidon(2)'
circuit poseidon16 poseidon 'Poseidon(16)'
circuit mimcsponge mimcsponge 'MiMCSponge(2,220,3)'
circuit num2bits_strict bitify 'Num2Bits_strict()'
circuit babypbk babyjub 'BabyPbk()'
circuit eddsaposeidon eddsaposeidon 'EdDSAPoseidonVerifier()'
circuit smtverifier10 smt/smtverifier 'SMTVerifier(10)'
if [ -n "${ZK_LARGE:-}" ]; then
  circuit smtverifier32 smt/smtverifier 'SMTVerifier(32)'
  circuit sha256_512 sha256/sha256 'Sha256(512)'
fi

# Powers of tau: theirs contributed, both prepared.
cd "$tmp"
beacon=0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
"$sennit" zk ptau new --power 9 0.ptau
snarkjs powersoftau new bn128 9 0s.ptau && cmp 0.ptau 0s.ptau || fail "ptau new differs"
snarkjs powersoftau contribute 0.ptau 1.ptau --name=one -e=entropy || fail "snarkjs on our powers"
"$sennit" zk ptau verify 1.ptau >/dev/null || fail "our verdict on snarkjs' contribution"
"$sennit" zk ptau contribute --name last --beacon $beacon --iterations 10 1.ptau b.ptau >/dev/null
snarkjs powersoftau beacon 1.ptau bs.ptau $beacon 10 -n=last && cmp b.ptau bs.ptau || fail "beacons of powers differ"
"$sennit" zk ptau contribute --name ours b.ptau c.ptau >/dev/null
snarkjs powersoftau verify c.ptau || { cat snarkjs.log; fail "snarkjs refuses our contribution to powers"; }
mv c.ptau 1.ptau
snarkjs powersoftau prepare phase2 1.ptau fs.ptau
"$sennit" zk ptau prepare 1.ptau f.ptau
cmp f.ptau fs.ptau || fail "prepared powers differ"
"$sennit" zk ptau verify f.ptau >/dev/null || fail "our verdict on prepared powers"
echo "ok .ptau byte for byte, contributions accepted both ways"
# A circuit defined in C, proved over these powers.
membership=$(dirname "$sennit")/../../examples/membership/membership
if [ -x "$membership" ]; then
  "$membership" 1 f.ptau | grep -q '^proof verified$' || fail "the circuit defined in C"
  echo "ok circuit defined in C"
fi

# Keys.
r1cs=$work/o2/zk_poseidon2.r1cs
"$sennit" zk setup new "$r1cs" f.ptau 0.zkey
snarkjs groth16 setup "$r1cs" f.ptau 0s.zkey && cmp 0.zkey 0s.zkey || fail "new keys differ"
"$sennit" zk setup contribute --name ours 0.zkey 1.zkey >/dev/null
snarkjs zkey contribute 1.zkey 2.zkey --name=theirs -e=entropy || fail "snarkjs on our contribution"
"$sennit" zk setup contribute --name last --beacon $beacon --iterations 10 2.zkey 3.zkey >/dev/null
snarkjs zkey beacon 2.zkey 3s.zkey $beacon 10 -n=last && cmp 3.zkey 3s.zkey || fail "beacons differ"
"$sennit" zk setup verify "$r1cs" f.ptau 3.zkey >/dev/null || fail "our own verdict on the key"
snarkjs zkey verify "$r1cs" f.ptau 3.zkey || { cat snarkjs.log; fail "snarkjs' verdict on the key"; }
"$sennit" zk setup verify "$work/o1/zk_poseidon2.r1cs" f.ptau 3.zkey 2>/dev/null &&
  fail "the key passes for another circuit"
"$sennit" zk export vkey 3.zkey vkey.json
snarkjs zkey export verificationkey 3.zkey vkeys.json && cmp vkey.json vkeys.json || fail "vkeys differ"
echo "ok .zkey and verification_key.json byte for byte, contributions accepted both ways"

# Proofs.
printf 'pragma circom 2.0.0;\ninclude "node_modules/circomlib/circuits/poseidon.circom";\ncomponent main = Poseidon(2);\n' >"$cache/zk_poseidon2.circom"
circom zk_poseidon2.circom --O2 --wasm -o "$at/o2"
rm -f "$cache/zk_poseidon2.circom"
js=$work/o2/zk_poseidon2_js
echo '{"inputs":["7","11"]}' >in.json
node "$js/generate_witness.js" "$js/zk_poseidon2.wasm" in.json w.wtns
"$sennit" zk check "$r1cs" w.wtns >/dev/null || fail "the witness does not check"
# circom leaves some sums unsorted, ours are sorted: not the same bytes, but the same system.
"$sennit" zk simplify --level 0 "$r1cs" again.r1cs 2>/dev/null
snarkjs wtns check again.r1cs w.wtns || fail "snarkjs refuses the .r1cs written again"
"$sennit" zk prove 3.zkey w.wtns proof.json public.json
snarkjs groth16 verify vkey.json public.json proof.json || { cat snarkjs.log; fail "snarkjs refuses our proof"; }
snarkjs groth16 prove 3.zkey w.wtns proofs.json publics.json
cmp public.json publics.json || fail "public signals differ"
"$sennit" zk verify vkey.json publics.json proofs.json >/dev/null || fail "we refuse snarkjs' proof"
sed 's/"[0-9]*"/"5"/' public.json >wrong.json
"$sennit" zk verify vkey.json wrong.json proofs.json >/dev/null && fail "a wrong statement passes"
snarkjs zkey export soliditycalldata public.json proof.json && sed -n '/0x/p' snarkjs.log >calls.txt
"$sennit" zk export calldata public.json proof.json >call.txt
[ "$(tr -d ' ' <call.txt)" = "$(tr -d ' ' <calls.txt)" ] || fail "call data differ: $(cat calls.txt)"
echo "ok proofs both ways"

# The witness by our calculator in WebAssembly, called by snarkjs: the same bytes.
if "$sennit" zk compile "$root/tests/interop/zk/poseidon2.circom" --O2 --wasm -l "$cache/node_modules" -o . >/dev/null 2>wasm.log; then
  snarkjs wtns calculate poseidon2_js/poseidon2.wasm "$root/tests/interop/zk/poseidon2.json" js.wtns ||
    { cat snarkjs.log; fail "snarkjs on our calculator"; }
  "$sennit" zk witness "$root/tests/interop/zk/poseidon2.circom" "$root/tests/interop/zk/poseidon2.json" n.wtns --O2 \
    -l "$cache/node_modules" && cmp js.wtns n.wtns || fail "another witness by WebAssembly"
  sed 's/"[0-9]/"x/' "$root/tests/interop/zk/poseidon2.json" >bad.json
  snarkjs wtns calculate poseidon2_js/poseidon2.wasm bad.json js.wtns && fail "the calculator takes what is no number"
  echo "ok witness calculator in WebAssembly under snarkjs"
else
  grep -q 'no WebAssembly runtime' wasm.log || { cat wasm.log; fail "zk compile --wasm"; }
  echo "SKIP calculators in WebAssembly: this build has no runtime for them"
fi

# A dozen circuits from source to a proof that the other accepts, all made here but the checks.
"$sennit" zk ptau new --power 10 d0.ptau && "$sennit" zk ptau contribute d0.ptau d1.ptau >/dev/null &&
  "$sennit" zk ptau prepare d1.ptau d.ptau || fail "powers of 2^10"
for name in poseidon2 poseidon16 mimc7 num2bits_strict babypbk escalarmulfix pedersen256 lang_anonymous lang_buses \
  lang_components lang_operators lang_tuples; do
  source=$root/tests/interop/zk/$name
  "$sennit" zk compile "$source.circom" --O2 --r1cs -l "$cache/node_modules" -o . >/dev/null &&
    "$sennit" zk witness "$source.circom" "$source.json" "$name.wtns" --O2 -l "$cache/node_modules" >/dev/null &&
    "$sennit" zk setup new "$name.r1cs" d.ptau k0.zkey && "$sennit" zk setup contribute k0.zkey k.zkey >/dev/null &&
    "$sennit" zk export vkey k.zkey k.json && "$sennit" zk prove k.zkey "$name.wtns" p.json q.json || fail "$name"
  snarkjs groth16 verify k.json q.json p.json || { cat snarkjs.log; fail "snarkjs refuses our proof of $name"; }
  snarkjs groth16 prove k.zkey "$name.wtns" ps.json qs.json &&
    [ "$(tr -d ' \n' <q.json)" = "$(tr -d ' \n' <qs.json)" ] || fail "$name: public signals differ"
  "$sennit" zk verify k.json qs.json ps.json >/dev/null || fail "we refuse snarkjs' proof of $name"
done
echo "ok a dozen circuits, proofs both ways"

# The contract.
"$sennit" zk export solidity 3.zkey verifier.sol
"$cache/node_modules/.bin/anvil" --port 0 --host 127.0.0.1 >anvil.log 2>&1 &
node_pid=$!
for _ in $(seq 200); do grep -q Listening anvil.log && break; sleep 0.05; done
url=http://$(sed -n 's/^Listening on //p' anvil.log | head -1)
[ "$url" != http:// ] || fail "anvil does not start"
cat >contract.js <<'JS'
const fs = require("fs"), solc = require("solc"), { ethers } = require("ethers");
(async () => {
  const input = { language: "Solidity", sources: { "v.sol": { content: fs.readFileSync("verifier.sol", "utf8") } },
    settings: { optimizer: { enabled: true }, outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } } } };
  const out = JSON.parse(solc.compile(JSON.stringify(input)));
  if (out.errors) throw new Error(out.errors.map(e => e.formattedMessage).join("\n"));
  const c = out.contracts["v.sol"].Groth16Verifier;
  const provider = new ethers.JsonRpcProvider(process.argv[2]);
  const signer = await provider.getSigner(0);
  const contract = await (await new ethers.ContractFactory(c.abi, c.evm.bytecode.object, signer).deploy()).waitForDeployment();
  const call = JSON.parse("[" + fs.readFileSync("call.txt", "utf8") + "]");
  if (await contract.verifyProof(...call) !== true) throw new Error("the contract refuses the proof");
  const r = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;
  const wrong = [
    [call[0], call[1], call[2], ["0x" + (BigInt(call[3][0]) + 1n).toString(16)]],
    [call[0], call[1], call[2], ["0x" + (BigInt(call[3][0]) + r).toString(16)]],
    [call[2], call[1], call[0], call[3]],
    [call[0], [call[1][1], call[1][0]], call[2], call[3]],
    [["0x1", "0x3"], call[1], call[2], call[3]],
  ];
  for (const w of wrong) if (await contract.verifyProof(...w) !== false) throw new Error("the contract accepts " + w);
  console.log("ok contract: accepts the proof, refuses " + wrong.length + " others");
  provider.destroy();
})().catch(e => { console.error(e); process.exit(1); });
JS
node contract.js "$url" || fail "contract"
