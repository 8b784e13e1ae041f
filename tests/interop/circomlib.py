#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""All of circomlib against npm circom2: every template (zk/circomlib.txt) and every circuit of its own
tests. Constraint counts equal at O0 and O1, equal or fewer at O2; names and numbers of signals
equal; our witness, native and by the WebAssembly calculator, is the peer's at each level, the peer's satisfies our system, and what the peer's
system rejects of a mutated one ours rejects too. A template in no row of the table is a failure.
What the peer gave is kept, by its version, the library's and the source, for the next run.
usage: circomlib.py SENNIT SOURCE_ROOT [REGEX]: only circuits it matches"""
import hashlib
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

SENNIT, ROOT = map(os.path.abspath, sys.argv[1:3])
ONLY = re.compile(sys.argv[3] if len(sys.argv) > 3 else "")
CACHE = os.environ.get("SENNIT_PEER_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "sennit-peers")
CACHE = os.path.join(CACHE, "circom")
PEERS = ["circom2@0.2.23", "snarkjs@0.7.6", "circomlib@2.0.5"]
MUTATIONS = 24
P = 21888242871839275222246405745257275088548364400416034343698204186575808495617


def run(*cmd):
    done = subprocess.run(cmd, capture_output=True, text=True, timeout=600)
    return done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)


# Whether this build writes WebAssembly calculators.
WASM = "no WebAssembly runtime" not in run(SENNIT, "zk", "compile", "--wasm", "/nowhere.circom")[1]


def counts(text):
    found = dict(re.findall(r"^(non-linear constraints|linear constraints|wires|labels): (\d+)", text, re.M))
    return tuple(int(found[k]) for k in ("non-linear constraints", "linear constraints", "wires", "labels")) \
        if len(found) == 4 else None


class Kept:
    """Files the peer made of one source, kept compressed beside it."""

    def __init__(self, text, what):
        key = hashlib.sha256("\n".join(PEERS + [what, text]).encode()).hexdigest()
        self.path = os.path.join(CACHE, "made", key)

    def load(self, folder):
        """The output of the peer, its files in `folder` again; None where it was never run."""
        if not os.path.isfile(self.path):
            return None
        with open(self.path, "rb") as f:
            head = json.loads(f.readline())
            for name, size in head["files"]:
                with open(os.path.join(folder, name), "wb") as out:
                    out.write(zlib.decompress(f.read(size)))
        return head["said"]

    def store(self, said, folder, names):
        packed = [zlib.compress(open(os.path.join(folder, n), "rb").read(), 1) for n in names]
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with open(self.path + ".new", "wb") as f:
            f.write(json.dumps({"said": said, "files": [[n, len(p)] for n, p in zip(names, packed)]}).encode() + b"\n")
            f.writelines(packed)
        os.rename(self.path + ".new", self.path)


class System:
    """A .r1cs file: rows over wires, and the label of each wire."""

    def __init__(self, path):
        data = open(path, "rb").read()
        sections, at = {}, 12
        for _ in range(struct.unpack_from("<I", data, 8)[0]):
            kind, size = struct.unpack_from("<IQ", data, at)
            sections[kind] = (at + 12, size)
            at += 12 + size
        head = sections[1][0]
        n8 = struct.unpack_from("<I", data, head)[0]
        self.n_wires, self.n_out, n_pub, n_prv, _, n_rows = struct.unpack_from("<IIIIQI", data, head + 4 + n8)
        self.n_in = n_pub + n_prv
        self.label = struct.unpack_from("<%dQ" % self.n_wires, data, sections[3][0])
        self.rows, at = [], sections[2][0]
        self.users = {}
        for i in range(n_rows):
            row = []
            for _ in range(3):
                n = struct.unpack_from("<I", data, at)[0]
                at += 4
                terms = []
                for _ in range(n):
                    w = struct.unpack_from("<I", data, at)[0]
                    terms.append((self.label[w], int.from_bytes(data[at + 4:at + 4 + n8], "little")))
                    at += 4 + n8
                    self.users.setdefault(self.label[w], set()).add(i)
                row.append(terms)
            self.rows.append(row)

    def holds(self, i, values):
        a, b, c = (sum(k * values[l] for l, k in terms) for terms in self.rows[i])
        return (a * b - c) % P == 0

    def accepts(self, values):
        return all(self.holds(i, values) for i in range(len(self.rows)))

    def rejects(self, values, label, delta):
        """Whether another value of one signal breaks a row."""
        old = values[label]
        values[label] = (old + delta) % P
        bad = any(not self.holds(i, values) for i in self.users.get(label, ()))
        values[label] = old
        return bad


def input_names(sym, system):
    """main's inputs and how many numbers each takes."""
    names = {}
    for line in open(sym):
        label, _, _, name = line.rstrip("\n").split(",", 3)
        if system.n_out < int(label) <= system.n_out + system.n_in:
            base = re.sub(r"\[.*", "", name.removeprefix("main."))
            names[base] = names.get(base, 0) + 1
    return names


