#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Numbers to read, not to game. quality.py prints them; quality.py --check fails on the three that
are rules: functions over 70 lines without a reason, more than 1 % with one, files over 1,500."""
import re
import subprocess
import sys

import csrc

FUNCTION_MAX, FILE_SOFT, FILE_MAX, WAIVED_MAX = 70, 800, 1500, 0.01
ASSERT = re.compile(r"\b(SN_ASSERT|SN_DCHECK|_Static_assert)\s*\(")
EXPECT = re.compile(r"\bT_[A-Z]+\s*\(")
DECLARED = re.compile(r"^(?!typedef|#|\s|return\b)[\w\s\*]*?\b(sn_\w*[a-z0-9])\s*\(", re.M)


def undocumented(path):
    """(public functions, those with no comment directly above their run of declarations)."""
    text = csrc.read(path)
    code = csrc.blank(text)
    comments = " ".join(m.group(0) for m in csrc.TOKEN.finditer(text) if m.group(0)[0] == "/")
    lines, found, missing = text.split("\n"), [], []
    for m in DECLARED.finditer(code):
        name = m.group(1)
        if name in found:
            continue
        found.append(name)
        n = code.count("\n", 0, m.start())
        while n > 0 and lines[n - 1].strip() and not lines[n - 1].rstrip().endswith("*/"):
            n -= 1
        above = n > 0 and lines[n - 1].rstrip().endswith("*/")
        if not above and not re.search(rf"\b{name}\b", comments):
            missing.append(f"{path}: {name}")
    return found, missing


def layering_problems():
    r = subprocess.run([sys.executable, str(csrc.ROOT / "tools/lint/layering.py")],
                       capture_output=True, text=True)
    return sum(line.startswith("layering:") for line in r.stdout.split("\n"))


def main():
    check = "--check" in sys.argv
    code_lines = test_lines = n_functions = asserts = expects = n_tests = 0
    wide = 0
    long, waived, big, huge, public, missing = [], [], [], [], [], []
    for path in csrc.files():
        text = csrc.read(path)
        n = text.count("\n")
        test = csrc.is_test(path)
        wide += sum(len(line) > 100 for line in text.split("\n"))
        if test:
            test_lines += n
            n_tests += len(re.findall(r"^SN_TEST\w*\(", text, re.M))
            expects += len(EXPECT.findall(csrc.blank(text)))
        else:
            code_lines += n
            asserts += len(ASSERT.findall(csrc.blank(text)))
        if n > FILE_SOFT:
            (huge if n > FILE_MAX else big).append(f"{path}: {n} lines")
        for name, line, length, waiver in csrc.functions(text):
            n_functions += not test
            if length > FUNCTION_MAX:
                (waived if waiver else long).append(f"{path}:{line}: {name} has {length} lines")
        if path.suffix == ".h" and not test and not path.name.endswith("_int.h"):
            found, without = undocumented(path)
            public += found
            missing += without
    fuzz = len(list((csrc.ROOT / "tests/fuzz").glob("fuzz_*.c")))
    if check:
        over = len(waived) > max(1, WAIVED_MAX * n_functions)
        too_many = [f"{len(waived)} of {n_functions} functions waived"] if over else []
        return csrc.report("quality", n_functions, long + huge + too_many)
    share = 100 * (1 - (len(long) + len(waived)) / max(1, n_functions))
    rows = [("lines of code, of tests", f"{code_lines}, {test_lines}"),
            ("test lines per line of code", f"{test_lines / max(1, code_lines):.2f}"),
            ("functions", n_functions),
            (f"functions of at most {FUNCTION_MAX} lines", f"{share:.2f} % ({len(waived)} waived)"),
            (f"files over {FILE_SOFT}, over {FILE_MAX} lines", f"{len(big) + len(huge)}, {len(huge)}"),
            ("lines over 100 columns", wide),
            ("layering problems", layering_problems()),
            ("assertions per function", f"{asserts / max(1, n_functions):.2f}"),
            ("tests, expectations", f"{n_tests}, {expects}"),
            ("documented public functions",
             f"{100 * (1 - len(missing) / max(1, len(public))):.1f} % of {len(public)}"),
            ("fuzz targets", fuzz)]
    for name, value in rows:
        print(f"{name:36} {value}")
    for title, items in (("long", long), ("waived", waived), ("large", big + huge),
                         ("undocumented", missing)):
        for item in items if "-v" in sys.argv else items[:10]:
            print(f"  {title}: {item}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
