#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Images from the command line, against a slow registry: pulled, killed at any moment and pulled again, listed,
# mounted, saved, loaded, removed.  image.sh SENNIT SOURCE_ROOT
set -uo pipefail
sennit=$1; here=$2/tests/e2e
. "$here/lib.sh"
root=$tmp/store
if [ "$(id -u)" -ne 0 ]; then skip image "owners of files need root"; echo "$passed passed, $failed failed, $skipped skipped"; exit 0; fi
S() { timeout 60 "$sennit" "$@" --root "$root"; }
# sizes and contents of a tree
sums() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum); }
left() { find "$root/$1" -mindepth 1 -maxdepth "${2:-1}" -type "${3:-d}" 2>/dev/null | wc -l; }

start "$tmp/slow" python3 "$here/image_registry.py" "$tmp/want" 1500000
slow=$first
start "$tmp/fast" python3 "$here/image_registry.py" "$tmp/want" 0
fast=$first

# ---- killed at any moment ----
rounds=10; finished=0
for n in $(seq $rounds); do
  "$sennit" pull "$slow/test:1" --root "$root" --quiet >"$tmp/out" 2>"$tmp/err" & pid=$!
  sleep "$(awk -v n="$n" 'BEGIN{srand(n); printf "%.2f", 0.05 + rand() * 1.2}')"
  kill -9 "$pid" 2>/dev/null
  if wait "$pid" 2>/dev/null; then
    finished=$((finished + 1))
    S rmi "$slow/test:1" >/dev/null 2>"$tmp/err" || { fail "killed: round $n: rmi" "$(cat "$tmp/err")"; break; }
  fi
  S images --quiet >"$tmp/list" 2>"$tmp/err" || { fail "killed: round $n" "$(cat "$tmp/err")"; break; }
  # What has its name is whole.
  bad=$(cd "$root/blobs/sha256" && for f in *; do [ -e "$f" ] && ! echo "$f  $f" | sha256sum -c --quiet 2>&1; done)
  [ -z "$bad" ] || { fail "killed: round $n" "a blob is damaged: $bad"; break; }
done
if [ "$finished" -lt "$rounds" ]; then ok "killed $((rounds - finished)) times in the middle"
else skip "killed in the middle" "this machine was faster each time"; fi
S pull "$slow/test:1" --quiet >"$tmp/id" 2>"$tmp/err" || fail "pull after kills" "$(cat "$tmp/err")"
at=$(S image mount "$slow/test:1" box 2>"$tmp/err")
if [ -z "$at" ]; then
  if grep -q "overlay" "$tmp/err"; then skip "mount" "$(cat "$tmp/err")"; else fail mount "$(cat "$tmp/err")"; fi
else
  sums "$tmp/want" >"$tmp/a"; sums "$at" >"$tmp/b"
  if cmp -s "$tmp/a" "$tmp/b"; then ok "the files are those of the image"; else fail "files" "$(diff "$tmp/a" "$tmp/b" | head -5)"; fi
  check "owner and mode" "$(stat -c '%u %a %h' "$at/d1/suid")" "2 4711 2"
  echo changed >"$at/d1/f1"
  check "written to the container's own layer" "$(cat "$root/mounts/box/upper/d1/f1")" changed
  S image unmount box || fail unmount ""
fi
S image prune >/dev/null || fail prune ""
check "nothing of the killed is left: layers" "$(left snapshots)" 4
check "nothing of the killed is left: downloads" "$(left ingest 1 f)" 0
check "nothing of the killed is left: leases" "$(left leases 1 f)" 0

# ---- one image, two names; archives ----
S pull "$fast/test:1" --quiet >"$tmp/id2" 2>"$tmp/err" || fail "pull" "$(cat "$tmp/err")"
check "the same image from elsewhere" "$(cat "$tmp/id2")" "$(cat "$tmp/id")"
check "listed with both names" "$(S images | grep -c "$(cut -c8-19 "$tmp/id")")" 2
S image save "$fast/test:1" --output "$tmp/out.tar" || fail save ""
S rmi "$(cat "$tmp/id")" >/dev/null || fail rmi ""
check "removed: blobs" "$(left blobs/sha256 1 f)" 0
check "removed: layers" "$(left snapshots)" 0
check "loaded again" "$(S image load "$tmp/out.tar" --quiet)" "$(cat "$tmp/id")"
check "whole ids" "$(S images --quiet)" "$(cat "$tmp/id")"
S images --json | python3 -c 'import json,sys; print(json.loads(sys.stdin.read())["layers"])' >"$tmp/n"
check "JSON" "$(cat "$tmp/n")" 4

# ---- what is refused, and how ----
"$sennit" pull "UPPER" --root "$root" >/dev/null 2>"$tmp/err"; check "a bad reference is a usage error" "$?" 2
S pull "$fast/test:none" >/dev/null 2>"$tmp/err"; check "no such tag" "$?" 1
grep -q "status 404" "$tmp/err" && ok "the reason is said" || fail "the reason is said" "$(cat "$tmp/err")"
S rmi nothing >/dev/null 2>&1; check "no such image" "$?" 1
mkdir "$tmp/other"; touch "$tmp/other/file"
"$sennit" images --root "$tmp/other" >/dev/null 2>&1; check "a folder of other things is no store" "$?" 1
[ -e "$tmp/other/blobs" ] && fail "and is left alone" "$(ls "$tmp/other")" || ok "and is left alone"

# ---- the machine as an image ----
at=$(S image mount host me 2>"$tmp/err")
if [ -n "$at" ]; then
  [ -e "$at/bin/sh" ] && ok "host: the machine's files" || fail "host" "no /bin/sh"
  touch "$at/etc/sennit-e2e"; [ -e /etc/sennit-e2e ] && fail "host" "written to the machine" || ok "host: writes stay in memory"
  S image unmount me || fail "host: unmount" ""
else skip host "$(cat "$tmp/err")"; fi
grep -q " $root/" /proc/mounts && fail "no mounts are left" "$(grep " $root/" /proc/mounts)" || ok "no mounts are left"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
