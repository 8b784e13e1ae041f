#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# sdk.sh SENNIT ARTIFACT OUT WORK - the C files of the artifact's SDK, for the build.
set -eu
"$1" abi gen -q --force --lang c -p token -o "$4" "$2"
cp "$4/c/token.c" "$4/c/token.h" "$3/"
