#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Against Google's Python runtime: random messages of every feature go both ways, binary and JSON.
# usage: protobuf.sh PB_CONVERT SOURCE_ROOT
set -eu
convert=$1 root=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv" >/dev/null 2>&1 || { echo "SKIP: python3 has no venv"; exit 77; }
# protoc 3.21 writes code for runtime 4.21.
"$tmp/venv/bin/pip" -q install 'protobuf==4.21.12' >/dev/null 2>&1 ||
    { echo "SKIP: the protobuf package for Python is out of reach"; exit 77; }
protoc -I"$root/base/wire" --python_out="$tmp" pb_test.proto
PYTHONPATH=$tmp "$tmp/venv/bin/python" "$root/tests/interop/protobuf_peer.py" "$convert"
