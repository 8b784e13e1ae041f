#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The table of system calls (clusters/seccomp/syscalls.tab) as C with a hash index.

  syscalls.py TABLE OUT.h          writes the C
  syscalls.py TABLE --check        compares with the headers of this machine: none may contradict
"""
import re
import subprocess
import sys

SLOTS = 2048  # of the index: a power of two, sparse enough that nearly every look-up is one comparison
HEADERS = [("asm/unistd_64.h", 1), ("asm/unistd_32.h", 2), ("asm/unistd_x32.h", 3)]


def fnv(name):
    h = 2166136261
    for c in name.encode():
        h = (h ^ c) * 16777619 & 0xFFFFFFFF
    return h


def read(path):
    rows = [line.split() for line in open(path) if line.strip() and not line.startswith("#")]
    for row in rows:
        if len(row) != 5:
            sys.exit(f"{path}: {' '.join(row)}: expected a name and four numbers")
    return sorted(rows)


def write(rows, out):
    slots = [0] * SLOTS
    for i, row in enumerate(rows):
        at = fnv(row[0]) % SLOTS
        while slots[at]:
            at = (at + 1) % SLOTS
        slots[at] = i + 1
    with open(out, "w") as f:
        f.write(f"#define SC_SLOTS {SLOTS}\n#define SC_CALLS {len(rows)}\n")
        f.write("static const struct sc_call sc_calls[SC_CALLS] = {\n")
        for row in rows:
            numbers = ", ".join("-1" if n == "-" else n for n in row[1:])
            f.write(f'    {{"{row[0]}", {len(row[0])}, {{{numbers}}}}},\n')
        f.write("};\nstatic const uint16_t sc_slots[SC_SLOTS] = {" + ",".join(map(str, slots)) + "};\n")


def check(rows):
    wrong = compared = 0
    table = {row[0]: row for row in rows}
    for header, column in HEADERS:
        r = subprocess.run(["cc", "-E", "-dM", "-x", "c", "-"], input=f"#include <{header}>\n",
                           capture_output=True, text=True)
        if r.returncode:
            print(f"SKIP {header}: this machine has none")
            continue
        for m in re.finditer(r"^#define __NR_(\w+) \(?(?:__X32_SYSCALL_BIT \+ )?(\d+)\)?$", r.stdout, re.M):
            compared += 1
            if m.group(1) not in table or table[m.group(1)][column] != m.group(2):
                wrong += 1
                print(f"{header}: {m.group(1)} is {m.group(2)}, ours {table.get(m.group(1))}")
    print(f"{compared - wrong} passed, {wrong} failed, 0 skipped" if compared else "0 passed, 0 failed, 1 skipped")
    return 1 if wrong else 0


if __name__ == "__main__":
    if sys.argv[2] == "--check":
        sys.exit(check(read(sys.argv[1])))
    write(read(sys.argv[1]), sys.argv[2])
