#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pushes what critest's specs expect of their images to a local registry: images.py REGISTRY WEB NNP SH.

The images are busybox (Debian's, static) and our own small programs under the names that critest asks for; a
hosts.toml sends those names' registries here."""
import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request

REG, WEB, NNP, SH = sys.argv[1:5]
# Debian's static busybox has neither of these.
PGREP = b"""#!/bin/sh
for p in /proc/[0-9]*; do [ "$(cat $p/comm 2>/dev/null)" = "$1" ] && echo ${p#/proc/}; done
true
"""
STAGING, E2E = "k8s-staging-cri-tools/", "e2e-test-images/"


def layer(entries):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as t:
        for name, kind, body, mode in entries:
            i = tarfile.TarInfo(name)
            i.mode = mode
            i.type = {"d": tarfile.DIRTYPE, "f": tarfile.REGTYPE, "l": tarfile.SYMTYPE, "h": tarfile.LNKTYPE}[kind]
            if kind in "lh":
                i.linkname = body
            i.size = len(body) if kind == "f" else 0
            t.addfile(i, io.BytesIO(body) if kind == "f" else None)
    tar = raw.getvalue()
    return tar, gzip.compress(tar, 6, mtime=0)


def digest(b):
    return "sha256:" + hashlib.sha256(b).hexdigest()


def request(method, url, body=None, kind=None):
    q = urllib.request.Request(url, data=body, method=method)
    if kind:
        q.add_header("Content-Type", kind)
    return urllib.request.urlopen(q)


def put_blob(repo, b):
    try:
        request("HEAD", f"http://{REG}/v2/{repo}/blobs/{digest(b)}")
        return
    except urllib.error.HTTPError:
        pass
    at = request("POST", f"http://{REG}/v2/{repo}/blobs/uploads/", b"").headers["Location"]
    at = at if at.startswith("http") else f"http://{REG}{at}"
    request("PUT", at + ("&" if "?" in at else "?") + "digest=" + digest(b), b, "application/octet-stream")


def push(repo, tag, layers, cmd=("sh",), user="", plain=False, **more):
    cfg = {"architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z",
           "config": {"Cmd": list(cmd), "User": user, "Env": ["PATH=/bin:/usr/bin:/sbin:/usr/sbin"], **more},
           "rootfs": {"type": "layers", "diff_ids": [digest(t) for t, _ in layers]}, "history": []}
    cfg = json.dumps(cfg).encode()
    put_blob(repo, cfg)
    for _, z in layers:
        put_blob(repo, z)
    m = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
         "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(cfg), "size": len(cfg)},
         "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar" + ("" if plain else "+gzip"), "digest": digest(z), "size": len(z)}
                    for _, z in layers]}
    m_text = json.dumps(m).encode()
    request("PUT", f"http://{REG}/v2/{repo}/manifests/{tag}", m_text, m["mediaType"])
    return digest(m_text)


def main():
    bb = open("/usr/bin/busybox", "rb").read()
    applets = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    passwd = ("root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/:/bin/sh\nbin:x:2:2:bin:/bin:/bin/sh\n"
              "www-data:x:33:33:www-data:/var/www:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
    group = "root:x:0:\ndaemon:x:1:\nbin:x:2:\nwww-data:x:33:\nnogroup:x:65534:\n"
    dirs = [(d, "d", b"", 0o755) for d in ("bin", "etc", "usr", "usr/bin", "sbin", "var", "var/run", "var/log", "root", "home", "proc",
                                           "sys", "dev", "mnt", "run")] + [("tmp", "d", b"", 0o1777)]
    base = layer(dirs + [("bin/busybox", "f", bb, 0o755), ("etc/passwd", "f", passwd.encode(), 0o644),
                         ("etc/group", "f", group.encode(), 0o644)] +
                 [("bin/" + a, "h", "bin/busybox", 0o755) for a in applets if a not in ("busybox", "sh")] +
                 [("bin/sh", "f", open(SH, "rb").read(), 0o755)] +
                 [("bin/ipcs", "f", b"#!/bin/sh\ncat /proc/sysvipc/shm\n", 0o755), ("bin/pgrep", "f", PGREP, 0o755)])
    web = layer([("bin/nginx", "f", open(WEB, "rb").read(), 0o755)])
    nnp = layer([("nnp", "f", open(NNP, "rb").read(), 0o4755)])
    groups = layer([("etc/passwd", "f", (passwd + "default-user:x:1000:1000::/:/bin/sh\n").encode(), 0o644),
                    ("etc/group", "f", (group + "default-user:x:1000:\ngroup-defined-in-image:x:50000:default-user\n").encode(), 0o644)])
    push(E2E + "busybox", "1.29-2", [base])
    push(E2E + "nginx", "1.14-2", [base, web], ["nginx", "80", "nginx"])
    push(E2E + "httpd", "2.4.39-4", [base, web], ["nginx", "80", "httpd"])
    push(E2E + "nonewprivs", "1.3", [base, nnp], ["/nnp"])
    push("pause", "3.9", [base], ["sleep", "1000000"])
    push(STAGING + "hostnet-nginx-amd64", "latest", [base, web], ["nginx", "12003", "nginx"])
    push(STAGING + "test-image-user-uid", "latest", [base], user="1002")
    push(STAGING + "test-image-user-username", "latest", [base], user="www-data")
    push(STAGING + "test-image-user-uid-group", "latest", [base], user="1003:users")
    push(STAGING + "test-image-user-username-group", "latest", [base], user="www-data:100")
    push(STAGING + "test-image-predefined-group", "latest", [base, groups], user="1000")
    for n in ("latest", "1", "2", "3"):
        push(STAGING + "test-image-" + n, "latest", [base, layer([("mark-" + n, "f", n.encode(), 0o644)])])
    for t in ("test", "all"):
        push(STAGING + "test-image-tag", t, [base, layer([("mark-tag-" + t, "f", b"t", 0o644)])])
    # The same bytes on every machine: cri.sh tells critest the digest that this prints.
    tar = layer([("mark-digest", "f", b"d", 0o644)])[0]
    print(push(STAGING + "test-image-digest", "latest", [(tar, tar)], plain=True))
    for t in ("1", "2", "3"):
        push(STAGING + "test-image-tags", t, [base, layer([("mark-tags", "f", b"t", 0o644)])])


main()
