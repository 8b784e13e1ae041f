# SPDX-License-Identifier: Apache-2.0
"""What the linters share: which files there are, and C text without comments and literals."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("base", "services", "clusters", "chains", "cmd", "tests", "bench", "examples", "bpf")
TOKEN = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def files(suffixes=(".c", ".h")):
    """Paths relative to the root, sorted; generated and third-party text has no place in these."""
    found = (p for f in FOLDERS for p in (ROOT / f).rglob("*") if p.suffix in suffixes)
    return sorted(p.relative_to(ROOT) for p in found if p.is_file() and "node_modules" not in p.parts
                  and ".pb." not in p.name)


def read(path):
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def blank(text, strings=True):
    """Comments (and literals) become spaces, so that lines and columns stay."""
    def space(m):
        t = m.group(0)
        if t[0] in "\"'" and not strings:
            return t
        return re.sub(r"[^\n]", " ", t)
    return TOKEN.sub(space, text)


def is_test(path):
    return path.name.endswith("_test.c") or path.parts[0] in ("tests", "bench", "examples")


def functions(text):
    """(name, first line, lines, waiver) of each function; relies on the house style: the braces of
    a function stand in column 0, or the whole of it on one line."""
    lines, code = text.split("\n"), blank(text).split("\n")
    head = 0
    for i, line in enumerate(code):
        if line.startswith("}") or line.startswith("#") or line.rstrip().endswith(";"):
            head = i + 1
        elif re.match(r"\w[^=;]*\)\s*\{.*\}\s*$", line):
            yield name_of(line), i + 1, 1, False
            head = i + 1
        elif line.rstrip() == "{":
            signature = " ".join(code[head:i])
            if "(" not in signature:
                continue
            first = next((k for k in range(head, i) if code[k].strip()), i)
            last = next((k for k in range(i, len(code)) if code[k].startswith("}")), len(code) - 1)
            waiver = any("/* long:" in t for t in lines[max(0, first - 3):i + 1])
            yield name_of(signature), first + 1, last - first + 1, waiver


def name_of(signature):
    m = re.search(r"\bSN_TEST\w*\s*\(\s*(\w+)", signature) or re.search(r"(\w+)\s*\((?!\()", signature)
    return m.group(1) if m else "?"


def report(kind, checked, problems):
    """Prints each problem and the closing line test runners read; the exit status."""
    for p in problems:
        print(f"{kind}: {p}")
    print(f"{max(0, checked - len(problems))} passed, {len(problems)} failed, 0 skipped")
    return 1 if problems else 0
