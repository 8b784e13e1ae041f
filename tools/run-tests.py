#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests meson knows of in one or more build folders and adds up what they report.

  tools/run-tests.py [--suite NAME]... [--only TEST]... [--jobs N] [--table] BUILD[:LABEL[:SUITE,SUITE...]]...

A test program closes with "N passed, N failed, N skipped"; one that does not counts as a single
test by its exit status (77 = skipped). Output is shown only for what fails or skips. The last line
is the sum, in the same form. Suites named e2e or interop run alone, after the others.
"""
import argparse
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import time

SUMMARY = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$", re.M)
SERIAL = {"e2e", "interop"}


def load(spec, default_suites):
    build, label, suites = (spec.split(":") + ["", ""])[:3]
    wanted = set(suites.split(",")) if suites else default_suites
    text = subprocess.run(["meson", "introspect", "--tests", build], check=True,
                          capture_output=True, text=True).stdout
    for t in json.loads(text):
        names = {s.split(":")[-1] for s in t["suite"]}
        if not wanted or names & wanted:
            yield {"label": (label + "/" if label else "") + t["name"], "cmd": t["cmd"],
                   "env": t["env"], "timeout": t["timeout"], "cwd": t.get("workdir") or build,
                   "serial": bool(names & SERIAL)}


def run(test):
    start = time.monotonic()
    env = {**os.environ, **test["env"]}
    proc = subprocess.Popen(test["cmd"], env=env, cwd=test["cwd"], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            errors="replace", start_new_session=True)
    try:
        out, _ = proc.communicate(timeout=test["timeout"] or None)
        code = proc.returncode
    except subprocess.TimeoutExpired:
        out = end(proc)
        out += f"\nrun-tests: killed after {test['timeout']} s\n"
        code = -1
    return test, code, out, time.monotonic() - start


def end(proc):
    """Asks first: scripts remove namespaces, mounts and their peers then."""
    os.killpg(proc.pid, signal.SIGTERM)
    try:
        proc.wait(20)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(proc.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return proc.communicate()[0]


def count(code, out):
    found = SUMMARY.findall(out)
    if found:
        p, f, s = (int(x or 0) for x in found[-1])
        return p, f + (1 if code not in (0, 77) and f == 0 else 0), s
    return (0, 0, 1) if code == 77 else (1, 0, 0) if code == 0 else (0, 1, 0)


def report(result, total, rows):
    test, code, out, seconds = result
    p, f, s = count(code, out)
    for i, n in enumerate((p, f, s)):
        total[i] += n
    verdict = "FAIL" if f else "ok"
    rows.append((test["label"], p, f, s, seconds))
    print(f"{verdict:4} {test['label']:34} {p:5} passed {f:3} failed {s:3} skipped {seconds:7.1f} s",
          flush=True)
    for line in out.splitlines():
        if line.startswith(("SKIP", "FAIL")):
            print("       " + line)
    if f:
        print(f"----- {' '.join(test['cmd'])} (exit {code})\n{out[-16000:]}\n-----", flush=True)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--suite", action="append", default=[])
    ap.add_argument("--only", action="append", default=[], help="tests of these names")
    ap.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    ap.add_argument("--table", action="store_true", help="all results once more, at the end")
    ap.add_argument("build", nargs="+")
    args = ap.parse_args()
    tests = [t for spec in args.build for t in load(spec, set(args.suite))
             if not args.only or t["label"].split("/")[-1] in args.only]
    total, rows = [0, 0, 0], []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for done in concurrent.futures.as_completed(
                [pool.submit(run, t) for t in tests if not t["serial"]]):
            report(done.result(), total, rows)
    for t in tests:
        if t["serial"]:
            report(run(t), total, rows)
    if args.table:
        print(f"\n{'':34} passed failed skipped   seconds")
        for name, p, f, s, seconds in rows:
            print(f"{name:34} {p:6} {f:6} {s:7} {seconds:9.1f}{'  FAIL' if f else ''}")
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
