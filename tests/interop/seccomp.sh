#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Our seccomp filters against libseccomp's: a thousand random profiles, containerd's and Docker's default ones, verdict by
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
# Docker's: with its usual capabilities, and with every one that adds rules.
docker_profiles() {
  mkdir -p "$cache/docker" && cp "$root/tests/interop/seccomp/docker.go" "$cache/docker/main.go"
  (cd "$cache/docker" && { [ -f go.mod ] || go mod init seccompprofile; } && go get github.com/moby/profiles/seccomp@v0.3.0 && go mod tidy && go build -o profile . &&
    ./profile CAP_CHOWN CAP_DAC_OVERRIDE CAP_FSETID CAP_FOWNER CAP_MKNOD CAP_NET_RAW CAP_SETGID CAP_SETUID CAP_SETFCAP CAP_SETPCAP CAP_NET_BIND_SERVICE CAP_SYS_CHROOT CAP_KILL CAP_AUDIT_WRITE >"$cache/docker-usual.json" &&
    ./profile CAP_DAC_READ_SEARCH CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_CHROOT CAP_SYS_MODULE CAP_SYS_PACCT CAP_SYS_PTRACE CAP_SYS_RAWIO CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_SYS_NICE CAP_SYSLOG CAP_BPF CAP_PERFMON >"$cache/docker-all.json" &&
    ./profile >"$cache/docker-none.json") >"$cache/log" 2>&1
}
[ -s "$cache/docker-none.json" ] || { command -v go >/dev/null && docker_profiles; }
for which in usual all none; do
  if [ -s "$cache/docker-$which.json" ]; then
    out=$(timeout 60 "$peer" profile "$cache/docker-$which.json" 2>&1) && ok "Docker's default, capabilities: $which: ${out#*: }" || fail "Docker's default ($which)" "$out"
  else
    skip "Docker's default profile ($which)" "Go or its module is not to be had"
  fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
