#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pull and unpack of one image: ours, containerd, skopeo with umoci; interleaved. Run by image.sh.
image.py make LAYOUT LAYERS | image.py run ADDRESS SENNIT FOLDER ROUNDS"""
import gzip
import hashlib
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import time


def make(layout, n_layers):
    """Real files of this machine, spread over the layers."""
    files = []
    for root in ("/usr/lib/python3", "/usr/share/perl", "/usr/lib/python3.11", "/usr/include", "/usr/bin"):
        for base, dirs, names in os.walk(root):
            dirs.sort()
            files += [os.path.join(base, f) for f in sorted(names) if os.path.isfile(os.path.join(base, f))]
    kept, total = [], 0
    for f in files:
        size = os.lstat(f).st_size
        if size > 4 << 20 or total > 160 << 20:
            continue
        kept.append(f)
        total += size
    os.makedirs(layout + "/blobs/sha256")

    def blob(data):
        d = hashlib.sha256(data).hexdigest()
        with open(layout + "/blobs/sha256/" + d, "wb") as f:
            f.write(data)
        return {"digest": "sha256:" + d, "size": len(data)}

    diff_ids, layers = [], []
    for n in range(n_layers):
        raw, dirs = io.BytesIO(), set()
        with tarfile.open(fileobj=raw, mode="w") as t:
            for f in kept[n * len(kept) // n_layers:(n + 1) * len(kept) // n_layers]:
                parts = f.strip("/").split("/")[:-1]
                for k in range(len(parts)):
                    d = "/".join(parts[:k + 1])
                    if d not in dirs:
                        dirs.add(d)
                        t.add("/" + d, d, recursive=False)
                t.add(f, f.strip("/"), recursive=False)
        raw = raw.getvalue()
        diff_ids.append("sha256:" + hashlib.sha256(raw).hexdigest())
        layers.append(dict(blob(gzip.compress(raw, 6)), mediaType="application/vnd.oci.image.layer.v1.tar+gzip"))
    config = dict(blob(json.dumps({"os": "linux", "architecture": "amd64", "config": {},
                                   "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()),
                  mediaType="application/vnd.oci.image.config.v1+json")
    manifest = dict(blob(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                                     "config": config, "layers": layers}).encode()),
                    mediaType="application/vnd.oci.image.manifest.v1+json",
                    annotations={"org.opencontainers.image.ref.name": "1"})
    with open(layout + "/index.json", "w") as f:
        json.dump({"schemaVersion": 2, "manifests": [manifest]}, f)
    with open(layout + "/oci-layout", "w") as f:
        f.write('{"imageLayoutVersion":"1.0.0"}')
    print("%d layers, %d files, %.0f MB, compressed %.0f MB" %
          (n_layers, len(kept), total / 1e6, sum(x["size"] for x in layers) / 1e6))


def spent(cmd, **kw):
    """Wall and CPU seconds, and peak MB, of a command and what it started."""
    t, pid = time.monotonic(), subprocess.Popen(cmd, stdout=subprocess.DEVNULL, **kw)
    _, status, ru = os.wait4(pid.pid, 0)
    if status:
        sys.exit("failed: %s" % " ".join(cmd))
    return time.monotonic() - t, ru.ru_utime + ru.ru_stime, ru.ru_maxrss / 1024


def of_daemon(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    with open("/proc/%d/status" % pid) as f:
        peak = [int(x.split()[1]) / 1024 for x in f if x.startswith("VmHWM")][0]
    return sum(int(x) for x in fields[11:15]) / os.sysconf("SC_CLK_TCK"), peak


def ours(at, sennit, folder, *more):
    r = spent([sennit, "pull", at + "/bench:1", "--root", folder + "/ours", "--quiet", *more])
    shutil.rmtree(folder + "/ours")
    return r


def containerd(at, folder):
    base = folder + "/ctrd"
    os.makedirs(base)
    with open(base + "/config.toml", "w") as f:
        f.write('version = 2\nroot = "%s/root"\nstate = "%s/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
                '[grpc]\naddress = "%s/sock"\n' % (base, base, base))
    d = subprocess.Popen(["containerd", "-c", base + "/config.toml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ctr = ["ctr", "-a", base + "/sock"]
        for _ in range(200):
            if subprocess.run(ctr + ["version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.05)
        before, _ = of_daemon(d.pid)
        wall, cpu, client = spent(ctr + ["image", "pull", "--plain-http", "--snapshotter", "overlayfs", at + "/bench:1"])
        after, peak = of_daemon(d.pid)
        return wall, cpu + after - before, peak + client
    finally:
        d.terminate()
        d.wait()
        shutil.rmtree(base, ignore_errors=True)


def skopeo_umoci(at, folder):
    base = folder + "/su"
    os.makedirs(base)
    with open(base + "/policy.json", "w") as f:
        f.write('{"default":[{"type":"insecureAcceptAnything"}]}')
    a = spent(["skopeo", "--policy", base + "/policy.json", "copy", "-q", "--src-tls-verify=false", "docker://" + at + "/bench:1",
               "oci:" + base + "/lay:1"])
    b = spent(["umoci", "--log=error", "unpack", "--image", base + "/lay:1", base + "/out"])
    shutil.rmtree(base)
    return a[0] + b[0], a[1] + b[1], max(a[2], b[2])


def run(at, sennit, folder, rounds):
    kinds = [("Sennit", lambda: ours(at, sennit, folder)), ("Sennit, --no-sync", lambda: ours(at, sennit, folder, "--no-sync"))]
    if shutil.which("containerd") and shutil.which("ctr"):
        kinds.append(("containerd, ctr image pull", lambda: containerd(at, folder)))
    if shutil.which("umoci"):
        kinds.append(("skopeo copy, umoci unpack", lambda: skopeo_umoci(at, folder)))
    rows = {name: [] for name, _ in kinds}
    for _ in range(rounds):
        for name, fn in kinds:
            rows[name].append(fn())
    print("\n| pull and unpack | wall, s | CPU, s | peak, MB |\n|---|---|---|---|")
    for name, _ in kinds:
        print("| %s | %.2f | %.2f | %.0f |" % ((name,) + tuple(statistics.median(x[i] for x in rows[name]) for i in range(3))))


if sys.argv[1] == "make":
    make(sys.argv[2], int(sys.argv[3]))
else:
    run(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
