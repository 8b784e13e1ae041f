#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `sennit run|ps|logs|exec|stop|rm|stats|pull|images|load` as a person uses them: this machine's root, an image of a local registry,
# an OCI layout; terminals, exit codes, ports, volumes, variables, limits, names that are taken, what is said when something is wrong.
#   run.sh SENNIT KEEPER SOURCE
set -u
[ -n "${RUN_INSIDE:-}" ] || RUN_INSIDE=1 exec unshare -m --propagation private bash "$0" "$@"
sennit=$1 keeper=$2 src=$3
suite=run
# shellcheck source=/dev/null
. "$src/tests/interop/cri/rig.sh"
made=()
for d in /var/log/sennit /run/sennit /var/lib/sennit; do
  [ -d "$d" ] || made+=("$d")
  mkdir -p "$d" && mount -t tmpfs t "$d" || { skip run "no mounts here"; finish; }
done
auto=
gone() { [ -n "$auto" ] && kill "$auto" 2>/dev/null; undo; umount -l /var/log/sennit /run/sennit /var/lib/sennit; [ ${#made[@]} -eq 0 ] || rmdir "${made[@]}"; rmdir /sys/fs/cgroup/*/sennit 2>/dev/null; }
trap gone EXIT
serve
image=registry.k8s.io/e2e-test-images/busybox:1.29-2
run() { "$sennit" run --socket "$sock" --image-root "$tmp/images" --registry-config "$tmp/certs" "$@" 2>"$tmp/err"; }
s() { local verb=$1; shift; "$sennit" "$verb" --socket "$sock" "$@" 2>"$tmp/err"; }
says() { # NAME TEXT - what the command before said, a part of it
  if grep -qF -- "$2" "$tmp/err"; then ok "$1"; else fail "$1" "expected \"$2\", it said: $(cat "$tmp/err")"; fi
}
# term COMMAND... - with a terminal of its own, which types what is on standard input; prints what the terminal showed.
term() { python3 "$src/tests/interop/cri/term.py" "$@"; }

# ---- images ----
check "run with the machine's root" "$(run --rm host md5sum /etc/passwd)" "$(md5sum /etc/passwd)"
check "what it writes stays in it" "$(run --rm host sh -c 'echo x >/etc/only-inside; cat /etc/only-inside'; ls /etc/only-inside 2>/dev/null)" x
check "an image is pulled and run" "$(run --rm $image echo hello)" hello
check "again, it is there" "$(run --rm $image echo again)" again
"$sennit" images --root "$tmp/images" >"$tmp/out"; check "images" "$(awk '/busybox/ { print $1 }' "$tmp/out")" "$image"
"$sennit" image save --help >/dev/null 2>&1
"$sennit" save --root "$tmp/images" -o "$tmp/bb.tar" $image 2>"$tmp/err" || "$sennit" image save --root "$tmp/images" -o "$tmp/bb.tar" $image 2>"$tmp/err"
mkdir "$tmp/layout" && tar -C "$tmp/layout" -xf "$tmp/bb.tar"
check "an OCI layout by its path" "$(run --rm "$tmp/layout" echo from a layout)" "from a layout"
check "an archive by its path" "$(run --rm "$tmp/bb.tar" echo from an archive)" "from an archive"
run --rm "$tmp/nothing" true; check "a path that is not there" $? 1; says "a path that is not there, said" "$tmp/nothing"
run --rm registry.k8s.io/nope/nope:1 true; check "an unknown image" $? 1; says "an unknown image, said" "registry.k8s.io/nope/nope:1"
run --rm 'No Such/Image' true; check "a reference that is none" $? 2; says "a reference that is none, said" 'No Such/Image'
"$sennit" rmi --root "$tmp/images" registry.k8s.io/e2e-test-images/nginx:1.14-2 >/dev/null 2>&1
python3 - "127.0.0.1:$reg_port" "$src" <<'P' || fail "a large image" "could not be pushed"
import hashlib, importlib.util, json, os, sys, urllib.request, io, tarfile
# 200 MB that do not compress, so that a pull can be stopped.
def put(url, b, kind): urllib.request.urlopen(urllib.request.Request(url, data=b, method="PUT", headers={"Content-Type": kind}))
reg = sys.argv[1]
def blob(b):
    at = urllib.request.urlopen(urllib.request.Request(f"http://{reg}/v2/big/blobs/uploads/", data=b"", method="POST")).headers["Location"]
    at = at if at.startswith("http") else f"http://{reg}{at}"
    d = "sha256:" + hashlib.sha256(b).hexdigest()
    put(at + ("&" if "?" in at else "?") + "digest=" + d, b, "application/octet-stream")
    return d
raw = io.BytesIO()
with tarfile.open(fileobj=raw, mode="w") as t:
    i = tarfile.TarInfo("big"); i.size = 200 << 20
    t.addfile(i, io.BytesIO(os.urandom(i.size)))
layer = raw.getvalue(); d = blob(layer)
cfg = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [d]}}).encode()
m = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
     "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": blob(cfg), "size": len(cfg)},
     "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": d, "size": len(layer)}]}
