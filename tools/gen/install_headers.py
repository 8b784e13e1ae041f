#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""install_headers.py SOURCE BUILD DEST - the headers of libsennit, as its users include them: base/ and the
rooms of services/ that generated code stands on, and what is generated from .proto files."""
import os
import pathlib
import shutil
import sys

source, build, dest = (pathlib.Path(p) for p in sys.argv[1:])
if os.environ.get("DESTDIR"):
    dest = pathlib.Path(os.environ["DESTDIR"]) / dest.relative_to("/")
rooms = [(source / "base", ["core", "wire", "crypto", "fiber", "kit"]),
         (source / "services", ["app", "govern", "registry", "sql"])]
for root, folders in rooms:
    for folder in folders:
        for h in sorted((root / folder).rglob("*.h")):
            if h.name.endswith(("_int.h", "_test.h")):
                continue
            to = dest / h.relative_to(root)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(h, to)
for root in (build / "base/wire", build / "base/kit/libsn_kit.a.p"):
    for h in sorted(root.rglob("*.pb.h")):
        if h.relative_to(root).parts[0] not in ("google", "grpc"):
            continue
        to = dest / h.relative_to(root)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(h, to)
