# SPDX-License-Identifier: Apache-2.0
# What the scripts with our shim under the real containerd share; source it after lib.sh with $shim (the program)
# and $root (the checkout) set, give it a function `against VERSION CONTAINERD CTR`, and call `peers`.
# Sockets and states lie in folders with fixed names: here in ones of our own.
if [ "${CONTAINERD_INSIDE:-}" != 1 ] && unshare -m true 2>/dev/null; then
  rm -rf "$tmp"; mkdir -p /run/containerd
  CONTAINERD_INSIDE=1 exec unshare -m --propagation private bash -c 'mount -t tmpfs containerd /run/containerd && exec bash "$0" "$@"' "$0" "$@"
fi
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/containerd2
end() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
[ "$(id -u)" = 0 ] || { skip containerd "needs root"; end; }
[ -x /bin/busybox ] || { skip containerd "busybox-static is not installed"; end; }
ns=sennit-test-$$
image=docker.io/library/bb:1
export CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS=1 # ctr 2.4 says at each call that version 1 of cgroups is old
d=  daemon=
# What we may leave behind belongs to this run alone: namespace, folders and cgroups have its name.
leave() {
  for p in $(pgrep -f -- "-namespace $ns " || :); do kill -9 "$p" 2>/dev/null || :; done
  [ -n "$daemon" ] && { kill "$daemon" 2>/dev/null; wait "$daemon" 2>/dev/null; }
  for f in /sys/fs/cgroup/*/"$ns"/*/cgroup.procs; do
    [ -e "$f" ] && for p in $(cat "$f"); do kill -9 "$p" 2>/dev/null || :; done
  done
  grep -o " $tmp/[^ ]*" /proc/self/mounts | sort -r | while read -r m; do umount -l "$m" 2>/dev/null; done
  for m in $(find /sys/fs/cgroup -mindepth 2 -maxdepth 3 -path "*/$ns*" -type d 2>/dev/null | sort -r); do rmdir "$m" 2>/dev/null; done
  rm -rf "/run/containerd/sennit/$ns"
  cleanup
}
trap leave EXIT

daemon_up() { # CONTAINERD
  mkdir -p "$d"
  cat >"$d/config.toml" <<X
version = 2
root = "$d/root"
state = "$d/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.erofs", "io.containerd.nri.v1.nri", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "$d/c.sock"
X
  PATH=${shim_path:-$(dirname "$shim")}:$(dirname "$1"):$PATH "$1" -c "$d/config.toml" -l debug >>"$d/log" 2>&1 &
  daemon=$!
  for _ in $(seq 200); do "$ctr" -a "$d/c.sock" version >/dev/null 2>&1 && return 0; sleep 0.05; done
  return 1
}
daemon_kill() { kill "$1" "$daemon" 2>/dev/null; wait "$daemon" 2>/dev/null; daemon=; }
c() { timeout 30 "$ctr" -a "$d/c.sock" -n "$ns" "$@"; }
run() { c run --runtime io.containerd.sennit.v2 "$@"; }
status() { c t ls | awk -v id="$1" '$1 == id { print $3 }'; }
wait_status() { for _ in $(seq 100); do [ "$(status "$1")" = "$2" ] && return 0; sleep 0.05; done; return 1; }
shim_pid() { pgrep -f -- "-namespace $ns .*-id $1 .*start\$" | head -1; } # not one that deletes
gone() { c t kill -s KILL "$1" >/dev/null 2>&1; wait_status "$1" STOPPED; c t rm "$1" >/dev/null 2>&1; c c rm "$1" >/dev/null 2>&1; }
touch "$tmp/began"
# Sockets of our time that nobody listens on.
stale() {
  for s in $(find /run/containerd/s -newer "$tmp/began" -type s 2>/dev/null); do
    grep -q " $s\$" /proc/net/unix || { [ -e "$s" ] && echo "$s"; }
  done
}
# What a container leaves: processes, mounts, cgroups, states, sockets. Waits a moment for what is on its way.
left() { # TENTHS OF A SECOND
  for _ in $(seq "${1:-60}"); do
    what=$(
      pgrep -fa -- "-namespace $ns " | grep -v pgrep
      grep "$d/state/io.containerd.runtime" /proc/self/mounts
      find /sys/fs/cgroup -mindepth 3 -path "*/$ns/*" -type d 2>/dev/null
      ls "/run/containerd/sennit/$ns" 2>/dev/null
      ls "$d/state/io.containerd.runtime.v2.task/$ns" 2>/dev/null
      stale
    )
    [ -z "$what" ] && break
    sleep 0.1
  done
  echo "$what"
}

wanted() { case " ${PEERS:-1.6 2.4} " in *" $1 "*) return 0 ;; esac; return 1; }
peers() { # PEERS names those that are to be met, where not all
  python3 "$root/tests/interop/containerd_image.py" "$tmp/bb.tar" $image
  if ! wanted 1.6; then skip "containerd 1.6" "not asked for"
  elif [ -x /usr/bin/containerd ]; then against 1.6 /usr/bin/containerd /usr/bin/ctr
  else skip "containerd 1.6" "not installed"; fi
  if ! wanted 2.4; then skip "containerd 2.4" "not asked for"
  elif command -v go >/dev/null; then
    mkdir -p "$cache/bin"; cd "$cache" || exit 1
    [ -x bin/ctr ] || (printf 'module peers\n\ngo 1.25\n' >go.mod; go mod edit -require github.com/containerd/containerd/v2@v2.4.2
      CGO_ENABLED=0 GOFLAGS=-mod=mod go build -tags "no_btrfs no_devmapper no_zfs netgo osusergo" -o bin/ \
        github.com/containerd/containerd/v2/cmd/containerd github.com/containerd/containerd/v2/cmd/ctr \
        github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2) >go.log 2>&1
    if [ -x bin/ctr ]; then against 2.4 "$cache/bin/containerd" "$cache/bin/ctr"; else skip "containerd 2.4" "its Go module is out of reach"; fi
  else skip "containerd 2.4" "go is not installed"; fi
  end
}