put(f"http://{reg}/v2/big/manifests/1", json.dumps(m).encode(), m["mediaType"])
P
read -r slow_port < <(free_ports 1)
python3 "$src/tests/interop/cri/bad_registry.py" "$slow_port" slow >/dev/null 2>&1 & pids+=($!)
wait_port "$slow_port"
term "$sennit" pull --root "$tmp/images" "127.0.0.1:$slow_port/x:1" </dev/null >"$tmp/out"
if grep -qE '\[#+ *\] +[0-9]+ %' "$tmp/out"; then ok "a pull draws its progress"; else fail "a pull draws its progress" "$(tr '\r' '\n' <"$tmp/out" | tail -3)"; fi
if grep -qE "x:1 .* 2.01 MB in 2" "$tmp/out"; then ok "and says what it has"; else fail "and says what it has" "$(tail -2 "$tmp/out")"; fi
"$sennit" pull --root "$tmp/images" "127.0.0.1:$reg_port/big:1" >/dev/null 2>&1 & p=$!
sleep 0.4; kill -INT $p; wait $p; check "Ctrl-C ends a pull" $? 130
"$sennit" pull -q --root "$tmp/images" "127.0.0.1:$reg_port/big:1" >/dev/null; check "and the next one goes on" $? 0

# ---- exit codes, streams ----
run --rm $image sh -c 'exit 7'; check "the program's exit code" $? 7
run --rm $image sh -c 'sleep 9 & kill -9 $!; wait $!'; check "a program that is killed" $? 137
run --rm $image nosuch; check "a program that is not there" $? 127; says "a program that is not there, said" nosuch
run --rm $image /etc/passwd; check "a file that is no program" $? 126; says "a file that is no program, said" /etc/passwd
check "standard error is standard error" "$(run --rm $image sh -c 'echo out; echo err >&2'; cat "$tmp/err")" "out
err"
check "standard input" "$(printf 'a\nb\n' | run --rm -i $image wc -l)" 2
check "much output, whole" "$(run --rm $image sh -c 'i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done' | md5sum)" "$(seq 0 19999 | md5sum)"
check "a terminal" "$(printf 'tty; stty size; exit 5\n' | term -s 31x97 "$sennit" run --socket "$sock" --image-root "$tmp/images" --rm -it $image sh | tr -d '\r' | grep -E '^(/dev/pts|31 97|status)' | tr '\n' '|')" "/dev/pts/0|31 97|status 5|"
check "variables, folder, user" "$(X=ours run --rm -e A=1 -e X -w /tmp -u nobody $image sh -c 'echo $A $X $PWD $(id -u)')" "1 ours /tmp 65534"
run --rm -u nosuchuser $image true; check "an unknown user" $? 1; says "an unknown user, said" nosuchuser
check "a read-only root" "$(run --rm --read-only $image sh -c 'touch /x 2>&1')" "touch: /x: Read-only file system"

# ---- volumes, ports, limits ----
mkdir "$tmp/v"; echo seen >"$tmp/v/f"
check "a volume" "$(run --rm -v "$tmp/v:/v" $image sh -c 'cat /v/f; echo back >/v/g'; cat "$tmp/v/g")" "seen
back"
check "a read-only volume" "$(run --rm -v "$tmp/v:/v:ro" $image sh -c 'touch /v/h 2>&1')" "touch: /v/h: Read-only file system"
run --rm -v rel:/v $image true; check "a volume that is none" $? 2; says "a volume that is none, said" "-v rel:/v: expected /HOST:/CONTAINER[:ro]"
read -r port < <(free_ports 1)
run -d --name web -p "127.0.0.1:$port:80" registry.k8s.io/e2e-test-images/nginx:1.14-2 >"$tmp/out"; check "in the background" "$(cat "$tmp/out")" web
for _ in $(seq 100); do curl -s -o /dev/null "http://127.0.0.1:$port/" && break; sleep 0.05; done
check "a port" "$(curl -s --max-time 5 "http://127.0.0.1:$port/")" welcome
run --rm -p 80x:80 $image true; check "a port that is none" $? 2; says "a port that is none, said" "-p 80x:80: expected [IP:]HOST:CONTAINER[/tcp|/udp]"
run --rm -p "127.0.0.1:$port:80" $image true; check "a port that is taken" $? 1; says "a port that is taken, said" "$port"
run --rm -m 32M $image sh -c 'a=x; while :; do a=$a$a; done'; check "out of memory" $? 137; says "out of memory, said" "out of memory: killed at its limit of 32 MB; -m sets it"
run --rm --network nope $image true; check "a network that is none" $? 2; says "a network that is none, said" "--network nope: expected bridge or host"
check "the machine's network" "$(run --rm --network host $image cat /proc/net/route | md5sum)" "$(md5sum </proc/net/route)"

