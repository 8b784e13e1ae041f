# SPDX-License-Identifier: Apache-2.0
# tests/interop/p2p/peers.sh - builds Go peers on CometBFT's packages, once, outside the checkout; source it.
COMETBFT_VERSION=v0.38.25
# go_peer NAME FOLDER - builds the main package of the folder; $go_peer_bin is the program. Returns 1 where that
# is not possible, with the reason in $go_peer_why.
go_peer() {
  local dir=${SENNIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit}/cometbft-$1
  go_peer_bin=$dir/peer go_peer_why=
  command -v go >/dev/null || { go_peer_why="go is not installed"; return 1; }
  mkdir -p "$dir"
  cmp -s "$2/main.go" "$dir/main.go" && [ -x "$go_peer_bin" ] && return 0
  cp "$2/main.go" "$dir/main.go"
  if ! (cd "$dir" && { [ -f go.mod ] || go mod init peer; } &&
    { grep -q cometbft/cometbft go.mod || go mod edit -require "github.com/cometbft/cometbft@$COMETBFT_VERSION"; } &&
    timeout 300 go mod tidy && timeout 600 go build -o peer .) >"$dir/build.log" 2>&1; then
    go_peer_why="CometBFT $COMETBFT_VERSION cannot be built: $(tail -1 "$dir/build.log")"
    return 1
  fi
}
