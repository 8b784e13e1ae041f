#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A terminal for a command: term.py [-s ROWSxCOLS] COMMAND... types standard input, prints what came, then "status N"."""
import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time

args = sys.argv[1:]
rows, cols = 24, 80
if args[0] == "-s":
    rows, cols = map(int, args[1].split("x"))
    args = args[2:]
typed = sys.stdin.buffer.read()
pid, fd = pty.fork()
if pid == 0:
    os.execv(args[0], args)
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
shown, end = b"", time.monotonic() + 60
while time.monotonic() < end:
    # The program inside speaks first (a prompt): what is typed before it reads may be thrown away.
    if typed and shown:
        time.sleep(0.2)
        os.write(fd, typed)
        typed = b""
    if not select.select([fd], [], [], 0.1)[0]:
        continue
    try:
        b = os.read(fd, 65536)
    except OSError:
        b = b""
    if not b:
        break
    shown += b
sys.stdout.buffer.write(shown)
_, st = os.waitpid(pid, 0)
print("status", os.waitstatus_to_exitcode(st))