# ---- names, lists ----
run --name web $image true; check "a name that is taken" $? 1; says "a name that is taken, said" 'there is a container "web" already; `sennit rm -f web` removes it'
run --name 'a/b' $image true; check "a name that is none" $? 2; says "a name that is none, said" '--name "a/b": expected'
run --name done1 $image sh -c 'echo kept; exit 3' >/dev/null; check "kept after its end" $? 3
check "ps" "$(s ps | awk 'NR > 1 { print $2, $3, $NF }')" "web running registry.k8s.io/e2e-test-images/nginx:1.14-2"
check "ps -a" "$(s ps -a | awk '/done1/ { print $2, $3, $4, $NF }')" "done1 exited (3) $image"
check "logs" "$(s logs done1)" kept
check "logs -f" "$(timeout 20 "$sennit" logs --socket "$sock" -f done1)" kept
s logs nobody >/dev/null; check "logs of nobody" $? 1; says "logs of nobody, said" 'no container "nobody"; `sennit ps -a` lists them'
check "stats" "$(s stats | awk '/web/ { print $2, $4, $6, $8 }')" "web % MB MB"

# ---- exec ----
check "exec" "$(s exec web echo inside)" inside
s exec web sh -c 'exit 9'; check "exec's exit code" $? 9
check "exec with input" "$(echo in | s exec -i web cat)" in
check "exec with a terminal" "$(printf 'tty; exit 4\n' | term "$sennit" exec --socket "$sock" -it web sh | tr -d '\r' | grep -E '^(/dev/pts|status)' | tr '\n' '|')" "/dev/pts/0|status 4|"
s exec web nosuch; check "exec of what is not there" $? 127; says "exec of what is not there, said" nosuch
s exec done1 true; check "exec in an ended one" $? 1; says "exec in an ended one, said" "is not running"

# ---- Ctrl-C, stop, rm ----
run --rm --name c1 $image sh -c 'trap "echo bye; exit 6" TERM; echo up; while :; do sleep 0.05; done' >"$tmp/out" & p=$!
for _ in $(seq 200); do grep -q up "$tmp/out" && break; sleep 0.05; done
kill -INT "$(pgrep -P $p -f "sennit run" || echo $p)"; wait $p; check "Ctrl-C asks it to end" "$? $(tail -1 "$tmp/out")" "6 bye"
run --rm --name c2 $image sh -c 'trap "" TERM; echo up; while :; do sleep 0.05; done' >"$tmp/out" & p=$!
for _ in $(seq 200); do grep -q up "$tmp/out" && break; sleep 0.05; done
q=$(pgrep -P $p -f "sennit run" || echo $p); kill -INT "$q"; sleep 0.5; kill -INT "$q"; wait $p; check "a second Ctrl-C does not wait" $? 137
s rm web >/dev/null; check "rm of what runs" $? 1; says "rm of what runs, said" "web is running; stop it first, or rm -f"
check "stop" "$(s stop -t 2s web)" web
s rm web done1 nobody >"$tmp/out"; check "rm of several, one of them unknown" "$? $(xargs <"$tmp/out")" "1 web done1"; says "the unknown one, said" 'no container "nobody"'
check "nothing is left to list" "$(s ps -a | wc -l)" 1
nothing_left

# ---- where no daemon is ----
halt
"$sennit" ps --socket "$tmp/none.sock" 2>"$tmp/err"; check "ps without a daemon" $? 1; says "ps without a daemon, said" 'no `sennit cri` serves at '
if command -v setpriv >/dev/null; then
  setpriv --reuid 65534 --clear-groups "$sennit" run --socket "$tmp/none.sock" host true 2>"$tmp/err"; check "run as nobody" $? 1
  says "run as nobody, said" "only root can start one"
fi
"$sennit" run --socket /run/sennit/auto.sock --image-root "$tmp/images" --rm --network host $image echo by itself >"$tmp/out" 2>"$tmp/err"
check "run starts the daemon" "$? $(cat "$tmp/out")" "0 by itself"
auto=$(pgrep -f "cri --listen /run/sennit/auto.sock")
check "which stays" "$(wc -w <<<"$auto")" 1
finish
