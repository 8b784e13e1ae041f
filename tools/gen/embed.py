#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""embed.py FILE SYMBOL OUT.c - makes FILE a constant of the program: SYMBOL[] and SYMBOL_len."""
import sys

path, symbol, out = sys.argv[1:]
data = open(path, "rb").read()
with open(out, "w") as f:
    f.write("/* Made by tools/gen/embed.py. */\n#include <stddef.h>\n")
    f.write(f"extern const unsigned char {symbol}[];\nextern const size_t {symbol}_len;\n")
    f.write(f"const size_t {symbol}_len = {len(data)};\nconst unsigned char {symbol}[] = {{\n")
    for i in range(0, len(data), 20):
        f.write(",".join(map(str, data[i:i + 20])) + ",\n")
    f.write("0};\n")