def inputs_to_try(name, system, given):
    names = input_names("theirs0/%s.sym" % name, system)
    rng = random.Random(name)
    yield from [given] if given else []
    for values in (lambda: 0, lambda: 1, *(lambda t=top: rng.randrange(t) for top in (2, 4, 1 << 16))):
        yield {k: [str(values()) for _ in range(n)] for k, n in names.items()}


def wtns(path):
    data = open(path, "rb").read()
    return [int.from_bytes(data[i:i + 32], "little") for i in range(76, len(data), 32)]


def peer_witness(name, text, system, given):
    """All signals by the peer's generator, from the inputs that first satisfy its asserts: in.json, w.wtns."""
    kept = Kept(text, "witness of " + json.dumps(given))
    said = kept.load(".")
    if said is None:
        said = "none"
        peer_compile(name, text, 0, wasm=True)
        js = "theirs0/%s_js" % name
        for inputs in inputs_to_try(name, system, given):
            with open("in.json", "w") as f:
                json.dump(inputs, f)
            if run("node", js + "/generate_witness.js", "%s/%s.wasm" % (js, name), "in.json", "w.wtns")[0] == 0:
                said = "found"
                break
        kept.store(said, ".", ["in.json", "w.wtns"] if said == "found" else [])
    return wtns("w.wtns") if said == "found" else None


def peer_compile(name, text, level, wasm=False):
    folder = "theirs%d" % level
    os.makedirs(folder, exist_ok=True)
    kept = Kept(text, "O%d" % level)
    said = None if wasm else kept.load(folder)
    if said is None:
        rc, said = run(CACHE + "/node_modules/.bin/circom2", name + ".circom", "-l", "lib", "--r1cs", "--sym",
                       "--O%d" % level, "-o", folder, *["--wasm"] * wasm)
        if rc == 0:
            made = sorted(n for n in os.listdir(folder) if n in (name + ".r1cs", name + ".sym"))
            kept.store(said, folder, made)
    return said


def sym(path):
    return [line.split(",")[:2] + line.split(",")[3:] for line in open(path)]


def compare_compiled(name, text, level, bad):
    """Both compile one circuit at one level; the table's cell and both systems."""
    os.makedirs("ours%d" % level, exist_ok=True)
    t = peer_compile(name, text, level)
    _, o = run(SENNIT, "zk", "compile", name + ".circom", "-l", "lib", "--r1cs", "--sym", "--O%d" % level,
               "-o", "ours%d" % level, *["--wasm"] * WASM)
    a, b = counts(t), counts(o)
    if not a or not b:
        bad.append("O%d: %s" % (level, (t if not a else o).strip()[-300:]))
        return None
    if level < 2 and a[:2] != b[:2] or level == 2 and b[0] + b[1] > a[0] + a[1] or a[3] != b[3]:
        bad.append("O%d: circom2 has %s, here %s" % (level, a, b))
    if level == 0 and a != b:
        bad.append("O0: circom2 has %s, here %s" % (a, b))
    return ("%d+%d" % b[:2] + ("" if a[:2] == b[:2] else " (%d+%d)" % a[:2]),
            System("ours%d/%s.r1cs" % (level, name)), System("theirs%d/%s.r1cs" % (level, name)))


def compare_witness(name, level, ours, theirs, values, bad):
    """The peer's witness and mutations of it; how many our system rejects."""
    if not ours.accepts(values):
        bad.append("O%d refuses the peer's witness" % level)
    rc, said = run(SENNIT, "zk", "witness", name + ".circom", "in.json", "ours.wtns", "-l", "lib", "--no-cache",
                   "--O%d" % level)
    if rc != 0:
        bad.append("O%d: no witness: %s" % (level, said.strip()[-300:]))
    elif wtns("ours.wtns") != [values[label] for label in ours.label]:
        bad.append("O%d: another witness" % level)
    elif WASM:
        js = "ours%d/%s_js" % (level, name)
        rc, said = run("node", js + "/generate_witness.js", "%s/%s.wasm" % (js, name), "in.json", "wasm.wtns")
        if rc != 0 or open("wasm.wtns", "rb").read() != open("ours.wtns", "rb").read():
            bad.append("O%d: another witness by WebAssembly: %s" % (level, said.strip()[-300:]))
    rng = random.Random(7)
    both = [l for l in sorted(set(ours.label) & set(theirs.label)) if l]
    sample = [l for l in both if l <= ours.n_out][:MUTATIONS] + rng.sample(both, min(MUTATIONS, len(both)))
    deltas = [rng.randrange(2, P) for _ in sample]
    n = [sum(s.rejects(values, l, d) for l, d in zip(sample, deltas)) for s in (ours, theirs)]
    if level < 2 and n[0] != n[1] or n[0] == 0 < n[1]:
        bad.append("O%d rejects %d mutations of %d, the peer's %d" % (level, n[0], len(sample), n[1]))
    return "%d/%d" % (n[0], len(sample))


