#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""All of circomlib against npm circom2: every template (zk/circomlib.txt) and every circuit of its own
tests. Constraint counts equal at O0 and O1, equal or fewer at O2; names and numbers of signals
equal; the peer's witness satisfies our system at each level, and what the peer's system rejects of a
mutated one ours rejects too.
usage: circomlib.py SENNIT SOURCE_ROOT [REGEX]: only circuits it matches"""
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

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


def counts(text):
    found = dict(re.findall(r"^(non-linear constraints|linear constraints|wires|labels): (\d+)", text, re.M))
    return tuple(int(found[k]) for k in ("non-linear constraints", "linear constraints", "wires", "labels")) \
        if len(found) == 4 else None


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


def witness(name, system, given):
    """All signals by the peer's generator, from the inputs that first satisfy its asserts."""
    names = input_names("theirs0/%s.sym" % name, system)
    rng = random.Random(name)
    tries = [given] if given else []
    tries += [{k: [v] * n for k, n in names.items()} for v in (0, 1)]
    tries += [{k: [rng.randrange(top) for _ in range(n)] for k, n in names.items()} for top in (2, 4, 1 << 16)]
    for inputs in tries:
        with open("in.json", "w") as f:
            json.dump({k: [str(x) for x in v] if isinstance(v, list) and given is not inputs else v
                       for k, v in inputs.items()}, f)
        js = "theirs0/%s_js" % name
        rc, _ = run("node", js + "/generate_witness.js", "%s/%s.wasm" % (js, name), "in.json", "w.wtns")
        if rc == 0:
            data = open("w.wtns", "rb").read()
            n = (len(data) - 76) // 32
            return [int.from_bytes(data[76 + 32 * i:108 + 32 * i], "little") for i in range(n)]
    return None


def sym(path):
    return [line.split(",")[:2] + line.split(",")[3:] for line in open(path)]


def check(name, given):
    """One circuit; returns its row of the table and what is wrong with it."""
    bad, cells, ours, theirs = [], [], [], []
    for level in (0, 1, 2):
        os.makedirs("theirs%d" % level, exist_ok=True)
        os.makedirs("ours%d" % level, exist_ok=True)
        extra = ["--wasm"] if level == 0 else []
        _, t = run(CACHE + "/node_modules/.bin/circom2", name + ".circom", "-l", "lib", "--r1cs", "--sym",
                   "--O%d" % level, "-o", "theirs%d" % level, *extra)
        _, o = run(SENNIT, "zk", "compile", name + ".circom", "-l", "lib", "--r1cs", "--sym", "--O%d" % level,
                   "-o", "ours%d" % level)
        a, b = counts(t), counts(o)
        if not a or not b:
            return "", ["O%d: %s" % (level, (t if not a else o).strip()[-300:])]
        if level < 2 and a[:2] != b[:2] or level == 2 and b[0] + b[1] > a[0] + a[1] or a[3] != b[3]:
            bad.append("O%d: circom2 has %s, here %s" % (level, a, b))
        if level == 0 and a != b:
            bad.append("O0: circom2 has %s, here %s" % (a, b))
        cells.append("%d+%d" % b[:2] + ("" if a[:2] == b[:2] else " (%d+%d)" % a[:2]))
        ours.append(System("ours%d/%s.r1cs" % (level, name)))
        theirs.append(System("theirs%d/%s.r1cs" % (level, name)))
    if sym("ours0/%s.sym" % name) != sym("theirs0/%s.sym" % name):
        bad.append("other names or numbers of signals")
    values = witness(name, ours[0], given)
    if values is None:
        return " | ".join(cells) + " | no input found", bad
    rng, rejected = random.Random(7), []
    for level in (0, 1, 2):
        if not ours[level].accepts(values):
            bad.append("O%d refuses the peer's witness" % level)
        both = [l for l in set(ours[level].label) & set(theirs[level].label) if l]
        outputs = [l for l in both if l <= ours[level].n_out]
        sample = outputs[:MUTATIONS] + rng.sample(both, min(MUTATIONS, len(both)))
        deltas = [rng.randrange(2, P) for _ in sample]
        n = [sum(s[level].rejects(values, l, d) for l, d in zip(sample, deltas)) for s in (ours, theirs)]
        if level < 2 and n[0] != n[1] or n[0] == 0 < n[1]:
            bad.append("O%d rejects %d mutations of %d, the peer's %d" % (level, n[0], len(sample), n[1]))
        rejected.append("%d/%d" % (n[0], len(sample)))
    return " | ".join(cells) + " | " + " ".join(rejected), bad


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
    missing = install()
    if missing:
        print("SKIP: " + missing)
        return 77
    work = tempfile.mkdtemp(prefix="sennit-circomlib.")
    os.chdir(work)
    os.mkdir("lib")
    # The peer sees nothing outside of its working directory.
    shutil.copytree(CACHE + "/node_modules/circomlib", "lib/circomlib")
    passed = failed = 0
    print("| circuit | O0 | O1 | O2 (circom2's where it differs) | mutations rejected, O0 O1 O2 |\n|---|---|---|---|---|")
    for name, text, given in circuits():
        if not ONLY.search(name):
            continue
        with open(name + ".circom", "w") as f:
            f.write(text)
        row, bad = check(name, given)
        print("| %s | %s |" % (name, row), flush=True)
        for line in bad:
            print("FAIL %s: %s" % (name, line), flush=True)
        passed, failed = passed + (not bad), failed + bool(bad)
    shutil.rmtree(work)
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
