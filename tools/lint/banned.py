#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Calls that have no place here, and where the exceptions live. A line may be excused by a comment
on it: /* banned: the reason */."""
import re
import sys

import csrc

# Group: names, why, path prefixes where they are at home. Tests may do all but the first.
RULES = [
    ("strcpy strcat strncpy strncat sprintf vsprintf strtok strtok_r gets asctime ctime alloca "
     "atoi atol atof scanf sscanf strerror tmpnam mktemp",
     "unbounded, silent about errors or not thread-safe", ("tests/harness/", "bench/")),
    ("malloc calloc realloc free strdup strndup asprintf vasprintf posix_memalign aligned_alloc "
     "reallocarray", "the heap is core/alloc.h", ("base/core/alloc.c",)),
    ("rand srand random srandom drand48 arc4random", "core/rand.h, or sn_random", ()),
    ("time gettimeofday clock_gettime clock localtime localtime_r nanosleep usleep sleep",
     "clocks and waiting are the runtime's: sn_now, sn_sleep", ("base/fiber/",)),
    ("pthread_create thrd_create fork vfork clone", "threads and processes are the runtime's",
     ("base/fiber/", "cmd/")),
    ("socket accept accept4 connect epoll_wait poll select recvfrom recvmsg sendmsg",
     "a blocking or raw socket call: fiber/net.h", ("base/fiber/",)),
    ("getenv secure_getenv setenv putenv", "settings come in through the options table",
     ("base/fiber/", "base/kit/config", "base/kit/cli", "base/kit/opt", "cmd/")),
    ("exit _exit quick_exit", "only a program ends itself", ("base/fiber/", "base/kit/cli", "cmd/")),
]


def main():
    problems, checked = [], 0
    rules = [(re.compile(r"(?<![\w.>])(" + "|".join(names.split()) + r")\s*\("), why, homes)
             for names, why, homes in RULES]
    for path in csrc.files():
        if path.parts[0] == "bpf":
            continue
        checked += 1
        text = csrc.read(path)
        lines = text.split("\n")
        # A static function of the file's own by that name is not libc's.
        own = set(re.findall(r"^static\s[^;=(]*?(\w+)\s*\(", text, re.M))
        for n, code in enumerate(csrc.blank(text).split("\n")):
            if code.lstrip().startswith("#") or "/* banned:" in lines[n]:
                continue
            for k, (pattern, why, homes) in enumerate(rules):
                if (k > 0 and csrc.is_test(path)) or str(path).startswith(homes):
                    continue
                for m in pattern.finditer(code):
                    if m.group(1) in own:
                        continue
                    problems.append(f"{path}:{n + 1}: {m.group(1)}: {why}")
    return csrc.report("banned", checked, problems)


if __name__ == "__main__":
    sys.exit(main())
