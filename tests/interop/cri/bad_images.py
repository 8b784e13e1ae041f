#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pushes images that mean harm or are broken to a registry: bad_images.py REGISTRY big|all. Their tags say what is wrong."""
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
import urllib.request

REG, WHAT = sys.argv[1:3]


def digest(b):
    return "sha256:" + hashlib.sha256(b).hexdigest()


def send(method, url, body, kind):
    return urllib.request.urlopen(urllib.request.Request(url, data=body, method=method, headers={"Content-Type": kind}))


def blob(b):
    at = send("POST", f"http://{REG}/v2/bad/blobs/uploads/", b"", "text/plain").headers["Location"]
    at = at if at.startswith("http") else f"http://{REG}{at}"
    send("PUT", at + ("&" if "?" in at else "?") + "digest=" + digest(b), b, "application/octet-stream")


def push(tag, layers, diff_ids=None):
    """layers: bytes as they are sent; diff_ids: of what they unpack to."""
    cfg = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]},
                      "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()
    for b in [cfg] + layers:
        blob(b)
    m = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(cfg), "size": len(cfg)},
                    "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest(b), "size": len(b)}
                               for b in layers]}).encode()
    send("PUT", f"http://{REG}/v2/bad/manifests/{tag}", m, "application/vnd.oci.image.manifest.v1+json")


def tar(*entries):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as t:
        for name, kind, body in entries:
            i = tarfile.TarInfo(name)
            i.type = kind
            i.mode = 0o755
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                i.linkname = body
            i.size = len(body) if kind == tarfile.REGTYPE else 0
            t.addfile(i, io.BytesIO(body) if kind == tarfile.REGTYPE else None)
    return raw.getvalue()


F, S, H, C = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE


def one(tag, t):
    push(tag, [gzip.compress(t, 1, mtime=0)], [digest(t)])


if WHAT == "big":
    one("big", tar(("big", F, os.urandom(20 << 20))))
    sys.exit()
one("escape-dotdot", tar(("../../../../../../escaped-by-image", F, b"x"), ("a/../../../../../../../../escaped-by-image", F, b"x")))
one("escape-absolute", tar(("/escaped-by-image", F, b"x")))
one("escape-link", tar(("out", S, "/"), ("out/escaped-by-image", F, b"x"), ("up", S, "../../../../../../../.."), ("up/escaped-by-image", F, b"x")))
one("escape-hardlink", tar(("stolen", H, "/etc/passwd"), ("stolen2", H, "../../../../../../etc/passwd")))
one("device-name", tar(("a" * 300, F, b"x")))
bomb = tar(("zeros", F, b"\0" * (256 << 20)))
push("bomb", [gzip.compress(gzip.compress(bomb, 9, mtime=0), 9, mtime=0)], [digest(bomb)])
good = tar(("f", F, b"x" * 100000))
z = gzip.compress(good, 1, mtime=0)
push("truncated", [z[: len(z) // 2]], [digest(good)])
push("wrong-diffid", [z], [digest(b"something else")])
push("no-layer", [], [digest(good)])
push("not-gzip", [b"this is no archive" * 100], [digest(good)])
