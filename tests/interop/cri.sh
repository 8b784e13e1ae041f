#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The CRI daemon against the tools of its clients: crictl through a pod's life (logs, exec over SPDY and WebSocket, ports,
# kill -9 of the daemon, of a keeper), then critest, every failed spec beyond the explained ones being a failure.
#   cri.sh SENNIT KEEPER SOURCE [only critest's focus]
# Images come from a local registry (docker-registry) that stands for registry.k8s.io and its kin.
set -u
sennit=$1 keeper=$2 src=$3 focus=${4:-}
# shellcheck source=/dev/null
. "$src/tests/e2e/lib.sh"
peers=${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers/cri
finish() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
[ "$(id -u)" -eq 0 ] || { skip cri "needs root"; finish; }
for t in go docker-registry busybox gcc python3; do command -v $t >/dev/null || { skip cri "needs $t"; finish; }; done
unshare -n true 2>/dev/null || { skip cri "no network namespaces here"; finish; }

mkdir -p "$peers"
if [ ! -x "$peers/crictl" ] || [ ! -x "$peers/critest" ]; then
  (cd "$tmp" && go mod init x >/dev/null 2>&1 && dir=$(go mod download -json sigs.k8s.io/cri-tools@v1.37.0 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p') &&
    cp -r "$dir" tools && chmod -R u+w tools && cd tools && go build -o "$peers/crictl" ./cmd/crictl && go test -c -o "$peers/critest" ./cmd/critest) \
    >"$tmp/build.log" 2>&1 || { skip cri "cri-tools cannot be built: $(tail -1 "$tmp/build.log")"; finish; }
fi

# ---- images ----
read -r reg_port web_port < <(free_ports 2)
mkdir -p "$tmp"/{reg,certs,run,state,cni,logs}
printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s/reg}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
  "$tmp" "$reg_port" >"$tmp/reg.yml"
docker-registry serve "$tmp/reg.yml" >"$tmp/reg.log" 2>&1 & pids+=($!)
wait_port "$reg_port" || { skip cri "docker-registry does not start"; finish; }
gcc -O1 -static -o "$tmp/web" "$src/tests/interop/cri/web.c" && gcc -O1 -static -o "$tmp/nnp" "$src/tests/interop/cri/nnp.c" || { skip cri "no static libc"; finish; }
python3 "$src/tests/interop/cri/images.py" "127.0.0.1:$reg_port" "$tmp/web" "$tmp/nnp" || { fail images "could not be pushed"; finish; }
for h in registry.k8s.io k8s.gcr.io gcr.io; do
  mkdir -p "$tmp/certs/$h"
  printf 'server = "http://127.0.0.1:%s"\n[host."http://127.0.0.1:%s"]\n  capabilities = ["pull", "resolve"]\n' "$reg_port" "$reg_port" >"$tmp/certs/$h/hosts.toml"
done

# ---- the daemon ----
sock=$tmp/run/cri.sock bridge=snt-t$$ daemon=
serve() {
  "$sennit" cri --listen "$sock" --run-dir "$tmp/run" --state-dir "$tmp/state" --image-root "$tmp/images" --keeper "$keeper" --cni-conf-dir "$tmp/cni/net.d" \
    --cni-state-dir "$tmp/cni" --pod-subnet 10.251.0.0/16 --bridge "$bridge" --cgroup-root "/sennit-test-$$" --registry-config "$tmp/certs" >>"$tmp/cri.log" 2>&1 &
  daemon=$!
  for _ in $(seq 200); do c version >/dev/null 2>&1 && return 0; sleep 0.05; done
  echo "FAIL daemon: $(tail -3 "$tmp/cri.log")"; exit 1
}
c() { "$peers/crictl" -c "$tmp/crictl.yaml" "$@" 2>"$tmp/err"; }
printf 'runtime-endpoint: unix://%s\nimage-endpoint: unix://%s\ntimeout: 30\n' "$sock" "$sock" >"$tmp/crictl.yaml"
all_gone() {
  local p
  for p in $(c pods -q); do c rmp -f "$p" >/dev/null; done
  [ -n "$daemon" ] && kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null
  daemon=
}
undo() {
  all_gone
  for p in $(pgrep -f "^[^ ]*sennit-keeper --dir $tmp/run"); do kill -9 "$p"; done
  for m in $(awk -v t="$tmp/" 'index($5, t) == 1 { print $5 }' /proc/self/mountinfo | sort -r); do umount -l "$m"; done
  ip link del "$bridge" 2>/dev/null
  for d in /sys/fs/cgroup/*/sennit-test-$$; do [ -d "$d" ] && find "$d" -depth -type d -exec rmdir {} + 2>/dev/null; done
  cleanup
}
trap undo EXIT
serve

# ---- crictl ----
image=registry.k8s.io/e2e-test-images/busybox:1.29-2
cat >"$tmp/pod.json" <<J
{"metadata":{"name":"p1","namespace":"default","uid":"u1","attempt":1},"hostname":"p1host","log_directory":"$tmp/logs",
 "dns_config":{"servers":["10.0.0.10"],"searches":["a.b"],"options":["ndots:5"]},"port_mappings":[{"container_port":80,"host_port":$web_port}],"linux":{}}
J
cat >"$tmp/ctr.json" <<J
{"metadata":{"name":"c1"},"image":{"image":"$image"},"log_path":"c1.log","linux":{},
 "command":["sh","-c","echo out; echo err >&2; hostname; cat /etc/resolv.conf; trap 'exit 7' TERM; while :; do sleep 0.1; done"]}
J
sed 's/"name":"c1"/"name":"w1"/; s/c1.log/w1.log/; s#'"$image"'#registry.k8s.io/e2e-test-images/nginx:1.14-2#; s/,\n* *"command".*//' "$tmp/ctr.json" | sed '/"command"/d; s/"linux":{},/"linux":{}}/' >"$tmp/web.json"
c pull $image >/dev/null && c pull registry.k8s.io/e2e-test-images/nginx:1.14-2 >/dev/null; check "pull through a mirror" $? 0
pod=$(c runp "$tmp/pod.json"); check "pod runs" "$(c pods -q --state Ready)" "$pod"
ctr=$(c create "$pod" "$tmp/ctr.json" "$tmp/pod.json"); c start "$ctr" >/dev/null; check "container runs" "$(c ps -q)" "$ctr"
for _ in $(seq 100); do [ "$(wc -l <"$tmp/logs/c1.log")" -ge 6 ] && break; sleep 0.05; done
check "log lines" "$(cut -d' ' -f2- "$tmp/logs/c1.log" | sort | tr '\n' '|')" "stderr F err|stdout F nameserver 10.0.0.10|stdout F options ndots:5|stdout F out|stdout F p1host|stdout F search a.b|"
check "exec, synchronous" "$(c exec -s "$ctr" echo hi)" "hi"
check "exec over SPDY" "$(echo in | c exec -i "$ctr" cat)" "in"
check "exec over WebSocket" "$(echo in | c exec --transport websocket -i "$ctr" cat)" "in"
c exec "$ctr" sh -c 'exit 9' >/dev/null; check "its exit code" "$(grep -c 'exit code 9' "$tmp/err")" 1
web=$(c create "$pod" "$tmp/web.json" "$tmp/pod.json"); c start "$web" >/dev/null
for _ in $(seq 100); do curl -s -o /dev/null "http://127.0.0.1:$web_port/" && break; sleep 0.05; done
check "host port" "$(curl -s --max-time 5 "http://127.0.0.1:$web_port/")" welcome
read -r fwd < <(free_ports 1)
for tr in spdy websocket; do
  "$peers/crictl" -c "$tmp/crictl.yaml" port-forward --transport $tr "$pod" "$fwd:80" >"$tmp/fwd.log" 2>&1 & f=$!
  wait_port "$fwd"; check "port-forward over $tr" "$(curl -s --max-time 5 "http://127.0.0.1:$fwd/")" welcome
  kill $f; wait $f 2>/dev/null
done
check "statistics" "$(c stats -o json | python3 -c 'import json,sys; print(all(int(s["memory"]["workingSetBytes"]["value"])>0 for s in json.load(sys.stdin)["stats"]))')" True
c update --memory 52428800 "$ctr" >/dev/null; check "update" "$(cat /sys/fs/cgroup/memory/sennit-test-$$/*/"$ctr"/memory.limit_in_bytes /sys/fs/cgroup/sennit-test-$$/*/"$ctr"/memory.max 2>/dev/null)" 52428800
mv "$tmp/logs/c1.log" "$tmp/logs/c1.log.1"; c logs -r "$ctr" >/dev/null 2>&1; check "log reopened" "$([ -f "$tmp/logs/c1.log" ] && echo yes)" yes

mask=$(sed 's/"name":"c1"/"name":"m1"/; s/c1.log/m1.log/; s#"linux":{}#"linux":{"security_context":{"masked_paths":["/etc/passwd"],"readonly_paths":["/tmp"]}}#' "$tmp/ctr.json" >"$tmp/mask.json"; c create "$pod" "$tmp/mask.json" "$tmp/pod.json")
c start "$mask" >/dev/null; check "masked path" "$(c exec -s "$mask" sh -c 'wc -c </etc/passwd; touch /tmp/x 2>/dev/null || echo ro' | xargs)" "0 ro"

# ---- faults ----
kill -9 "$daemon"; wait "$daemon" 2>/dev/null; serve
check "after kill -9: pod" "$(c pods -q --state Ready)" "$pod"
check "after kill -9: exec" "$(c exec -s "$ctr" echo again)" again
kill -9 "$daemon"; wait "$daemon" 2>/dev/null
kill -TERM "$(pgrep -f "trap .exit 7. TERM" | head -1)" # it ends while nobody looks
sleep 0.5; serve
check "an end that no daemon saw" "$(c inspect "$ctr" | python3 -c 'import json,sys; s=json.load(sys.stdin)["status"]; print(s["state"], s["exitCode"])')" "CONTAINER_EXITED 7"
pod2=$(sed 's/"name":"p1"/"name":"p2"/; s/"port_mappings":[^]]*\],//' "$tmp/pod.json" >"$tmp/pod2.json"; c runp "$tmp/pod2.json")
kill -9 "$(pgrep -f "sennit-keeper --dir $tmp/run/pods/$pod2" | head -1)"
for _ in $(seq 100); do [ -n "$(c pods -q --state NotReady)" ] && break; sleep 0.05; done
check "a killed keeper's pod" "$(c pods -q --state NotReady)" "$pod2"
c rmp -f "$pod2" >/dev/null; c stopp "$pod" >/dev/null; c rmp "$pod" >/dev/null
check "nothing is left: pods" "$(c pods -q)" ""
check "nothing is left: files" "$(find "$tmp/run" "$tmp/state" "$tmp/images/mounts" "$tmp/cni" -type f -path '*[0-9a-f]*' ! -name 'lock' ! -name 'last_reserved*' ! -name 'index*' | grep -c -E "$pod|$pod2")" 0
check "nothing is left: mounts" "$(grep -c " $tmp/" /proc/self/mountinfo)" 0
check "nothing is left: control groups" "$(find /sys/fs/cgroup/*/sennit-test-$$ -mindepth 1 -type d 2>/dev/null | wc -l)" 0
check "nothing is left: keepers" "$(pgrep -c -f "^[^ ]*sennit-keeper --dir $tmp/run")" 0
check "nothing is left: addresses" "$(find "$tmp/cni/networks" -name '10.251.*' | wc -l)" 0

# ---- critest ----
printf 'defaultTestContainerImage: %s\nwebServerTestImage: registry.k8s.io/e2e-test-images/nginx:1.14-2\n' $image >"$tmp/images.yaml"
"$peers/critest" -config "$tmp/crictl.yaml" -runtime-endpoint "unix://$sock" -image-endpoint "unix://$sock" -test-images-file "$tmp/images.yaml" -ginkgo.no-color \
  -ginkgo.v ${focus:+-ginkgo.focus "$focus"} >"$tmp/critest.log" 2>&1
cp "$tmp/critest.log" "$peers/critest.last.log"
# Two specs need the images of their makers; what they look at is checked here otherwise (pull by digest: image.sh; masks: below).
digest='public image with digest should be pulled and removed' masked='runtime should support MaskedPaths'
while read -r line; do
  if grep -q "$digest" <<<"$line"; then skip "critest: $digest" "its digest is of an image of gcr.io"
  elif grep -q "$masked" <<<"$line"; then skip "critest: $masked" "the shell of Debian's busybox runs ls itself, masked or not"
  else fail "critest" "$line"; fi
done < <(sed -n '/^Summarizing/,$p' "$tmp/critest.log" | grep '\[FAIL\]\|\[TIMEDOUT\]\|\[PANICKED' | sed 's/ *\[FAIL\] //')
summary=$(grep -E '^(FAIL|SUCCESS)! --' "$tmp/critest.log"); echo "critest: ${summary:-did not finish}"
[ -n "$summary" ] && passed=$((passed + $(grep -oE '[0-9]+ Passed' <<<"$summary" | cut -d' ' -f1))) || fail critest "$(tail -2 "$tmp/critest.log")"
skipped=$((skipped + $(grep -oE '[0-9]+ Skipped' <<<"${summary:-0 Skipped}" | cut -d' ' -f1)))
check "critest leaves no pod" "$(c pods -q)" ""
finish
