#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Our seccomp filters against libseccomp's: a thousand random profiles and containerd's default one, verdict by
# verdict; then the default one in the kernel. usage: seccomp.sh SECCOMP_PEER ROOT
set -u
peer=$1 root=$2
. "$root/tests/e2e/lib.sh"
cache=${SENNIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit}/seccomp
out=$(timeout 200 "$peer" random 1000 7 2>&1) && ok "random profiles: $(tail -1 <<<"$out")" || fail "random profiles" "$out"
profile=$cache/containerd.json
if [ ! -s "$profile" ] && command -v go >/dev/null; then
  mkdir -p "$cache/go" && cp "$root/tests/interop/seccomp/profile.go" "$cache/go/main.go"
  (cd "$cache/go" && { [ -f go.mod ] || go mod init seccompprofile; } && go get github.com/containerd/containerd/v2/contrib/seccomp@v2.4.2 &&
    go mod tidy && go run . >"$profile.tmp" && mv "$profile.tmp" "$profile") >"$cache/log" 2>&1
fi
if [ -s "$profile" ]; then
  out=$(timeout 60 "$peer" profile "$profile" 2>&1) && ok "containerd's default: ${out#*: }" || fail "containerd's default" "$out"
else
  skip "containerd's default profile" "Go or its module is not to be had"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
