#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/e2e/validators.sh SENNIT VALIDATORS - the tour's chain: four validators, one loses its disk and comes back by state sync.
set -u
. "$(dirname "$0")/lib.sh"
end() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
ldconfig -p 2>/dev/null | grep -q libleveldb || { skip validators "libleveldb1d is not installed"; end; }
# Eight ports in two rows, ten apart, that are free now.
port=$(python3 - <<'PY'
import socket, random
for _ in range(200):
    base = random.randrange(20000, 55000)
    try:
        held = [socket.socket() for _ in range(8)]
        for i, s in enumerate(held): s.bind(("127.0.0.1", base + i % 4 + 10 * (i // 4)))
        print(base); break
    except OSError: pass
    finally:
        for s in held: s.close()
PY
)
timeout 150 "$2" --sennit "$1" --dir "$tmp/chain" --port "$port" --every 2s --rounds 1 >"$tmp/cards" 2>"$tmp/err"
check "one round" "$?" 0
last=$(tail -n 1 "$tmp/cards")
fact() { jq -r ".facts[] | select(.label == \"$1\") | $2" <<<"$last" 2>/dev/null; }
check "it came back by a snapshot: its blocks begin behind the first" "$(fact "State sync" .state)" ok
check "with the others' application hash" "$(fact "Application hash" '.value + "," + .state')" equal,ok
check "the others went on meanwhile" "$(jq -r 'select(.text | test("the other three go on")) | .facts[] | select(.label == "Block") | .value' "$tmp/cards" |
  sort -nu | wc -l | awk '{ print ($1 > 1) }')" 1
[ "$failed" -eq 0 ] || tail -n 5 "$tmp/err"
for _ in $(seq 50); do pgrep -f "$tmp/chain/node" >/dev/null || break; sleep 0.1; done
check "no process is left" "$(pgrep -fc "$tmp/chain/node")" 0
end
