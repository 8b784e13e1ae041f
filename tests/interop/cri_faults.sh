#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What goes wrong around the CRI daemon: it is killed at every step, its keepers are, a network plugin hangs or fails, the disk is
# full, a registry stalls, lies or is cut off, layers are malicious. Each fault is a test by its name (docs/cri.md lists them).
#   cri_faults.sh SENNIT KEEPER SOURCE
set -u
sennit=$1 keeper=$2 src=$3
suite=cri_faults
# shellcheck source=/dev/null
. "$src/tests/interop/cri/rig.sh"
trap undo EXIT
serve
image=registry.k8s.io/e2e-test-images/busybox:1.29-2
c pull $image >/dev/null; check "pull through a mirror" $? 0
said() { grep -oE 'desc = .*' "$tmp/err" | sed 's/desc = //; s/"$//' | tail -1; }
pod() { printf '{"metadata":{"name":"%s","namespace":"default","uid":"%s"},"log_directory":"%s","linux":%s}' "$1" "$1" "$tmp/logs" "${2:-{\}}" >"$tmp/$1.pod"; c runp "$tmp/$1.pod"; }
ctr() { # POD-ID POD-NAME NAME COMMAND
  local id
  printf '{"metadata":{"name":"%s"},"image":{"image":"%s"},"log_path":"%s.log","linux":{"security_context":{"namespace_options":{"pid":1}}},"command":["sh","-c","%s"]}' "$3" "$image" "$3" "$4" >"$tmp/$3.ctr"
  id=$(c create "$1" "$tmp/$3.ctr" "$tmp/$2.pod") && c start "$id" >/dev/null && echo "$id"
}

# A registry that stalls is given up after its retries, minutes later: that goes on beside everything else.
read -r stall_port < <(free_ports 1)
python3 "$src/tests/interop/cri/bad_registry.py" "$stall_port" stall >/dev/null 2>&1 & pids+=($!)
wait_port "$stall_port"
timeout 400 "$sennit" pull --root "$tmp/stalled" "127.0.0.1:$stall_port/x:1" >/dev/null 2>"$tmp/stall.err" & stalled=$!

# ---- kill -9 of the daemon at every step ----
# A life of a pod with a container takes about so many milliseconds; the daemon is killed somewhere in it, again and again, and a new
# one has to find, and be able to remove, whatever was there.
life() {
  local p k
  printf '{"metadata":{"name":"life","namespace":"default","uid":"%s"},"log_directory":"%s","linux":{}}' "$1" "$tmp/logs" >"$tmp/life.pod"
  printf '{"metadata":{"name":"k"},"image":{"image":"%s"},"log_path":"k.log","linux":{},"command":["sleep","1000"]}' "$image" >"$tmp/life.ctr"
  p=$("$peers/crictl" -c "$tmp/once.yaml" runp "$tmp/life.pod" 2>/dev/null) && k=$("$peers/crictl" -c "$tmp/once.yaml" create "$p" "$tmp/life.ctr" "$tmp/life.pod" 2>/dev/null) &&
    "$peers/crictl" -c "$tmp/once.yaml" start "$k" >/dev/null 2>&1 && "$peers/crictl" -c "$tmp/once.yaml" stop -t 0 "$k" >/dev/null 2>&1 &&
    "$peers/crictl" -c "$tmp/once.yaml" rm "$k" >/dev/null 2>&1 && "$peers/crictl" -c "$tmp/once.yaml" stopp "$p" >/dev/null 2>&1 && "$peers/crictl" -c "$tmp/once.yaml" rmp "$p" >/dev/null 2>&1
}
printf 'runtime-endpoint: unix://%s\nimage-endpoint: unix://%s\ntimeout: 2\n' "$sock" "$sock" >"$tmp/once.yaml"
stay=$(pod stay); sctr=$(ctr "$stay" stay s1 "sleep 100000")
start=$(date +%s%N); life 0; span=$((($(date +%s%N) - start) / 1000000)); wrong=0 kills=${CRI_KILLS:-40}
for i in $(seq "$kills"); do
  life "$i" & l=$!
  sleep "0.$(printf %03d $((span * i / kills)))"
  kill -9 "$daemon"; wait "$daemon" 2>/dev/null; wait $l; serve
  [ "$(c exec -s "$sctr" echo there | grep .)" = there ] || { wrong=$((wrong + 1)); echo "# kill $i: the pod that stays does not answer: $(cat "$tmp/err")"; }
  for p in $(c pods -q); do [ "$p" = "$stay" ] || c rmp -f "$p" >/dev/null || { wrong=$((wrong + 1)); echo "# kill $i: $(said)"; }; done
  left=$(ls "$tmp/run/pods" "$tmp/run/containers" "$tmp/state/pods" "$tmp/state/containers" "$tmp/images/mounts" | grep -c '[0-9a-f]\{64\}')
  n=$(keepers | wc -l) m=$(grep -c " $tmp/" /proc/self/mountinfo) a=$(find "$tmp/cni/networks" -name '10.251.*' | wc -l) g=$(ls -d /sys/fs/cgroup/memory/sennit-test-$$/pod-* /sys/fs/cgroup/sennit-test-$$/pod-* 2>/dev/null | wc -l)
  [ "$i" -gt 1 ] || { left0=$left n0=$n m0=$m a0=$a g0=$g; }
  [ "$left $n $m $a $g" = "5 $n0 $m0 $a0 $g0" ] || { wrong=$((wrong + 1)); echo "# kill $i leaves: folders $left, keepers $n of $n0, mounts $m of $m0, addresses $a of $a0, groups $g of $g0"; }
