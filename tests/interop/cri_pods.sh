#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What pods and containers may be asked for beyond crictl's everyday life: user namespaces with mapped volumes, runtime handlers
# (runc, where it is installed), security profiles on a machine without the modules, limits changed, mounts of images,
# recursive read-only mounts, statistics, metrics, events, checkpoints, rotated logs.
#   cri_pods.sh SENNIT KEEPER SOURCE
set -u
sennit=$1 keeper=$2 src=$3
suite=cri_pods
# shellcheck source=/dev/null
. "$src/tests/interop/cri/rig.sh"
trap undo EXIT
runc=$(command -v runc)
serve ${runc:+--runtime "runc=$runc"}
image=registry.k8s.io/e2e-test-images/busybox:1.29-2
c pull $image >/dev/null; c pull registry.k8s.io/e2e-test-images/nginx:1.14-2 >/dev/null; check "pull through a mirror" $? 0

# pod NAME LINUX [MORE] - prints the id; LINUX is the text of its "linux". What it said stays in $tmp/err.
pod() {
  printf '{"metadata":{"name":"%s","namespace":"default","uid":"%s"},"hostname":"%s","log_directory":"%s","linux":%s%s}' "$1" "$1" "$1" "$tmp/logs" "${2:-{\}}" "${3:-}" >"$tmp/$1.pod"
  c runp ${handler:+-r "$handler"} "$tmp/$1.pod"
}
# ctr POD-ID POD-NAME NAME LINUX COMMAND [MORE] - created and started; prints the id.
ctr() {
  local id
  printf '{"metadata":{"name":"%s"},"image":{"image":"%s"},"log_path":"%s.log","linux":%s,"command":["sh","-c","%s"]%s}' \
    "$3" "${img:-$image}" "$3" "$4" "$5" "${6:-}" >"$tmp/$3.ctr"
  id=$(c create "$1" "$tmp/$3.ctr" "$tmp/$2.pod") && c start "$id" >/dev/null && echo "$id"
}
said() { grep -oE 'desc = .*' "$tmp/err" | sed 's/desc = //; s/"$//' | tail -1; }
in_ctr() { c exec -s "$@" | grep .; } # crictl adds empty lines
# call METHOD JSON - any method, by its description.
grpcurl=${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers/grpc/go/grpcurl
[ -x "$grpcurl" ] || GOBIN=$(dirname "$grpcurl") go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.1 >/dev/null 2>&1
call() { "$grpcurl" -plaintext -unix -import-path "$src/api" -proto runtime/v1/api.proto -d "$2" "$sock" "runtime.v1.RuntimeService/$1" 2>&1; }

# ---- user namespaces ----
map='[{"host_id":100000,"container_id":0,"length":65536}]'
userns='"userns_options":{"mode":0,"uids":'$map',"gids":'$map'}'
if call Status '{}' | grep -q '"userNamespaces": true'; then
  sec='{"security_context":{"namespace_options":{'$userns'}}}'
  mkdir "$tmp/vol"
  p=$(pod u1 '{"sysctls":{"net.ipv4.ip_forward":"1"},"security_context":{"namespace_options":{'"$userns"'}}}')
  check "userns: pod" "$(c pods -q --state Ready)" "$p"
  mounts=',"mounts":[{"host_path":"'$tmp/vol'","container_path":"/vol","uidMappings":'$map',"gidMappings":'$map'}]'
  u=$(ctr "$p" u1 u1c "$sec" "echo in; sleep 1000" "$mounts")
  check "userns: its map" "$(in_ctr "$u" sh -c 'tr -s " " </proc/self/uid_map')" " 0 100000 65536"
  check "userns: who it runs as, seen from here" "$(stat -c %u:%g "/proc/$(c inspect "$u" | python3 -c 'import json,sys; print(json.load(sys.stdin)["info"]["pid"])')")" "100000:100000"
  check "userns: the image's files are root's" "$(in_ctr "$u" stat -c %u:%g /bin/busybox /etc/passwd / | sort -u)" "0:0"
  check "userns: files of the pod, shared memory" "$(in_ctr "$u" stat -c %u:%g /etc/hosts /etc/resolv.conf /etc/hostname /dev/shm | sort -u)" "0:0"
  in_ctr "$u" sh -c 'echo a >/root/new; chown 33:33 /root/new; echo b >>/etc/passwd; echo c >/dev/shm/x; mkdir /vol/d'
  check "userns: what it writes" "$(in_ctr "$u" stat -c %u:%g /root/new /etc/passwd /vol/d | xargs)" "33:33 0:0 0:0"
  check "userns: in its layer, seen from here" "$(stat -c %u:%g "$tmp/images/mounts/$u/upper/root/new" "$tmp/images/mounts/$u/upper/etc/passwd" | tr '\n' ' ')" "100033:100033 100000:100000 "
  check "userns: a mapped volume is root's on both sides" "$(stat -c %u:%g "$tmp/vol/d")" "0:0"
  check "userns: root of its network, and of no other" "$(in_ctr "$u" sh -c 'cat /proc/sys/net/ipv4/ip_forward; hostname')" "1
u1"
  img=registry.k8s.io/e2e-test-images/nginx:1.14-2; ctr "$p" u1 u1w "$sec" "exec nginx 80" >/dev/null; unset img
  ip=$(c inspectp -o go-template --template '{{.status.network.ip}}' "$p")
  for _ in $(seq 100); do curl -s -o /dev/null "http://$ip/" && break; sleep 0.05; done
  check "userns: a low port" "$(curl -s --max-time 5 "http://$ip/")" welcome
  check "userns: statistics of its network" "$(c statsp -o json | python3 -c 'import json,sys; print(int(json.load(sys.stdin)["stats"][0]["linux"]["network"]["defaultInterface"]["rxBytes"]["value"])>0)')" True
  check "userns: mounts are not the host's to change" "$(in_ctr "$u" sh -c 'mount -o remount,rw /sys 2>/dev/null && echo could')" ""
  halt -KILL; serve ${runc:+--runtime "runc=$runc"}
  check "userns: exec after kill -9" "$(in_ctr "$u" id -u)" 0
  other=$(pod u2 '{}')
  ctr "$other" u2 u2c "$sec" "sleep 1" >/dev/null
  check "userns: a container that says otherwise than its pod" "$(said)" "user namespace config for sandbox is different from container"
  c rmp -f "$p" "$other" >/dev/null
  pod u3 '{"security_context":{"namespace_options":{"network":2,'"$userns"'}}}' >/dev/null
  check "userns: with the host's network" "$(said)" "a pod with a user namespace cannot use the host's network, pid or ipc namespace"
else
  skip "user namespaces" "$(call Status '{"verbose":true}' | grep -o '"userNamespaces": "[^"]*')"
fi

# ---- runtime handlers ----
handler=nope; pod h0 '{}' >/dev/null; check "an unknown runtime handler" "$(said)" 'no runtime for \"nope\" is configured'
if [ -n "$runc" ]; then
  handler=runc; p=$(pod h1 '{}'); unset handler
  h=$(ctr "$p" h1 h1c '{}' "echo by runc; sleep 1000")
  check "a container by runc" "$(c inspectp -o go-template --template '{{.status.runtimeHandler}}' "$p") $(in_ctr "$h" cat /proc/self/comm)" "runc cat"
  c stop -t 0 "$h" >/dev/null; check "its end" "$(c inspect -o go-template --template '{{.status.state}} {{.status.exitCode}}' "$h")" "CONTAINER_EXITED 137"
  check "its log" "$(cut -d' ' -f2- "$tmp/logs/h1c.log")" "stdout F by runc"
  handler=runc; pod h2 '{"security_context":{"namespace_options":{'"$userns"'}}}' >/dev/null
  check "runc with a user namespace" "$(said)" 'user namespaces: runtime handler \"runc\" is a program of its own'
  c rmp -f "$p" >/dev/null
else
  skip "runtime handlers" "runc is not installed"
fi
unset handler

# ---- security modules that this kernel lacks ----
p=$(pod s1 '{"security_context":{"selinux_options":{"user":"u","role":"r","type":"t","level":"s0:c1.c9,c12"}}}'); check "SELinux options without SELinux" "$?" 0
if ! [ -e /sys/module/apparmor/parameters/enabled ]; then
  ctr "$p" s1 s1a '{"security_context":{"apparmor":{"profile_type":2,"localhost_ref":"localhost/x"}}}' "sleep 1" >/dev/null
  check "AppArmor: a profile" "$(said)" "apparmor is not supported"
  ctr "$p" s1 s1b '{"security_context":{"apparmor_profile":"localhost/x"}}' "sleep 1" >/dev/null
  check "AppArmor: a profile by the old field" "$(said)" "apparmor is not supported"
  check "AppArmor: unconfined" "$(ctr "$p" s1 s1c '{"security_context":{"apparmor":{"profile_type":1}}}' "sleep 1000" | wc -l)" 1
  ctr "$p" s1 s1d '{"security_context":{"apparmor_profile":"bogus"}}' "sleep 1" >/dev/null
  check "AppArmor: nonsense in the old field" "$(said)" 'invalid security profile \"bogus\"'
fi
ctr "$p" s1 s1e '{"security_context":{"selinux_options":{"level":"s0:c1.d9"}}}' "sleep 1" >/dev/null
check "SELinux: a level" "$(said)" "the format of 'level' \\\"s0:c1.d9\\\" is not correct"
pod s2 '{"security_context":{"selinux_options":{"level":"x"}}}' >/dev/null; check "SELinux: a pod's level" "$(said)" "the format of 'level' \\\"x\\\" is not correct"
c rmp -f "$p" >/dev/null

# ---- memory: the mission's ceiling is 3.1 MB for a pod ----
p=$(pod m0 '{}'); ctr "$p" m0 m0c '{}' "sleep 1000" >/dev/null
kb=$(for q in $(pgrep -f "sennit-keeper --dir $tmp/run/pods/$p"); do awk '/^Pss:/ { print $2 }' "/proc/$q/smaps_rollup"; done | awk '{ s += $1 } END { print s }')
check "a pod's keeper and process 1 take at most 3,100 kB (now $kb)" "$((kb > 0 && kb <= 3100))" 1
c rmp -f "$p" >/dev/null

# ---- limits changed ----
p=$(pod l1 '{}'); l=$(ctr "$p" l1 l1c '{}' "sleep 1000")
call UpdatePodSandboxResources '{"pod_sandbox_id":"'"$p"'","resources":{"memory_limit_in_bytes":104857600,"cpu_shares":512},"overhead":{"memory_limit_in_bytes":1048576}}' >"$tmp/out"
check "limits of a pod" "$(cat /sys/fs/cgroup/memory/sennit-test-$$/pod-*/memory.limit_in_bytes /sys/fs/cgroup/sennit-test-$$/pod-*/memory.max 2>/dev/null)" 104857600
halt -KILL; serve
call UpdatePodSandboxResources '{"pod_sandbox_id":"nope","resources":{}}' >"$tmp/out"; check "limits of no pod" "$(grep -c NotFound "$tmp/out")" 1
call UpdateContainerResources '{"container_id":"'"$l"'","linux":{"cpu_quota":50000,"cpu_period":100000,"memory_limit_in_bytes":52428800}}' >/dev/null
check "limits of a container in its status" "$(c inspect -o go-template --template '{{.status.resources.linux.memoryLimitInBytes}} {{.status.resources.linux.cpuQuota}}' "$l")" "52428800 50000"

# ---- mounts ----
mkdir -p "$tmp/fs/a/sub"; mount -t tmpfs t "$tmp/fs/a/sub"
m=$(ctr "$p" l1 m1 '{}' "sleep 1000" ',"mounts":[{"host_path":"'"$tmp/fs/a"'","container_path":"/a","readonly":true},{"host_path":"'"$tmp/fs/a"'","container_path":"/rro","readonly":true,"recursive_read_only":true},{"image":{"image":"registry.k8s.io/e2e-test-images/nginx:1.14-2"},"container_path":"/img","readonly":true},{"image":{"image":"registry.k8s.io/e2e-test-images/nginx:1.14-2"},"image_sub_path":"etc","container_path":"/etcs","readonly":true}]')
check "read-only, and recursively" "$(in_ctr "$m" sh -c 'for f in /a/x /a/sub/x /rro/x /rro/sub/y; do touch $f 2>/dev/null && echo $f; done; true')" "/a/sub/x"
check "an image as a volume" "$(in_ctr "$m" sh -c 'ls /img/bin/nginx; ls /etcs/passwd; touch /img/x 2>&1; true')" "/img/bin/nginx
/etcs/passwd
touch: /img/x: Read-only file system"
ctr "$p" l1 m2 '{}' "sleep 1" ',"mounts":[{"image":{"image":"'"$image"'"},"image_sub_path":"../etc","container_path":"/img","readonly":true}]' >/dev/null
check "an image's path that leads out of it" "$(said)" 'mounts[0].image_sub_path \"../etc\": expected a path in the image, relative and without ..'
ctr "$p" l1 m3 '{}' "sleep 1" ',"mounts":[{"image":{"image":"nope/nope:1"},"container_path":"/img","readonly":true}]' >/dev/null
check "a volume of an image that is not there" "$(said)" 'mounts[0]: no image \"nope/nope:1\"'
umount "$tmp/fs/a/sub"

# ---- statistics, metrics, events ----
"$peers/crictl" -c "$tmp/crictl.yaml" events >"$tmp/events" 2>/dev/null & watcher=$!
for _ in $(seq 100); do e=$(ctr "$p" l1 "e$RANDOM" '{}' "exit 3"); [ -s "$tmp/events" ] && break; sleep 0.05; done
for _ in $(seq 100); do grep -q CONTAINER_STOPPED_EVENT "$tmp/events" && break; sleep 0.05; done
c rm -f "$e" >/dev/null
for _ in $(seq 100); do grep -q CONTAINER_DELETED_EVENT "$tmp/events" && break; sleep 0.05; done
kill $watcher; wait $watcher 2>/dev/null
check "events of a container's life" "$(grep -oE 'CONTAINER_[A-Z]+_EVENT' "$tmp/events" | sort -u | tr '\n' ' ')" "CONTAINER_CREATED_EVENT CONTAINER_DELETED_EVENT CONTAINER_STARTED_EVENT CONTAINER_STOPPED_EVENT "
check "statistics of a pod" "$(c statsp -o json | python3 -c '
import json,sys
s=json.load(sys.stdin)["stats"][0]; l=s["linux"]
print(s["attributes"]["metadata"]["name"], int(l["memory"]["workingSetBytes"]["value"])>0, int(l["process"]["processCount"]["value"])>0, len(l["containers"])>=2)')" "l1 True True True"
python3 - <<P
import json,subprocess
def crictl(*a): return json.loads(subprocess.run(["$peers/crictl","-c","$tmp/crictl.yaml",*a],capture_output=True,text=True,check=True).stdout)
names={d["name"] for d in crictl("metricdescs")["descriptors"]}
seen=set()
for p in crictl("metricsp")["podMetrics"]:
    seen|={m["name"] for m in p.get("metrics",[])}
    for k in p.get("containerMetrics",[]): seen|={m["name"] for m in k.get("metrics",[])}
print(len(names)>20 and len(seen)>20 and seen<=names)
open("$tmp/metrics","w").write(str(len(names)>20 and len(seen)>20 and seen<=names))
P
check "every metric has its description" "$(cat "$tmp/metrics")" True

# ---- a log that is rotated while it is written ----
r=$(ctr "$p" l1 rot '{}' 'i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; sleep 1000')
for k in 1 2 3 4 5; do mv "$tmp/logs/rot.log" "$tmp/logs/rot.log.$k"; c logs -r "$r" >/dev/null 2>&1; done
for _ in $(seq 200); do grep -qs 'line 19999$' "$tmp"/logs/rot.log* && break; sleep 0.05; done
check "rotated logs lose no line" "$(cat "$tmp"/logs/rot.log* | cut -d' ' -f4- | sort -u | wc -l)" 20000
c stop -t 0 "$r" >/dev/null; c logs -r "$r" >/dev/null 2>&1; check "reopening an ended container's log" "$(said)" "container $r is not running"

c rmp -f "$p" >/dev/null

# ---- the plugins of containernetworking, run by us ----
# Under other names, as those of their own are built in.
if [ -x /usr/lib/cni/bridge ]; then
  mkdir -p "$tmp/cnibin" "$tmp/cni/net.d"
  for t in bridge portmap; do ln -s /usr/lib/cni/$t "$tmp/cnibin/real-$t"; done
  br=snr-$$ pm=; command -v iptables >/dev/null && iptables -t nat -L -n >/dev/null 2>&1 && pm=',{"type":"real-portmap","capabilities":{"portMappings":true}}'
  printf '{"cniVersion":"1.0.0","name":"real","plugins":[{"type":"real-bridge","bridge":"%s","isGateway":true,"ipam":{"type":"host-local","dataDir":"%s/ipam","ranges":[[{"subnet":"10.249.0.0/16"}]],"routes":[{"dst":"0.0.0.0/0"}]}}%s]}' "$br" "$tmp" "$pm" >"$tmp/cni/net.d/10-real.conflist"
  halt; serve --cni-bin-dirs "$tmp/cnibin:/usr/lib/cni"
  check "real plugins: the node is ready" "$(c info | python3 -c 'import json,sys; print([x["status"] for x in json.load(sys.stdin)["status"]["conditions"] if x["type"]=="NetworkReady"])')" "[True]"
  read -r port < <(free_ports 1)
  p=$(pod r1 '{}' ',"port_mappings":[{"container_port":80,"host_port":'$port'}]'); img=registry.k8s.io/e2e-test-images/nginx:1.14-2; w=$(ctr "$p" r1 r1w '{}' "exec nginx 80"); unset img
  ip=$(c inspectp -o go-template --template '{{.status.network.ip}}' "$p")
  check "real plugins: an address of theirs" "${ip%.*.*}" 10.249
  for _ in $(seq 100); do curl -s -o /dev/null "http://$ip/" && break; sleep 0.05; done
  check "real plugins: reached by it" "$(curl -s --max-time 5 "http://$ip/")" welcome
  if [ -n "$pm" ]; then check "real plugins: a host port" "$(curl -s --max-time 5 "http://127.0.0.1:$port/")" welcome; else skip "real plugins: a host port" "no iptables here"; fi
  halt -KILL; serve --cni-bin-dirs "$tmp/cnibin:/usr/lib/cni"; c rmp -f "$p" >/dev/null
  check "real plugins: the address is given back" "$(find "$tmp/ipam" -name '10.249.*' | wc -l)" 0
  rm "$tmp/cni/net.d/10-real.conflist"; ip link del "$br" 2>/dev/null
else
  skip "plugins of containernetworking" "not installed"
fi
nothing_left
finish
