#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The plugin's own tables (boot/) must be what it writes for descriptor.proto and plugin.proto, and
# two runs must write the same bytes. With --write, renews boot/.
# usage: selftest.sh PROTOC PLUGIN PROTO_INCLUDE [--write]
set -eu
protoc=$1 plugin=$2 include=$3
here=$(cd "$(dirname "$0")" && pwd)
case $("$protoc" --version) in
*" 3.21."*) ;;
*) echo "SKIP: boot/ was written from protoc 3.21's descriptor.proto"; exit 77 ;;
esac
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for run in 1 2; do
    mkdir "$tmp/$run"
    "$protoc" --plugin=protoc-gen-sennit="$plugin" -I"$here/proto" -I"$include" \
        --sennit_out="$tmp/$run" google/protobuf/descriptor.proto \
        google/protobuf/compiler/plugin.proto
done
diff -r "$tmp/1" "$tmp/2"
if [ "${4:-}" = --write ]; then
    cp -r "$tmp/1/." "$here/boot/"
else
    diff -r "$tmp/1" "$here/boot"
fi
# What it cannot do it must refuse with words.
if "$protoc" --plugin=protoc-gen-sennit="$plugin" -I"$here/proto" -I"$include" \
    --sennit_out=bogus=1:"$tmp/2" google/protobuf/descriptor.proto 2>"$tmp/err"; then
    echo "an unknown parameter was accepted"
    exit 1
fi
grep -q 'unknown parameter "bogus=1"' "$tmp/err"
