#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ttrpc with containerd's own library, both ways. usage: ttrpc.sh TTRPC_PEER ROOT
set -u
peer=$(realpath "$1") root=$2
. "$root/tests/e2e/lib.sh"
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/ttrpc
end() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
command -v go >/dev/null || { skip ttrpc "go is not installed"; end; }
mkdir -p "$cache" && cp "$root/tests/interop/ttrpc/main.go" "$cache/"
(cd "$cache" && { [ -f go.mod ] || { go mod init peer && go get github.com/containerd/ttrpc@v1.2.10; }; } && go mod tidy &&
  go build -o peer .) >"$cache/go.log" 2>&1 || { rm -f "$cache/go.mod"; skip ttrpc "its Go module is out of reach"; end; }
both() { # NAME SERVER CLIENT
  start "$tmp/$1.server" "$2" server "$tmp/$1.sock"
  timeout 60 "$3" client "$tmp/$1.sock" >"$tmp/$1.out" 2>"$tmp/$1.err" || fail "$1" "exit $?"
  while read -r word rest; do
    case $word in ok) ok "$1: $rest" ;; *) fail "$1" "$rest" ;; esac
  done <"$tmp/$1.out"
}
both "our server" "$peer" "$cache/peer"
both "our client" "$cache/peer" "$peer"
end
