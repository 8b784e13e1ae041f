#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Pull and unpack of an image of many layers from a docker-registry on this machine: Sennit, containerd, skopeo
# with umoci, interleaved. Wall and CPU time of all that takes part but the registry, peak memory of clients and daemon.
. "$(dirname "$0")/lib.sh"
layers=${IMAGE_LAYERS:-24} rounds=${IMAGE_ROUNDS:-5}
for p in docker-registry skopeo; do command -v $p >/dev/null || { echo "image: $p is not here: tools/deps.sh containers" >&2; exit 1; }; done
[ "$(id -u)" -eq 0 ] || { echo "image: needs root" >&2; exit 1; }
bench_build cmd/sennit/sennit
cd "$BENCH_TMP" || exit 1
made=${IMAGE_LAYOUT:-$BENCH_TMP/lay}
[ -d "$made" ] || python3 "$BENCH_ROOT/bench/image.py" make "$made" "$layers" || exit 1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s/reg}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
  "$BENCH_TMP" "$port" >reg.yml
docker-registry serve reg.yml >reg.log 2>&1 & BENCH_PIDS+=($!)
for _ in $(seq 100); do (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.05; done
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >policy.json
skopeo --policy policy.json copy -q --dest-tls-verify=false "oci:$made:1" "docker://127.0.0.1:$port/bench:1" || exit 1
python3 "$BENCH_ROOT/bench/image.py" run "127.0.0.1:$port" "$BENCH_BUILD/cmd/sennit/sennit" "$BENCH_TMP" "$rounds"
