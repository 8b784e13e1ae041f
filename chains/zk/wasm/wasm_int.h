/* SPDX-License-Identifier: Apache-2.0 */
/* zk/wasm/wasm_int.h - what the build makes of runtime.c and the scripts beside it. */
#pragma once
#include "core/str.h"

/* The module without its memory section and data section; the data segments. Empty where the build had no
 * compiler for WebAssembly. */
extern const struct sn_str wasm_head, wasm_middle, wasm_data;
extern const uint32_t wasm_data_segments;
extern const struct sn_str wasm_generate_js, wasm_calculator_js;
