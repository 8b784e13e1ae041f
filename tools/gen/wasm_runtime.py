#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""wasm_runtime.py RUNTIME.wasm GENERATE.js CALCULATOR.js OUT.c - the WebAssembly runtime of witness
calculators as constants, cut where a circuit's program is put in: what comes before the memory section,
between it and the data section, and the data segments; and the scripts that go beside a calculator.
RUNTIME.wasm may be "-": a build without a compiler for WebAssembly has a runtime of no bytes."""
import sys

MEMORY, DATA, CUSTOM, IMPORT = 5, 11, 0, 2
PAGES = 16  # as linked; zk/wasm/wasm.c puts the program behind them


def leb(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            return value, at


def cut(data):
    if data[:8] != b"\0asm\1\0\0\0":
        sys.exit("wasm_runtime: not a WebAssembly module")
    parts, seen = [b"", b"", b""], 0
    parts[0], at, n_segments = data[:8], 8, 0
    while at < len(data):
        kind, start = data[at], at
        size, at = leb(data, at + 1)
        body, at = data[at:at + size], at + size
        if kind == IMPORT and b"wasi" in body:
            sys.exit("wasm_runtime: the runtime asks for WASI, which snarkjs does not give")
        if kind == CUSTOM:
            continue
        if kind == MEMORY:
            if body != bytes([1, 0, PAGES]):
                sys.exit("wasm_runtime: memory of another size: %s" % body.hex())
            seen = 1
        elif kind == DATA:
            n_segments, skip = leb(body, 0)
            parts[2], seen = body[skip:], 2
        elif seen == 2:
            sys.exit("wasm_runtime: section %d behind the data" % kind)
        else:
            parts[seen] += data[start:at]
    if seen != 2:
        sys.exit("wasm_runtime: no memory or no data section")
    return [("wasm_head", parts[0]), ("wasm_middle", parts[1]), ("wasm_data", parts[2])], n_segments


def main():
    runtime, generate, calculator, out = sys.argv[1:]
    empty = [("wasm_head", b""), ("wasm_middle", b""), ("wasm_data", b"")], 0
    parts, n_segments = empty if runtime == "-" else cut(open(runtime, "rb").read())
    parts += [("wasm_generate_js", open(generate, "rb").read()), ("wasm_calculator_js", open(calculator, "rb").read())]
    with open(out, "w") as f:
        f.write('/* Made by tools/gen/wasm_runtime.py. */\n#include "zk/wasm/wasm_int.h"\n')
        f.write("const uint32_t wasm_data_segments = %d;\n" % n_segments)
        for name, data in parts:
            f.write("static const unsigned char %s_bytes[] = {\n" % name)
            for i in range(0, len(data), 20):
                f.write(",".join(map(str, data[i:i + 20])) + ",\n")
            f.write("0};\nconst struct sn_str %s = {(const char *)%s_bytes, %d};\n" % (name, name, len(data)))


if __name__ == "__main__":
    main()
