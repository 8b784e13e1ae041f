/* SPDX-License-Identifier: Apache-2.0 */
/* zk/wasm/wasm.h - a circuit's witness calculator as a WebAssembly module with the exports and imports of
 * circom's, for snarkjs and what is built on it: the engine of zk/witness, compiled for wasm32 once, with
 * the circuit's program behind it. */
#pragma once
#include "zk/witness/witness.h"

/* sn_wasm_here - whether this build has the runtime: it takes clang, wasm-ld and wasi-libc to build. */
bool sn_wasm_here(void);
/* sn_wasm_write - the module. s: as in sn_witness_write: the witness it computes is that system's.
 * Returns 0; SN_E_UNIMPLEMENTED without a runtime; SN_E_TOO_LARGE for a program that 4 GiB of memory do
 * not hold; as sn_witness_write. */
int sn_wasm_write(const struct sn_witness_prog *p, const struct sn_r1cs *s,
                  const struct sn_zk_sink *out) SN_MUST_CHECK;
/* sn_wasm_generate_js, calculator_js - the scripts that go beside the module, generate_witness.js and
 * witness_calculator.js. Static. */
struct sn_str sn_wasm_generate_js(void);
struct sn_str sn_wasm_calculator_js(void);
