#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ed25519 under ZIP-215 against CometBFT's verifier (curve25519-voi): the same verdict on mutated, mixed and
# non-canonical signatures, by every engine and every way to ask.
# usage: ed25519.sh ED25519_PEER SOURCE_ROOT; ED25519_CASES=20000, SEED=1
set -u
peer=$(realpath "$1") root=$(realpath "$2")
. "$root/tests/e2e/lib.sh"
. "$root/tests/interop/p2p/peers.sh"
finish() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" = 0 ] || exit 1; [ "$passed" -gt 0 ] || exit 77; exit 0; }
if ! go_peer ed25519 "$root/tests/interop/ed25519"; then
  skip ed25519 "$go_peer_why"
  finish
fi
"$go_peer_bin" "${ED25519_CASES:-20000}" "${SEED:-1}" | "$peer" >"$tmp/out" 2>"$tmp/err"
while IFS= read -r line; do
  case $line in
    ok\ *) ok "${line#ok }" ;;
    FAIL\ *) fail "${line#FAIL }" "$(head -3 "$tmp/err" | tr '\n' ' ')" ;;
  esac
done <"$tmp/out"
[ $((passed + failed)) -gt 0 ] || fail ed25519 "nothing was compared: $(head -3 "$tmp/err")"
finish
