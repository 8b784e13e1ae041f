#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compiling circuits: sennit zk compile against npm circom2 (WebAssembly, under node), O2, .r1cs and .sym
# written (the peer's .wasm too, ours the .snw: each its witness program). Wall and CPU time are of the
# whole process, memory its peak resident set; the least of BENCH_RUNS runs, interleaved. A native circom is on no
# registry; what stands in for it is the same circom.wasm compiled to machine code before by wasmtime.
#   bench/zk/compile.sh    BENCH_RUNS=3; BENCH_CIRCUITS="poseidon2 ..."; BENCH_NO_PEER=1
set -u
cd "$(dirname "$0")/../.."
. bench/lib.sh
bench_build cmd/sennit/sennit
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/circom
command -v node >/dev/null || { echo "SKIP: node is not installed"; exit 0; }
mkdir -p "$cache"
if [ ! -d "$cache/node_modules/circomlib" ] || [ ! -d "$cache/node_modules/circom2" ]; then
  (cd "$cache" && npm install --silent --no-audit --no-fund circom2@0.2.23 snarkjs@0.7.6 circomlib@2.0.5) \
    >/dev/null 2>&1 || { echo "SKIP: circom2 and circomlib from npm are out of reach"; exit 0; }
fi
# native CIRCOM_ARGUMENTS... - circom.wasm as machine code, compiled once; nothing where wasmtime is out of reach.
native_env=$cache/wasmtime
[ -x "$native_env/bin/python" ] || { python3 -m venv "$native_env" && "$native_env/bin/pip" -q install wasmtime==45.0.0; } >/dev/null 2>&1
cat >"$cache/native.py" <<'PY'
import os, sys
from wasmtime import Engine, ExitTrap, Linker, Module, Store, WasiConfig
engine, here = Engine(), os.path.dirname(os.path.abspath(__file__))
ready = os.path.join(here, "circom.cwasm")
if not os.path.exists(ready):
    with open(ready, "wb") as f:
        f.write(Module.from_file(engine, os.path.join(here, "node_modules/circom2/circom.wasm")).serialize())
linker, store, wasi = Linker(engine), Store(engine), WasiConfig()
linker.define_wasi()
wasi.argv = ["circom"] + sys.argv[1:]
wasi.preopen_dir(".", ".")
store.set_wasi(wasi)
try:
    linker.instantiate(store, Module.deserialize_file(engine, ready)).exports(store)["_start"](store)
except ExitTrap as e:
    sys.exit(e.code)
PY
"$native_env/bin/python" "$cache/native.py" --version >/dev/null 2>&1 || native_env=
cd "$BENCH_TMP" || exit 1
mkdir lib && cp -r "$cache/node_modules/circomlib" lib/
circuit() { # NAME FILE MAIN
  printf 'pragma circom 2.1.6;\ninclude "circomlib/circuits/%s.circom";\ncomponent main = %s;\n' "$2" "$3" >"$1.circom"
}
# chain NAME N COMPONENT - N Poseidon(2) after one another, in components of that name.
chain() {
  cat >"$1.circom" <<END
pragma circom 2.1.6;
include "circomlib/circuits/poseidon.circom";
template Chain(n) {
  signal input a; signal output b;
  component $3[n];
  for (var i = 0; i < n; i++) {
    $3[i] = Poseidon(2);
    if (i == 0) { $3[i].inputs[0] <== a; } else { $3[i].inputs[0] <== $3[i-1].out; }
    $3[i].inputs[1] <== i;
  }
  b <== $3[n-1].out;
}
component main = Chain($2);
END
}
circuit poseidon2 poseidon 'Poseidon(2)'
circuit eddsaposeidon eddsaposeidon 'EdDSAPoseidonVerifier()'
circuit smtverifier32 smt/smtverifier 'SMTVerifier(32)'
circuit sha256_512 sha256/sha256 'Sha256(512)'
chain chain1000 1000 c
chain chain1000n 1000 zz_a_rather_long_component_name
# measure WHO NAME COMMAND... - seconds and kilobytes of one run, into rows.
measure() {
  local who=$1 name=$2; shift 2
  python3 - "$who" "$name" "$@" >>rows <<'PY'
import os, sys, time, subprocess
who, name, *cmd = sys.argv[1:]
start = time.monotonic()
p = subprocess.Popen(cmd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, usage = os.wait4(p.pid, 0)
print(who, name, "%.4f" % (time.monotonic() - start), usage.ru_maxrss, os.waitstatus_to_exitcode(status),
      "%.4f" % (usage.ru_utime + usage.ru_stime))
PY
}
: >rows
mkdir -p ours theirs native
for _ in $(seq "${BENCH_RUNS:-3}"); do
  for name in ${BENCH_CIRCUITS:-poseidon2 eddsaposeidon smtverifier32 sha256_512 chain1000 chain1000n}; do
    measure ours "$name" "$BENCH_BUILD/cmd/sennit/sennit" zk compile "$name.circom" -l lib --r1cs --sym --snw --O2 -o ours
    # The long one once.
    case $name in chain*) [ "$(grep -c "^theirs $name" rows)" -gt 0 ] && continue ;; esac
    [ -n "${BENCH_NO_PEER:-}" ] && continue
    measure theirs "$name" "$cache/node_modules/.bin/circom2" "$name.circom" -l lib --r1cs --sym --wasm --O2 -o theirs
    [ -z "$native_env" ] || measure native "$name" "$native_env/bin/python" "$cache/native.py" "$name.circom" -l lib --r1cs --sym --wasm --O2 -o native
  done
