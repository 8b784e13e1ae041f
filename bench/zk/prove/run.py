# SPDX-License-Identifier: Apache-2.0
"""run.py RUNS PEER=COMMAND... - whole processes in turn, wall time, CPU time and peak memory of each:
one line "PEER WALL_MS CPU_MS RSS_KIB", the medians of RUNS."""
import os, shlex, statistics, sys, time

runs, peers = int(sys.argv[1]), [a.split("=", 1) for a in sys.argv[2:]]
seen = {name: [] for name, _ in peers}
for _ in range(runs):
    for name, command in peers:
        start = time.monotonic()
        pid = os.posix_spawnp(shlex.split(command)[0], shlex.split(command), os.environ,
                              file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
        _, status, use = os.wait4(pid, 0)
        wall = time.monotonic() - start
        if status:
            sys.exit(f"{name} failed: {command}")
        seen[name].append((wall * 1e3, (use.ru_utime + use.ru_stime) * 1e3, use.ru_maxrss))
for name, _ in peers:
    print(name, *(f"{statistics.median(x):.1f}" for x in zip(*seen[name])))
