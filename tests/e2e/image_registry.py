#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A registry of one image, made here: image_registry.py TREE BYTES_PER_SECOND. Prints its address. The files of
the image are left in TREE, to compare with. The layers have what layers have: whiteouts, hard links, modes."""
import gzip
import hashlib
import io
import json
import os
import random
import sys
import tarfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

tree, rate = sys.argv[1], int(sys.argv[2])
rnd = random.Random(7)
blobs, diff_ids, layers = {}, [], []


def blob(data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    blobs[digest] = data
    return {"digest": digest, "size": len(data)}


def layer(entries):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as t:
        for name, kind, data in entries:
            e = tarfile.TarInfo(name)
            e.mtime = 1000000000
            e.type = {"dir": tarfile.DIRTYPE, "file": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE}[kind]
            e.mode = 0o755 if kind == "dir" else 0o4711 if name.endswith("suid") else 0o640
            e.uid = len(name) % 5
            if kind == "file":
                e.size = len(data)
                t.addfile(e, io.BytesIO(data))
            else:
                e.linkname = data or ""
                t.addfile(e)
    raw = raw.getvalue()
    diff_ids.append("sha256:" + hashlib.sha256(raw).hexdigest())
    layers.append(dict(blob(gzip.compress(raw, 1, mtime=0)), mediaType="application/vnd.oci.image.layer.v1.tar+gzip"))


want = {}
for n in range(4):
    entries = [("d%d" % n, "dir", None), ("shared", "dir", None)]
    for i in range(200):
        name, data = "d%d/f%d" % (n, i), rnd.randbytes(rnd.choice([0, 100, 5000, 40000]))
        entries.append((name, "file", data))
        want[name] = data
    entries += [("d%d/suid" % n, "file", b"x"), ("d%d/hard" % n, "hard", "d%d/suid" % n), ("d%d/soft" % n, "link", "../d0/f1")]
    want["d%d/suid" % n] = want["d%d/hard" % n] = b"x"
    entries.append(("shared/s%d" % n, "file", b"%d" % n))
    want["shared/s%d" % n] = b"%d" % n
    if n:
        entries.append(("d%d/.wh.f7" % (n - 1), "file", b""))
        want.pop("d%d/f7" % (n - 1))
        entries.append(("d%d/f8" % (n - 1), "file", b"later"))
        want["d%d/f8" % (n - 1)] = b"later"
    layer(entries)
for name, data in want.items():
    os.makedirs(os.path.dirname(os.path.join(tree, name)), exist_ok=True)
    with open(os.path.join(tree, name), "wb") as f:
        f.write(data)
config = blob(json.dumps({"os": "linux", "architecture": "amd64", "config": {"Cmd": ["/x"]},
                          "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode())
config["mediaType"] = "application/vnd.oci.image.config.v1+json"
manifest = json.dumps({"schemaVersion": 2, "config": config, "layers": layers}).encode()
blob(manifest)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        name = self.path.rsplit("/", 1)[1]
        data = manifest if name == "1" else blobs.get(name)
        if data is None:
            self.send_response(404)
            self.send_header("content-length", "0")
            self.end_headers()
            return
        start = int(self.headers.get("range", "bytes=0-")[6:].split("-")[0])
        self.send_response(206 if start else 200)
        if start:
            self.send_header("content-range", "bytes %d-%d/%d" % (start, len(data) - 1, len(data)))
        self.send_header("content-length", str(len(data) - start))
        self.end_headers()
        try:
            while start < len(data):
                self.wfile.write(data[start:start + 65536])
                start += 65536
                if rate:
                    time.sleep(65536 / rate)
        except OSError:
            pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("127.0.0.1:%d" % server.server_port, flush=True)
server.serve_forever()
