#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A registry that does wrong: bad_registry.py PORT stall|cut|wrong-digest|huge-manifest|garbage|redirect-loop|slow.

The last one does no wrong, but takes two seconds for its layer."""
import hashlib
import http.server
import io
import json
import os
import sys
import tarfile
import time

KIND = sys.argv[2]
LAYER = b"l" * 200000
if KIND == "slow":
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as t:
        i = tarfile.TarInfo("f")
        i.size = 2000000
        t.addfile(i, io.BytesIO(os.urandom(i.size)))
    LAYER = raw.getvalue()
CFG = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(LAYER).hexdigest()]}}).encode()


def d(b):
    return "sha256:" + hashlib.sha256(b).hexdigest()


MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                       "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": d(CFG), "size": len(CFG)},
                       "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": d(LAYER), "size": len(LAYER)}]}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, body, kind="application/octet-stream", length=None):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length or len(body)))
        self.send_header("Docker-Content-Digest", d(MANIFEST))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
            self.wfile.flush()

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        manifest = "/manifests/" in self.path
        if self.path in ("/v2/", "/v2"):
            return self.answer(b"{}", "application/json")
        if KIND == "redirect-loop":
            self.send_response(307)
            self.send_header("Location", self.path)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if manifest and KIND == "garbage":
            return self.answer(b"\x00\xff not json", "application/vnd.oci.image.manifest.v1+json")
        if manifest and KIND == "huge-manifest":
            return self.answer(b" " * (16 << 20), "application/vnd.oci.image.manifest.v1+json")
        if manifest:
            return self.answer(MANIFEST, "application/vnd.oci.image.manifest.v1+json")
        if d(CFG) in self.path:
            return self.answer(CFG)
        if KIND == "stall":
            self.answer(LAYER[:1000], length=len(LAYER))
            time.sleep(1000)
        elif KIND == "slow":
            self.answer(LAYER[:100000], length=len(LAYER))
            for at in range(100000, len(LAYER), 100000):
                time.sleep(0.1)
                self.wfile.write(LAYER[at:at + 100000])
        elif KIND == "cut":
            self.answer(LAYER[:1000], length=len(LAYER))
            self.close_connection = True
        elif KIND == "wrong-digest":
            self.answer(b"m" * len(LAYER))
        else:
            self.answer(LAYER)


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
