#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the CRI scripts share: a local registry (docker-registry) with the images that stand for registry.k8s.io's and its kin,
# crictl and critest built from their module, the daemon started and stopped, and nothing left behind. Sourced, with
# $sennit, $keeper and $src set; $suite names the script in what is skipped.
# shellcheck source=/dev/null
. "$src/tests/e2e/lib.sh"
peers=${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers/cri
finish() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
[ "$(id -u)" -eq 0 ] || { skip "$suite" "needs root"; finish; }
for t in go docker-registry busybox gcc python3; do command -v $t >/dev/null || { skip "$suite" "needs $t"; finish; }; done
unshare -n true 2>/dev/null || { skip "$suite" "no network namespaces here"; finish; }

# ---- images ----
read -r reg_port < <(free_ports 1)
mkdir -p "$tmp"/{reg,certs,run,state,cni,logs}
printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s/reg}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
  "$tmp" "$reg_port" >"$tmp/reg.yml"
docker-registry serve "$tmp/reg.yml" >"$tmp/reg.log" 2>&1 & pids+=($!)
wait_port "$reg_port" || { skip "$suite" "docker-registry does not start"; finish; }
for c in web nnp sh; do gcc -O1 -static -o "$tmp/$c" "$src/tests/interop/cri/$c.c" || { skip "$suite" "no static libc"; finish; }; done
own_digest=$(python3 "$src/tests/interop/cri/images.py" "127.0.0.1:$reg_port" "$tmp/web" "$tmp/nnp" "$tmp/sh") || { fail images "could not be pushed"; finish; }
for h in registry.k8s.io k8s.gcr.io gcr.io docker.io; do
  mkdir -p "$tmp/certs/$h"
  printf 'server = "http://127.0.0.1:%s"\n[host."http://127.0.0.1:%s"]\n  capabilities = ["pull", "resolve"]\n' "$reg_port" "$reg_port" >"$tmp/certs/$h/hosts.toml"
done

# ---- crictl, critest ----
# One spec pulls by a digest of its makers' registry: it is told that of our image instead.
mkdir -p "$peers"
critest=$peers/critest-${own_digest:7:12}
if [ ! -x "$peers/crictl" ] || [ ! -x "$critest" ]; then
  (cd "$tmp" && go mod init x >/dev/null 2>&1 && dir=$(go mod download -json sigs.k8s.io/cri-tools@v1.37.0 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p') &&
    cp -r "$dir" tools && chmod -R u+w tools && cd tools && sed -i "/testLinuxImageWithDigest/s/sha256:[0-9a-f]*/$own_digest/" pkg/validate/consts.go &&
    go build -o "$peers/crictl" ./cmd/crictl && go test -c -o "$critest" ./cmd/critest) \
    >"$tmp/build.log" 2>&1 || { skip "$suite" "cri-tools cannot be built: $(tail -1 "$tmp/build.log")"; finish; }
fi

# ---- the daemon ----
sock=$tmp/run/cri.sock bridge=snt-t$$ daemon=
# serve [OPTION...] - options of this call come last and count.
serve() {
  "$sennit" cri --listen "$sock" --run-dir "$tmp/run" --state-dir "$tmp/state" --image-root "$tmp/images" --keeper "$keeper" --cni-conf-dir "$tmp/cni/net.d" \
    --cni-state-dir "$tmp/cni" --pod-subnet 10.251.0.0/16 --bridge "$bridge" --cgroup-root "/sennit-test-$$" --registry-config "$tmp/certs" "$@" >>"$tmp/cri.log" 2>&1 &
  daemon=$!
  for _ in $(seq 200); do c version >/dev/null 2>&1 && return 0; kill -0 $daemon 2>/dev/null || break; sleep 0.05; done
  echo "FAIL daemon: $(tail -3 "$tmp/cri.log")"; exit 1
}
halt() { # [SIGNAL]
  [ -n "$daemon" ] && kill "${1:--TERM}" "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null
  daemon=
}
c() { "$peers/crictl" -c "$tmp/crictl.yaml" "$@" 2>"$tmp/err"; }
printf 'runtime-endpoint: unix://%s\nimage-endpoint: unix://%s\ntimeout: 30\n' "$sock" "$sock" >"$tmp/crictl.yaml"
keepers() { pgrep -f "^[^ ]*sennit-keeper --dir $tmp/run"; }
all_gone() {
  local p
  for p in $(c pods -q); do c rmp -f "$p" >/dev/null; done
  halt
}
undo() {
  all_gone
  for p in $(keepers); do kill -9 "$p"; done
  for m in $(awk -v t="$tmp/" 'index($5, t) == 1 { print $5 }' /proc/self/mountinfo | sort -r); do umount -l "$m"; done
  ip link del "$bridge" 2>/dev/null
  for d in /sys/fs/cgroup/*/sennit-test-$$; do [ -d "$d" ] && find "$d" -depth -type d -exec rmdir {} + 2>/dev/null; done
  cleanup
}
# What is to be gone once every pod is: each kind is a check of its own.
nothing_left() {
  check "nothing is left${1:+ ($1)}: pods" "$(c pods -q)" ""
  check "nothing is left${1:+ ($1)}: files" "$(find "$tmp/run/pods" "$tmp/run/containers" "$tmp/state/pods" "$tmp/state/containers" "$tmp/images/mounts" -mindepth 1 2>/dev/null | wc -l)" 0
  check "nothing is left${1:+ ($1)}: mounts" "$(grep " $tmp/" /proc/self/mountinfo | grep -vc " $tmp/fs ")" 0
  check "nothing is left${1:+ ($1)}: control groups" "$(find /sys/fs/cgroup/*/sennit-test-$$ -mindepth 1 -type d 2>/dev/null | wc -l)" 0
  check "nothing is left${1:+ ($1)}: keepers" "$(keepers | wc -l)" 0
  check "nothing is left${1:+ ($1)}: addresses" "$(find "$tmp/cni/networks" -name '10.251.*' 2>/dev/null | wc -l)" 0
  check "nothing is left${1:+ ($1)}: links" "$(ip -o link show master "$bridge" 2>/dev/null | wc -l)" 0
}
