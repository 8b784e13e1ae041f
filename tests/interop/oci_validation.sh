#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/interop/oci_validation.sh SENNIT_OCI SN_REAP ROOT - the validation programs of opencontainers/runtime-tools against
# sennit-oci and, as the measure, runc (Debian's and 1.5.3) and crun: what either passes here must pass. crun of Debian takes
# no ociVersion above 1.0, so it is shown 1.0.2. docs/oci.md explains what nobody passes.
set -uo pipefail
root=$(cd "$3" && pwd); oci=$(realpath "$1")
source "$root/tests/e2e/lib.sh"; source "$root/tests/interop/oci_peers.sh"
finish() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; }
[ "$(id -u)" -eq 0 ] || { skip oci_validation "needs root"; finish; exit; }
peer_validation || { skip oci_validation "the validation programs cannot be built here"; finish; exit; }
cat >"$tmp/crun" <<W
#!/bin/bash
b=.; prev=; for a in "\$@"; do [ "\$prev" = --bundle ] && b=\$a; case \$a in --bundle=*) b=\${a#--bundle=};; esac; prev=\$a; done
[ -f "\$b/config.json" ] && sed -i 's/"ociVersion": *"1\.[0-9.]*[^"]*"/"ociVersion":"1.0.2"/' "\$b/config.json"
exec $crun "\$@"
W
chmod +x "$tmp/crun"
# verdicts RUNTIME FILE - "PROGRAM|ok|text" for every assertion; the texts name them.
verdicts() {
  local n t
  for t in "$validation"/validation/*/*.t; do
    n=$(basename "$t" .t)
    (cd "$validation" && RUNTIME=$1 timeout -k 5 60 "$reap" -C -- "$t" 2>/dev/null) | sed -nE "s/^(not )?ok [0-9]+ ?-? ?(.*)/$n|\1ok|\2/p" \
      | sed -E 's/[0-9]{6,}/N/g; s/[0-9a-f]{8}-[0-9a-f-]{27}/ID/g; s/ocitest[0-9]*/BUNDLE/g'
  done | sort | uniq -c | sed 's/^ *//' >"$2"
}
reap=$(realpath "$2")
cached() { # the peers' verdicts do not change between runs of ours
  local f=$peers/verdicts-$(basename "$1")-$("$2" --version | head -1 | tr -cd 'a-z0-9.')
  [ -s "$f" ] || { verdicts "$1" "$f.new"; mv "$f.new" "$f"; }
  cp "$f" "$3"
}
verdicts "$oci" "$tmp/ours"
: >"$tmp/peers"
peer_runc || :
for p in $runc $runc_new ${crun:+$tmp/crun}; do
  cached "$p" "$([ "$p" = "$tmp/crun" ] && echo "$crun" || echo "$p")" "$tmp/one"; cat "$tmp/one" >>"$tmp/peers"
done
python3 - "$tmp/ours" "$tmp/peers" >"$tmp/out" <<'P'
import collections, sys
def read(path):
    d = collections.defaultdict(lambda: [0, 0])
    for line in open(path, errors="replace"):
        count, rest = line.rstrip("\n").split(" ", 1)
        prog, verdict, text = rest.split("|", 2)
        d[prog, text.split(" # SKIP")[0]][verdict != "ok"] += int(count)
    return d
ours, peers = read(sys.argv[1]), read(sys.argv[2])
# Where the peers contradict each other: runc kills a created container on delete, as containerd expects.
runcs = {("delete", "attempting to `delete` a container that is not `stopped` MUST generate an error"),
         ("delete", "attempting to `delete` a container that is not `stopped` MUST have no effect on the container")}
# A race of the program's own: it kills `true`, which may have ended (runc 1.5.3 fails, 1.1.5 passed).
runcs.add(("pidfile", "create with '--pid-file' option works"))
progs = sorted({p for p, _ in list(ours) + list(peers)})
for prog in progs:
    mine = {t: v for (p, t), v in ours.items() if p == prog}
    theirs = {t: v for (p, t), v in peers.items() if p == prog}
    bad = [t for t, v in theirs.items() if v[0] and not mine.get(t, [0, 0])[0] and (prog, t) not in runcs]
    total = sum(v[0] for v in mine.values()); lost = sum(v[1] for v in mine.values())
    print(("FAIL" if bad else "ok"), prog, f"({total} assertions, {lost} not ok)", "|".join(bad[:3]))
P
while read -r verdict name rest; do
  if [ "$verdict" = ok ]; then ok "$name $rest"; else fail "$name" "a peer passes: $rest"; fi
done <"$tmp/out"
echo "# assertions: $(awk -F'|' '{split($1,a," "); n[$2]+=a[1]} END {print n["ok"]+0 " ok, " n["not ok"]+0 " not ok"}' "$tmp/ours")"
finish