done
check "killed at $kills moments of a pod's life of $span ms" "$wrong" 0
c rmp -f "$stay" >/dev/null; nothing_left "after the kills"

# ---- kill -9 of a keeper ----
p=$(pod kk); k=$(ctr "$p" kk kk1 "sleep 100001")
kill -9 "$(pgrep -f "sennit-keeper --dir $tmp/run/pods/$p" | head -1)"
for _ in $(seq 100); do [ -n "$(c pods -q --state NotReady)" ] && break; sleep 0.05; done
check "a killed keeper: its pod, its container" "$(c pods -q --state NotReady) $(c inspect -o go-template --template '{{.status.state}} {{.status.exitCode}}' "$k")" "$p CONTAINER_EXITED 255"
for _ in $(seq 100); do [ "$(pgrep -cf 'sleep 100001')" -eq 0 ] && break; sleep 0.05; done
check "a killed keeper: its container's processes" "$(pgrep -cf 'sleep 100001')" 0
c rmp -f "$p" >/dev/null
p=$(pod kd); k=$(ctr "$p" kd kd1 "sleep 100002"); halt -KILL; kill -9 "$(pgrep -f "sennit-keeper --dir $tmp/run/pods/$p" | head -1)"; serve
check "keeper and daemon killed: pod, container, processes" "$(c pods -q --state NotReady) $(c inspect -o go-template --template '{{.status.exitCode}}' "$k") $(pgrep -cf 'sleep 100002')" "$p 255 0"
c rmp -f "$p" >/dev/null; nothing_left "after killed keepers"

