#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The CRI daemon against the tools of its clients: crictl through a pod's life (logs, exec over SPDY and WebSocket, ports,
# kill -9 of the daemon, of a keeper), then critest, every failed spec beyond the explained ones being a failure.
#   cri.sh SENNIT KEEPER SOURCE [only critest's focus]
# Images come from a local registry (docker-registry) that stands for registry.k8s.io and its kin.
set -u
sennit=$1 keeper=$2 src=$3 focus=${4:-}
suite=cri
# shellcheck source=/dev/null
. "$src/tests/interop/cri/rig.sh"
read -r web_port < <(free_ports 1)
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
nothing_left

# ---- critest ----
printf 'defaultTestContainerImage: %s\nwebServerTestImage: registry.k8s.io/e2e-test-images/nginx:1.14-2\n' $image >"$tmp/images.yaml"
"$critest" -config "$tmp/crictl.yaml" -runtime-endpoint "unix://$sock" -image-endpoint "unix://$sock" -test-images-file "$tmp/images.yaml" -ginkgo.no-color \
  -ginkgo.v ${focus:+-ginkgo.focus "$focus"} >"$tmp/critest.log" 2>&1
cp "$tmp/critest.log" "$peers/critest.last.log"
while read -r line; do fail "critest" "$line"; done < <(sed -n '/^Summarizing/,$p' "$tmp/critest.log" | grep '\[FAIL\]\|\[TIMEDOUT\]\|\[PANICKED' | sed 's/ *\[FAIL\] //')
summary=$(grep -E '^(FAIL|SUCCESS)! --' "$tmp/critest.log"); echo "critest: ${summary:-did not finish}"
[ -n "$summary" ] && passed=$((passed + $(grep -oE '[0-9]+ Passed' <<<"$summary" | cut -d' ' -f1))) || fail critest "$(tail -2 "$tmp/critest.log")"
skipped=$((skipped + $(grep -oE '[0-9]+ Skipped' <<<"${summary:-0 Skipped}" | cut -d' ' -f1)))
check "critest leaves no pod" "$(c pods -q)" ""
finish
