#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compiling and loading containerd's default seccomp profile, ours against libseccomp, and what a filter costs per
# call. The profile comes from tests/interop/seccomp.sh. usage: seccomp.sh BUILD (a release build)
set -eu
build=$(realpath "$1")
profile=${SENNIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit}/seccomp/containerd.json
[ -s "$profile" ] || "$(dirname "$0")/../tests/interop/seccomp.sh" "$build/clusters/seccomp/seccomp_peer" "$(dirname "$0")/.." >/dev/null
[ -s "$profile" ] || { echo "SKIP seccomp: no profile at $profile"; exit 0; }
exec "$build/clusters/seccomp/seccomp_peer" bench "$profile"