# ---- network plugins ----
mkdir -p "$tmp/cni/net.d" "$tmp/cnibin"
list() { printf '{"cniVersion":"1.0.0","name":"foreign","plugins":[%s]}' "$1" >"$tmp/cni/net.d/10-x.conflist"; }
cat >"$tmp/cnibin/hang" <<'P'
#!/bin/sh
[ "$CNI_COMMAND" = VERSION ] && { echo '{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}'; exit; }
[ "$CNI_COMMAND" = DEL ] && [ ! -e "$0.del" ] && exit 0
exec sleep 100003
P
cat >"$tmp/cnibin/liar" <<'P'
#!/bin/sh
[ "$CNI_COMMAND" = ADD ] && { echo '{"cniVersion":"1.0.0","ips":[{"address":"not an address"}]}'; exit; }
exit 0
P
cat >"$tmp/cnibin/no" <<'P'
#!/bin/sh
[ "$CNI_COMMAND" = ADD ] && { echo '{"cniVersion":"1.0.0","code":11,"msg":"no more of it","details":"ever"}'; exit 1; }
exit 0
P
cat >"$tmp/cnibin/flood" <<'P'
#!/bin/sh
[ "$CNI_COMMAND" = ADD ] && exec cat /dev/zero
exit 0
P
chmod +x "$tmp"/cnibin/*
halt; serve --cni-bin-dirs "$tmp/cnibin:/usr/lib/cni" --cni-timeout 2s
list '{"type":"hang"}'; t=$SECONDS; pod n1 >/dev/null
check "a plugin that hangs at ADD" "$(said | grep -o 'hang, ADD.*') $((SECONDS - t < 10))" "hang, ADD: killed, it did not end within 2000 ms 1"
check "a plugin that hangs: nothing of it runs on" "$(pgrep -cf 'sleep 100003')" 0
list '{"type":"no"}'; pod n2 >/dev/null; check "a plugin that says no" "$(said | grep -o 'no more of it')" "no more of it"
list '{"type":"liar"}'; pod n3 >/dev/null; check "a plugin that lies" "$(said | grep -o 'not an address')" "not an address"
list '{"type":"flood"}'; pod n4 >/dev/null; check "a plugin that does not stop talking" "$(said | grep -cE 'flood')" 1
list '{"type":"absent"}'; pod n5 >/dev/null; check "a plugin that is not there" "$(said | grep -o 'absent' | head -1)" absent
check "and the node says so" "$(c info | python3 -c 'import json,sys; print([x["status"] for x in json.load(sys.stdin)["status"]["conditions"] if x["type"]=="NetworkReady"])')" "[False]"
rm "$tmp/cni/net.d/10-x.conflist"
check "no failed pod is left" "$(c pods -q)" ""
p=$(pod n6); list '{"type":"hang"}'; touch "$tmp/cnibin/hang.del"
t=$SECONDS; c stopp "$p" >/dev/null; check "a pod's network goes as it came, whatever the list says now" "$?" 0; c rmp "$p" >/dev/null
rm -f "$tmp/cnibin/hang.del"
list '{"type":"hang"}'; echo "{" >"$tmp/cni/net.d/10-x.conflist"; pod n7 >/dev/null; check "a list that is no JSON" "$(said | grep -o '10-x.conflist' | head -1)" 10-x.conflist
rm "$tmp/cni/net.d/10-x.conflist"; nothing_left "after plugins' faults"

# ---- a full disk ----
halt; mkdir "$tmp/small"; mount -t tmpfs -o size=12m t "$tmp/small"
serve --image-root "$tmp/small/images"
c pull $image >/dev/null; check "a small disk takes the small image" $? 0
python3 "$src/tests/interop/cri/bad_images.py" "127.0.0.1:$reg_port" big
c pull "127.0.0.1:$reg_port/bad:big" >/dev/null; check "a full disk during a pull" "$(said | grep -oE 'No space left on device' | head -1)" "No space left on device"
check "which leaves room again" "$(df -k --output=used "$tmp/small" | tail -1 | awk '{ print ($1 < 9000) }')" 1
check "and the store works on" "$(c images -q | wc -l)" 1
p=$(pod d1); k=$(ctr "$p" d1 d1c "dd if=/dev/zero of=/fill bs=1M 2>/dev/null; echo full; sleep 1000"); for _ in $(seq 100); do grep -q full "$tmp/logs/d1c.log" && break; sleep 0.05; done
check "a container that fills the disk is stopped and removed all the same" "$(c stop -t 0 "$k" >/dev/null && c rm "$k" >/dev/null; echo $?)" 0
c rmp -f "$p" >/dev/null; halt; umount -l "$tmp/small"; serve

# ---- registries and layers ----
python3 "$src/tests/interop/cri/bad_images.py" "127.0.0.1:$reg_port" all
for kind in escape-dotdot escape-absolute escape-link escape-hardlink device-name bomb truncated wrong-diffid no-layer not-gzip; do
  c pull "127.0.0.1:$reg_port/bad:$kind" >/dev/null; r=$?
  case $kind in
    escape-dotdot | escape-absolute | escape-link | escape-hardlink) # either refused, or kept inside
      if [ -e "$tmp/escaped" ] || [ -e /escaped-by-image ]; then fail "layer: $kind" "it got out"; else ok "layer: $kind"; fi ;;
    *) if [ $r -ne 0 ] && [ -n "$(said)" ]; then ok "layer: $kind ($(said | cut -c1-90))"; else fail "layer: $kind" "status $r, $(said)"; fi ;;
  esac
done
read -r lie_port < <(free_ports 1)
for kind in cut wrong-digest huge-manifest garbage redirect-loop; do
  python3 "$src/tests/interop/cri/bad_registry.py" "$lie_port" $kind >/dev/null 2>&1 & l=$!
  wait_port "$lie_port"; t=$SECONDS
  timeout 60 "$sennit" pull --root "$tmp/images" "127.0.0.1:$lie_port/x:1" >"$tmp/out" 2>"$tmp/err"; r=$?
  if [ $r -ne 0 ] && [ $r -ne 124 ] && [ -s "$tmp/err" ]; then ok "registry: $kind ($((SECONDS - t)) s, $(tail -1 "$tmp/err" | cut -c1-90))"; else fail "registry: $kind" "status $r: $(tail -1 "$tmp/err")"; fi
  kill $l; wait $l 2>/dev/null
done
wait $stalled; r=$?
if [ $r -ne 0 ] && [ $r -ne 124 ] && [ -s "$tmp/stall.err" ]; then ok "registry: stall ($(tail -1 "$tmp/stall.err" | cut -c1-90))"; else fail "registry: stall" "status $r: $(cat "$tmp/stall.err")"; fi
check "the store is whole" "$(c images -q | sort -u | wc -l)" "$("$sennit" images -q --root "$tmp/images" | sort -u | wc -l)"
nothing_left "at the end"
finish