done
cell() { awk -v w="$1" -v o="$2" -v k="$3" '$1==w && $2==o && $5==0 && (m=="" || $k<m) {m=$k} END {print m=="" ? "-" : m}' rows; }
echo "### Compiling, O2 (least of ${BENCH_RUNS:-3} interleaved runs, chains by the peer once)"
echo
echo "\`bench/zk/compile.sh\`; circom2 0.2.23 (circom 2.2.3 as WebAssembly under node $(node --version)), $(bench_machine)"
echo
echo "| circuit | Sennit: wall s, CPU s, MiB | circom2: wall s, CPU s, MiB | wall (target 10) | CPU | memory | machine code: wall s, CPU s, MiB | wall (target 2) |"
echo "|---|---|---|---|---|---|---|---|"
while IFS='|' read -r name text; do
  s=$(cell ours "$name" 3) t=$(cell theirs "$name" 3) sm=$(cell ours "$name" 4) tm=$(cell theirs "$name" 4)
  sc=$(cell ours "$name" 6) tc=$(cell theirs "$name" 6)
  [ "$s" = - ] && continue
  nt=$(cell native "$name" 3) native=- nwall=-
  [ "$nt" = - ] || { native="$nt, $(cell native "$name" 6), $(bench_div "$(cell native "$name" 4)" 1024 %.0f)" nwall=$(bench_div "$nt" "$s" %.1f); }
  if [ "$t" = - ]; then peer=- wall=- cpu=- mem=-; else
    peer="$t, $tc, $(bench_div "$tm" 1024 %.0f)"
    wall=$(bench_div "$t" "$s" %.1f) cpu=$(bench_div "$tc" "$sc" %.1f) mem=$(bench_div "$tm" "$sm" %.1f)
  fi
  echo "| $text | $s, $sc, $(bench_div "$sm" 1024 %.0f) | $peer | $wall | $cpu | $mem | $native | $nwall |"
done <<'END'
poseidon2|Poseidon(2)
eddsaposeidon|EdDSAPoseidonVerifier
smtverifier32|SMTVerifier(32)
sha256_512|Sha256(512)
chain1000|1000 chained Poseidon(2), components "c"
chain1000n|the same, components "zz_a_rather_long_component_name"
END
echo
same() { cmp -s <(cut -d, -f1,2 "ours/$1.sym") <(cut -d, -f1,2 "ours/$2.sym") && cmp -s "ours/$1.r1cs" "ours/$2.r1cs"; }
if [ -f ours/chain1000.r1cs ] && [ -f ours/chain1000n.r1cs ]; then
  same chain1000 chain1000n && echo "The two chains give the same .r1cs and numbers here: names decide nothing." ||
    echo "FAIL: the names of components change the result"
fi
echo "\"Machine code\" is circom2's circom.wasm compiled ahead by wasmtime 45.0.0 (started from Python, 0.1 s): circom itself was looked"
echo "for on 2026-11-30 as crates circom, circom_compiler, circom-compiler, npm circom (the JavaScript compiler of version 1), npm circom-native,"
echo "PyPI circom and in Debian, and is in none of them; its documentation builds it from a git checkout."
