#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pow10.py > base/wire/json_pow10_int.h - powers of ten to 128 bits, rounded up, for printing doubles."""
FIRST, LAST = -292, 324
print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* wire/json_pow10_int.h - made by tools/gen/pow10.py: 10^k scaled to 128 bits, rounded up, for k from")
print(f" * {FIRST} to {LAST}; high and low half. */")
print("#pragma once\n#include <stdint.h>\n")
print(f"#define SN_POW10_FIRST ({FIRST})\n#define SN_POW10_LAST {LAST}")
print("static const uint64_t sn_pow10_128[][2] = {")
for k in range(FIRST, LAST + 1):
    if k >= 0:
        n = 10**k
        s = 127 - (n.bit_length() - 1)
        g = n << s if s >= 0 else -(-n >> -s)
    else:
        d = 10**-k
        s = 127 + d.bit_length()      # 2^s / 10^-k has 128 bits
        g = -(-(1 << s) // d)
    if g >= 1 << 128:
        g = -(-g >> 1)
    assert 1 << 127 <= g < 1 << 128
    print(f"    {{0x{g >> 64:016x}, 0x{g & (1 << 64) - 1:016x}}},")
print("};")
