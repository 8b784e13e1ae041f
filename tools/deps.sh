#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing from Debian's packages, and says so.  tools/deps.sh build|test|bench|interop|containers...
# Groups add up: bench includes test, every group includes build.
set -euo pipefail

build=(gcc libc6-dev meson ninja-build pkg-config python3 libssl-dev libnghttp2-dev libpcre2-dev libyaml-dev
  musl-tools libdw-dev zlib1g-dev libzstd-dev libsecp256k1-dev libsodium-dev libsqlite3-dev protobuf-compiler
  libprotobuf-dev)
# clang and libbpf-dev build sennit-bpf, which the kernel takeover's tests need.
test=(zstd busybox-static clang libbpf-dev util-linux spin libgmp-dev libleveldb1d curl openssl procps iproute2 nghttp2-client nginx-light redis-server wrk gdb chromium python3-websockets haproxy python3-yaml)
bench=(nghttp2-server haproxy linux-perf libprotobuf-c-dev protobuf-c-compiler libjansson-dev libgrpc++-dev protobuf-compiler-grpc)
# Peers: of the circuits (circom's C++ generator needs nasm and nlohmann-json3-dev; ours for WebAssembly clang), of the registry.
interop=(nasm nlohmann-json3-dev libgmp-dev g++ clang lld wasi-libc libclang-rt-14-dev-wasm32
  zookeeper default-jre-headless etcd-server etcd-client postgresql mariadb-server libpq-dev libmariadb-dev python3-yaml python3-venv)
# Peers of the container runtime and of images.
containers=(skopeo umoci docker-registry apache2-utils containerd runc crun uidmap libseccomp-dev podman conmon catatonit criu qemu-system-x86)
fuzz=(clang lld llvm libclang-rt-14-dev)

want=("${build[@]}")
for group in "$@"; do
  case "$group" in
    build) ;;
    test) want+=("${test[@]}") ;;
    bench) want+=("${test[@]}" "${bench[@]}") ;;
    interop) want+=("${test[@]}" "${interop[@]}") ;;
    containers) want+=("${test[@]}" "${containers[@]}") ;;
    fuzz) want+=("${fuzz[@]}") ;;
    *) echo "deps: unknown group '$group' (build, test, bench, interop, containers, fuzz)" >&2; exit 2 ;;
  esac
done

if ! command -v dpkg-query >/dev/null; then
  echo "deps: this is not a Debian system; make sure these are installed: ${want[*]}" >&2
  exit 0
fi
missing=()
for p in "${want[@]}"; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
done
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "deps: missing: ${missing[*]}; install them as root" >&2; exit 1; }
  sudo=(sudo)
fi
echo "deps: installing from Debian: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install_all() {
  # Services that packages bring (nginx, haproxy) must not start by themselves.
  "${sudo[@]}" env RUNLEVEL=1 apt-get install -y -q --no-install-recommends "${missing[@]}" >"$log" 2>&1
}
if ! install_all; then
  echo "deps: refreshing the package lists" >&2
  "${sudo[@]}" apt-get update -q >"$log" 2>&1 || { tail -n 20 "$log" >&2; exit 1; }
  install_all || { tail -n 20 "$log" >&2; exit 1; }
fi
