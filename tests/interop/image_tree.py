#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Everything about the files of a tree, a line each, for comparing two of them: image_tree.py FOLDER"""
import hashlib
import os
import stat
import sys

root = sys.argv[1]
rows, inodes = [], {}
for base, dirs, files in os.walk(root):
    for name in sorted(dirs + files) + ([] if base != root else [""]):
        path = os.path.join(base, name) if name else base
        rel = os.path.relpath(path, root)
        st = os.lstat(path)
        kind = stat.S_IFMT(st.st_mode)
        what = "%o" % (st.st_mode & 0o177777) if kind != stat.S_IFLNK else "link"
        row = [rel, what, "%d:%d" % (st.st_uid, st.st_gid)]
        if kind == stat.S_IFREG:
            with open(path, "rb") as f:
                row.append(hashlib.sha256(f.read()).hexdigest()[:16])
            row.append("mtime=%d" % st.st_mtime)
        if kind == stat.S_IFLNK:
            row.append(os.readlink(path))
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            row.append("%d,%d" % (os.major(st.st_rdev), os.minor(st.st_rdev)))
        if kind != stat.S_IFDIR and st.st_nlink > 1:
            row.append("same-as=" + inodes.setdefault(st.st_ino, rel))
        try:
            for x in sorted(os.listxattr(path, follow_symlinks=False)):
                if "overlay" not in x:
                    row.append(x + "=" + os.getxattr(path, x, follow_symlinks=False).hex())
        except OSError:
            pass
        rows.append(" ".join(row))
print("\n".join(sorted(rows)))
