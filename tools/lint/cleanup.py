#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is cleaned up when its scope ends must have begun by then: no way out of the scope between the
declaration of an SN_CLEANUP variable without a value and the first mention of it, which sets it up.
On such a way the cleanup would work on whatever the stack holds."""
import re
import sys

import csrc

DECLARED = re.compile(r"(\w+)\s+SN_CLEANUP\s*\(\s*\w+\s*\)\s*([=,;])")
WAY_OUT = re.compile(r"\b(return|goto|break|continue)\b")


def early_exits(code):
    """(variable, line of its declaration, the way out) of each that can be left before it is set."""
    for m in DECLARED.finditer(code):
        if m.group(2) == "=":
            continue
        name, after = m.group(1), code.find(";", m.start()) + 1
        use = re.compile(rf"(?<![\w.>]){name}\b").search(code, after)
        end = code.find("\n}", after)  # of the function, in column 0
        stop = min(use.start() if use else end, end)
        way = WAY_OUT.search(code, after, stop)
        if way:
            yield name, code.count("\n", 0, m.start()) + 1, way.group(1)


def main():
    problems, checked = [], 0
    for path in csrc.files():
        text = csrc.read(path)
        if "SN_CLEANUP" not in text:
            continue
        code = csrc.blank(text)
        checked += len(DECLARED.findall(code))
        problems += [f"{path}:{line}: {name} can be left by {way} before it is set up"
                     for name, line, way in early_exits(code)]
    return csrc.report("cleanup", checked, problems)


if __name__ == "__main__":
    sys.exit(main())
