#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The query language against CometBFT's, over random queries and events. usage: events.sh EVENTS_PEER ROOT
set -u
peer=$(realpath "$1") root=$2
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/chain-events
skip() { echo "SKIP $*"; echo "0 passed, 0 failed, 1 skipped"; exit 77; }
command -v go >/dev/null || skip "go is not installed"
mkdir -p "$cache" && cp "$root/tests/interop/events/main.go" "$cache/" && cd "$cache" || exit 1
[ -f go.mod ] || { go mod init events && go get github.com/cometbft/cometbft@v0.38.25 && go mod tidy; } >go.log 2>&1 ||
  { rm -f go.mod; skip "the Go module of CometBFT is out of reach"; }
go build -o events . || exit 1
./events "${CASES:-300000}" "${SEED:-1}" | "$peer"
