#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom: ARCHITECTURE.md, "Layers". Includes are rooted, x_int.h stays at home."""
import re
import sys

import csrc

BASE = {"core", "wire", "crypto", "fiber", "kit"}
MAY = {"core": {"core"}, "wire": {"core", "wire"}, "crypto": {"core", "crypto"},
       "fiber": {"core", "fiber"}, "kit": BASE, "services": BASE | {"services"},
       "clusters": BASE | {"clusters"}, "chains": BASE | {"chains"},
       "cmd": BASE | {"services", "clusters", "chains", "cmd", "bpf"}}
ANY = BASE | {"services", "clusters", "chains", "cmd", "harness", "tests", "bpf"}
ROOMS = {p.name for s in ("services", "clusters", "chains") for p in (csrc.ROOT / s).iterdir()
         if p.is_dir()}
EXAMPLES = {p.name for p in (csrc.ROOT / "examples").iterdir() if p.is_dir()}
SANS_IO = {"core", "wire", "crypto"}
IO_HEADERS = re.compile(r"<(pthread|threads|time|fcntl|poll|sched|dlfcn|sys/(socket|epoll|select|wait"
                        r"|eventfd|timerfd|uio|un|file)|netinet/\w+|arpa/\w+)\.h>")
INCLUDE = re.compile(r'^\s*#\s*include\s+("([^"]+)"|<[^>]+>)', re.M)


def layer(path):
    return path.parts[1] if path.parts[0] == "base" else path.parts[0]


def check(path, target, angle):
    own, test = layer(path), csrc.is_test(path)
    if target is None:
        bad = own in SANS_IO and not test and IO_HEADERS.match(angle)
        return f"{own} does no I/O, keeps no clock and no threads: {angle}" if bad else None
    program = path.parts[0] in ("cmd", "bench", "examples", "tests")  # one folder, one program: its files are one room
    if program and (csrc.ROOT / path.parent / target).is_file():
        return None
    if own == "examples" and (csrc.ROOT / path.parent / (target[:-2].capitalize() + ".json")).is_file():
        return None  # generated from a contract's artifact
    if own == "examples" and (csrc.ROOT / path.parent.parent / target).is_file():
        return None  # handlers/x.c of a generated service includes the service's header
    if target.endswith((".pb.h", ".grpc.h", ".pb-c.h", ".gen.h")):
        return None  # generated, rooted where its .proto or .api is
    if "/" not in target or target.startswith("."):
        return f'"{target}" is not rooted'
    parts = target.removeprefix("tests/").split("/")
    if target.endswith("_int.h") and own not in ("bench", "tests"):  # these may look inside what they measure and attack
        home = str(path.parent)
        for root in ("base/", "tests/", "services/", "clusters/", "chains/", "cmd/"):
            home = home.removeprefix(root)
        if "/".join(parts[:-1]) not in (home, str(path.parent)):  # from its strand's root or from the project's
            return f'"{target}" stays in its folder'
    allowed = MAY.get(own, ANY) | ({"harness"} if test else set())
    if own in ("services", "clusters", "chains", "cmd"):
        allowed = allowed | {path.parts[1]}  # services/load includes "load/stats.h"
    if own in ("cmd", "tests", "bench", "examples"):
        allowed = allowed | ROOMS
    if own == "examples":
        allowed = allowed | EXAMPLES
    if own in ("cmd", "tests"):
        allowed = allowed | {"sennit"}  # of cmd: what is a library there
    if parts[0] not in allowed:
        return f'{own} may not include "{target}"'
    here = [csrc.ROOT / p / target
            for p in ("base", "", "tests", own, "services", "clusters", "chains", "cmd")]
    if not any(p.is_file() for p in here):
        return f'"{target}" does not exist'
    return None


def main():
    problems, checked = [], 0
    for path in csrc.files():
        text = csrc.blank(csrc.read(path), strings=False)
        for m in INCLUDE.finditer(text):
            checked += 1
            why = check(path, m.group(2), m.group(1))
            if why:
                problems.append(f"{path}:{text.count(chr(10), 0, m.start(1)) + 1}: {why}")
    return csrc.report("layering", checked, problems)


if __name__ == "__main__":
    sys.exit(main())
