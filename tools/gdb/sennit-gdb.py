# SPDX-License-Identifier: Apache-2.0
"""Fibers in gdb.

    (gdb) source tools/gdb/sennit-gdb.py
    (gdb) sennit fibers            one line per fiber
    (gdb) sennit bt ID             a parked fiber's backtrace
    (gdb) sennit fiber ID          make its frames the selected ones; "sennit leave" goes back

Works on live processes and core files; needs the debug information of the runtime (the release
build has it). A running fiber is simply the current frame of its worker's thread.
"""
import gdb

STATES = {0: "free", 1: "new", 2: "ready", 3: "running", 4: "waiting", 5: "zombie"}


def records():
    """Every record in use, as gdb.Value of struct sn_fiber."""
    rt = gdb.parse_and_eval("sn_rt")
    chunk = rt["chunks"]
    while int(chunk) != 0:
        for i in range(int(chunk["used"])):
            f = chunk["rec"][i]
            if int(f["state"]) != 0:
                yield f
        chunk = chunk["next"]


def find(fiber_id):
    for f in records():
        if int(f["id"]) == fiber_id:
            return f
    raise gdb.GdbError("no fiber %d" % fiber_id)


def symbol(pc):
    block = gdb.execute("info symbol %#x" % pc, to_string=True).strip()
    return block.split(" in section")[0] if "No symbol" not in block else "?"


class Sennit(gdb.Command):
    """Sennit's fibers: sennit fibers | bt ID | fiber ID | leave"""

    def __init__(self):
        super().__init__("sennit", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


class Fibers(gdb.Command):
    """Lists all fibers: id, state, worker, what it waits for, name, entry."""

    def __init__(self):
        super().__init__("sennit fibers", gdb.COMMAND_STACK)

    def invoke(self, arg, from_tty):
        count = 0
        for f in records():
            count += 1
            worker = int(f["w"]["index"]) if int(f["w"]) else -1
            reason = f["wait_reason"].string() if int(f["wait_reason"]) else ""
            name = f["name"].string()
            entry = symbol(int(f["fn"]))
            print("%8d %-8s w%-3d %-16s %-24s %s" % (
                int(f["id"]), STATES.get(int(f["state"]), "?"), worker, reason, name, entry))
        print("%d fibers" % count)


def frames(f):
    """(pc, frame pointer) pairs of a fiber that is not running, innermost first."""
    if int(f["state"]) == 3:
        raise gdb.GdbError("it is running: see its worker's thread")
    if int(f["stack"]) == 0:
        return
    base, top = int(f["stack"]["base"]), int(f["stack"]["top"])
    pc, bp = int(f["ctx"]["ip"]), int(f["ctx"]["bp"])
    inferior = gdb.selected_inferior()
    yield pc, bp
    while base <= bp and bp + 16 <= top and bp % 8 == 0:
        words = inferior.read_memory(bp, 16).tobytes()
        nxt = int.from_bytes(words[:8], "little")
        pc = int.from_bytes(words[8:], "little")
        if pc < 4096:
            break
        yield pc, nxt
        if nxt <= bp:
            break
        bp = nxt


class Bt(gdb.Command):
    """Backtrace of a parked fiber: sennit bt ID"""

    def __init__(self):
        super().__init__("sennit bt", gdb.COMMAND_STACK)

    def invoke(self, arg, from_tty):
        f = find(int(arg))
        for n, (pc, _) in enumerate(frames(f)):
            sal = gdb.find_pc_line(pc - (1 if n else 0))
            where = "%s:%d" % (sal.symtab.filename, sal.line) if sal.symtab else ""
            print("#%-2d %#x %s %s" % (n, pc, symbol(pc), where))


saved = []


class Enter(gdb.Command):
    """Select a parked fiber's frames in the current thread: sennit fiber ID (live processes)"""

    def __init__(self):
        super().__init__("sennit fiber", gdb.COMMAND_STACK)

    def invoke(self, arg, from_tty):
        f = find(int(arg))
        if int(f["state"]) == 3 or int(f["stack"]) == 0:
            raise gdb.GdbError("it has no saved context")
        if not saved:
            for r in ("rsp", "rip", "rbp"):
                saved.append((r, int(gdb.parse_and_eval("(unsigned long)$" + r))))
        for r, field in (("rsp", "sp"), ("rip", "ip"), ("rbp", "bp")):
            gdb.execute("set $%s = %d" % (r, int(f["ctx"][field])))
        gdb.execute("frame 0")
        print("do not continue before: sennit leave")


class Leave(gdb.Command):
    """Restore the thread's own registers after sennit fiber."""

    def __init__(self):
        super().__init__("sennit leave", gdb.COMMAND_STACK)

    def invoke(self, arg, from_tty):
        while saved:
            r, v = saved.pop()
            gdb.execute("set $%s = %d" % (r, v))
        gdb.execute("frame 0")


Sennit()
Fibers()
Bt()
Enter()
Leave()
