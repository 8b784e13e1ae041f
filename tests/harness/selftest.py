#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The harness's own test: runs victim.c's tests and checks the verdict on each."""
import os
import re
import subprocess
import sys
import time

VICTIM = sys.argv[1]
failures, passed = [], 0


def run(*args, **env):
    p = subprocess.run([VICTIM, *args], capture_output=True, text=True, env={**os.environ, **env})
    return p.returncode, p.stdout


def expect(what, ok):
    global passed
    passed += bool(ok)
    if not ok:
        failures.append(what)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


code, out = run()
for line in [
        "ok passes", "SKIP skips: no such kernel here",
        "FAIL fails: victim.c:23: 1 + 1 is 2, expected 3 = 3\n    at row: row 7\n",
        "FAIL crashes: killed by signal 9 (Killed)\n    at row: the row of the crash\n",
        "FAIL hangs: timed out after ", "FAIL exits_early: exited with status 0",
        "FAIL exits_three: exited with status 3", "ok leaks_descriptor_allowed",
        "FAIL leaks_block: leak:0: 1 heap blocks more than before the test",
        "FAIL leaks_toys: leak:0: 3 toys more than before the test", "ok leaks_toys_allowed",
        "FAIL fails_in_thread: victim.c:1: from a thread", "    said before failing\n",
        "FAIL closes_descriptor: leak:0: descriptor 0 was closed by the test"]:
    expect(f"no {line!r}", line in out)
expect("the leaked descriptor is not named",
       re.search(r"FAIL leaks_descriptor: leak:0: descriptor \d+ left open: /dev/zero", out))
expect("at_exit is not LIFO", re.search(r"FAIL fails_at_exit: [^\n]*the check at exit", out)
       and "at exit: second" in out and "at exit: first" not in out)
expect("wrong sum", out.endswith("3 passed, 14 failed, 1 skipped\n"))
expect("exit status is not 1", code == 1)
tmpdir = re.search(r"tmpdir (\S+)", out)
expect("the temporary folder was left", tmpdir and not os.path.exists(tmpdir.group(1)))
child = re.search(r"child (\d+)", out)
for _ in range(100):
    if not (child and alive(child.group(1))):
        break
    time.sleep(0.05)
expect("the test's child process was left", child and not alive(child.group(1)))
numbers = re.search(r"numbers (\d+)", out).group(1)
expect("numbers do not repeat", f"numbers {numbers}\n" in run("random_numbers")[1])
again = run("random_numbers", SN_TEST_SEED="5")[1]
expect("SN_TEST_SEED changes nothing", "SN_TEST_SEED=5 " in again and f"numbers {numbers}" not in again)
expect("a filter runs others too", run("passes")[1] == "ok passes\n1 passed, 0 failed, 0 skipped\n")
expect("success is not 0", run("passes", "skips")[0] == 0)
expect("no match is not 2", run("nothing-like-this")[0] == 2)
expect("--list", "leaks_toys_allowed\n" in run("--list")[1])
expect("--no-fork", run("--no-fork", "passes", "skips")[1].endswith("1 passed, 0 failed, 1 skipped\n"))
expect("jobs", run(SN_TEST_JOBS="8")[1].endswith("3 passed, 14 failed, 1 skipped\n"))
for f in failures:
    print(f"FAIL: {f}")
if failures:
    print(out)
print(f"{passed} passed, {len(failures)} failed, 0 skipped")
sys.exit(bool(failures))
