# SPDX-License-Identifier: Apache-2.0
# tests/interop/oci_peers.sh - the OCI runtime's peers; source it. Builds what is missing under
# $peers and leaves a variable empty where a peer cannot be had here.
peers=${SENNIT_PEERS:-$HOME/.cache/sennit-peers}/oci
mkdir -p "$peers"
runc=$(command -v runc || echo /usr/sbin/runc); [ -x "$runc" ] || runc=
crun=$(command -v crun || :)
# peer_validation - opencontainers/runtime-tools: the programs of validation/, built once.
peer_validation() {
  validation=$peers/runtime-tools
  [ -x "$validation/runtimetest" ] && return 0
  command -v go >/dev/null || { validation=; return 1; }
  local src; src=$(cd "$peers" && GOFLAGS=-mod=mod go mod download -json github.com/opencontainers/runtime-tools@latest 2>/dev/null | sed -n 's/.*"Dir": "\(.*\)",/\1/p')
  [ -n "$src" ] || { validation=; return 1; }
  rm -rf "$validation.new"; cp -r "$src" "$validation.new" && chmod -R u+w "$validation.new"
  [ -f "$validation.new/go.mod" ] || (cd "$validation.new" && go mod init github.com/opencontainers/runtime-tools >/dev/null 2>&1 && go mod tidy >/dev/null 2>&1)
  (cd "$validation.new" && export CGO_ENABLED=0 && go build -o runtimetest ./cmd/runtimetest \
    && for d in validation/*/; do n=$(basename "$d"); [ "$n" = util ] || go build -o "validation/$n/$n.t" "./validation/$n" || exit 1; done) || { validation=; return 1; }
  mv "$validation.new" "$validation"
}
# peer_runc - a current runc from its module, with libseccomp.
peer_runc() {
  runc_new=$peers/runc-1.5.3
  [ -x "$runc_new" ] && return 0
  command -v go >/dev/null || { runc_new=; return 1; }
  local src; src=$(cd "$peers" && GOFLAGS=-mod=mod go mod download -json github.com/opencontainers/runc@v1.5.3 2>/dev/null | sed -n 's/.*"Dir": "\(.*\)",/\1/p')
  rm -rf "$peers/runc.src"; cp -r "$src" "$peers/runc.src" && chmod -R u+w "$peers/runc.src"
  (cd "$peers/runc.src" && go build -tags seccomp -ldflags "-X main.version=1.5.3" -o "$runc_new" .) >/dev/null 2>&1 || runc_new=
}