def check(name, text, given):
    """One circuit; returns its row of the table and what is wrong with it."""
    bad = []
    levels = [compare_compiled(name, text, level, bad) for level in (0, 1, 2)]
    if None in levels:
        return "", bad
    cells = [cell for cell, _, _ in levels]
    if sym("ours0/%s.sym" % name) != sym("theirs0/%s.sym" % name):
        bad.append("other names or numbers of signals")
    values = peer_witness(name, text, levels[0][1], given)
    if values is None:
        return " | ".join(cells) + " | the peer finds no witness for the inputs tried", bad
    rejected = [compare_witness(name, level, *levels[level][1:], values, bad) for level in (0, 1, 2)]
    return " | ".join(cells) + " | " + " ".join(rejected), bad


def uncovered():
    """Templates of the library that no row of the table has as main, as FILE NAME."""
    rows = {}
    for line in open(os.path.join(ROOT, "tests/interop/zk/circomlib.txt")):
        if not line.startswith("#"):
            file, main = line.split(maxsplit=1)
            rows.setdefault(file.split("+")[0], set()).add(re.match(r"\w+", main).group())
    base, missing, n = "lib/circomlib/circuits", [], 0
    for folder, _, files in os.walk(base):
        for file in sorted(f for f in files if f.endswith(".circom")):
            path = os.path.relpath(os.path.join(folder, file), base).removesuffix(".circom")
            text = re.sub(r"/\*.*?\*/|//[^\n]*", "", open(os.path.join(folder, file)).read(), flags=re.S)
            for name in re.findall(r"\btemplate\s+(?:parallel\s+|custom\s+)?(\w+)", text):
                n += 1
                if name not in rows.get(path, ()):
                    missing.append("%s %s" % (path, name))
    return n, missing


def circuits():
    """(name, text, inputs): templates by the table, then circomlib's own test circuits."""
    given = {}
    here = os.path.join(ROOT, "tests/interop/zk")
    for file in sorted(os.listdir(here)):
        if file.endswith(".circom"):
            main = re.search(r"component main[^=]*= *(.*);", open(os.path.join(here, file)).read())
            inputs = os.path.join(here, file.replace(".circom", ".json"))
            if main and os.path.exists(inputs):
                given[main.group(1).replace(" ", "")] = json.load(open(inputs))
    for line in open(os.path.join(here, "circomlib.txt")):
        if line.startswith("#"):
            continue
        file, main = line.split(maxsplit=1)
        files = file.split("+")
        name = "%s_%s" % (files[0].replace("/", "_"), re.sub(r"\W.*", "", main.strip()))
        size = re.search(r"\((\d+)\)", main)
        if "(" not in main: # a main component of its own
            text = open("lib/circomlib/circuits/%s.circom" % file).read()
            yield "t_" + name, re.sub('include "', 'include "circomlib/circuits/%s/' % os.path.dirname(file), text), None
            continue
        yield ("t_" + name + (size.group(1) if size else ""),
               "pragma circom 2.1.6;\n" + "".join('include "circomlib/circuits/%s.circom";\n' % f for f in files) +
               "component main = %s;\n" % main.strip(), given.get(main.strip().replace(" ", "")))
    tests = "lib/circomlib/test/circuits"
    for file in sorted(os.listdir(tests)):
        text = open(os.path.join(tests, file)).read()
        if "component main" not in text:
            continue
        main = re.search(r"component main[^=]*= *(.*);", text).group(1).replace(" ", "")
        yield ("own_" + file.removesuffix(".circom"), text.replace('"../../circuits/', '"circomlib/circuits/'),
               given.get(main))


def install():
    """The peers from npm; what is missing, or None."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "node and npm are not installed"
    os.makedirs(CACHE, exist_ok=True)
    if all(os.path.isdir(os.path.join(CACHE, "node_modules", p.split("@")[0])) for p in PEERS):
        return None
    done = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", *PEERS], cwd=CACHE,
                          capture_output=True)
    return "circom2 and circomlib from npm are out of reach" if done.returncode else None


def main():
    reason = install()
    if reason:
        print("SKIP: " + reason)
        return 77
    work = tempfile.mkdtemp(prefix="sennit-circomlib.")
    os.chdir(work)
    os.mkdir("lib")
    # The peer sees nothing outside of its working directory.
    shutil.copytree(CACHE + "/node_modules/circomlib", "lib/circomlib")
    if not WASM:
        print("SKIP WebAssembly calculators: this build of sennit has no runtime for them")
    n, missing = uncovered()
    print("%d templates in circomlib, %d of them as a main component of their own" % (n, n - len(missing)))
    for name in missing:
        print("FAIL %s: in no row of zk/circomlib.txt" % name)
    passed, failed = int(not missing), len(missing)
    print("| circuit | O0 | O1 | O2 (circom2's where it differs) | mutations rejected, O0 O1 O2 |\n|---|---|---|---|---|")
    for name, text, given in circuits():
        if not ONLY.search(name):
            continue
        with open(name + ".circom", "w") as f:
            f.write(text)
        row, bad = check(name, text, given)
        print("| %s | %s |" % (name, row), flush=True)
        for line in bad:
            print("FAIL %s: %s" % (name, line), flush=True)
        passed, failed = passed + (not bad), failed + bool(bad)
    shutil.rmtree(work)
    print("%d passed, %d failed, %d skipped" % (passed, failed, not WASM))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
