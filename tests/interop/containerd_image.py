#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An image archive in OCI layout from the statically linked busybox.  containerd_image.py OUT.tar REFERENCE"""
import gzip, hashlib, io, json, subprocess, sys, tarfile


def layer():
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as t:
        def add(name, kind, mode=0o755, data=b"", link=""):
            i = tarfile.TarInfo(name)
            i.type, i.mode, i.size, i.linkname = kind, mode, len(data), link
            t.addfile(i, io.BytesIO(data))
        for d in ("bin", "dev", "etc", "proc", "sys", "tmp", "root", "run"):
            add(d, tarfile.DIRTYPE, 0o1777 if d == "tmp" else 0o755)
        add("bin/busybox", tarfile.REGTYPE, data=open("/bin/busybox", "rb").read())
        for applet in subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True).stdout.split():
            if applet != "busybox":
                add("bin/" + applet, tarfile.SYMTYPE, link="busybox")
        add("etc/passwd", tarfile.REGTYPE, 0o644, b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n")
        add("etc/group", tarfile.REGTYPE, 0o644, b"root:x:0:\nuser:x:1000:\n")
    return raw.getvalue()


def main(out, reference):
    raw = layer()
    packed = gzip.compress(raw, mtime=0)
    blobs = {}

    def put(data, kind, **more):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": kind, "digest": "sha256:" + digest, "size": len(data), **more}

    base = "application/vnd.oci.image."
    config = put(json.dumps({"architecture": "amd64", "os": "linux", "config": {
        "Env": ["PATH=/bin"], "Cmd": ["sh"]}, "rootfs": {"type": "layers",
        "diff_ids": ["sha256:" + hashlib.sha256(raw).hexdigest()]}}).encode(), base + "config.v1+json")
    manifest = put(json.dumps({"schemaVersion": 2, "mediaType": base + "manifest.v1+json", "config": config,
        "layers": [put(packed, base + "layer.v1.tar+gzip")]}).encode(), base + "manifest.v1+json",
        platform={"architecture": "amd64", "os": "linux"}, annotations={"io.containerd.image.name": reference,
        "org.opencontainers.image.ref.name": reference.rsplit(":", 1)[-1]})
    with tarfile.open(out, "w") as t:
        def add(name, data):
            i = tarfile.TarInfo(name)
            i.size = len(data)
            t.addfile(i, io.BytesIO(data))
        add("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        add("index.json", json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode())
        for digest, data in blobs.items():
            add("blobs/sha256/" + digest, data)


main(*sys.argv[1:])
