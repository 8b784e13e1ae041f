#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The part of formatting that is not taste: licence line, width, tabs, line ends."""
import re
import sys

import csrc

# 100 is the width to write for (quality.py counts what is over); a few columns more read better than
# a bad break, and table rows of tests better than any.
WIDTH_MAX, WIDTH_TEST_MAX = 106, 140


def flaws(path, text):
    lines = text.split("\n")
    if "SPDX-License-Identifier: Apache-2.0" not in "\n".join(lines[:3]):
        yield 1, "no SPDX-License-Identifier: Apache-2.0"
    if lines[-1] != "":
        yield len(lines), "no newline at the end of the file"
    if path.suffix == ".h" and "#pragma once" not in lines and path.parts[0] != "bpf" and \
            not re.search(r"include[ds]? (more than once|several times|twice|by)", text):
        yield 1, "no #pragma once, nor a comment that it is included more than once"
    for n, line in enumerate(lines, 1):
        if len(line) > (WIDTH_TEST_MAX if csrc.is_test(path) else WIDTH_MAX):
            yield n, f"{len(line)} columns"
        if "\t" in line:
            yield n, "a tab"
        if line != line.rstrip():
            yield n, "space or CR at the end of the line"


def main():
    problems, paths = [], csrc.files()
    for path in paths:
        problems += [f"{path}:{n}: {why}" for n, why in flaws(path, csrc.read(path))]
    return csrc.report("text", len(paths), problems)


if __name__ == "__main__":
    sys.exit(main())
