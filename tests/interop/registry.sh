#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The registry against what it did not write: unmodified npm, PyPI and Go clients of Consul, Nacos (HTTP and
# gRPC), Apollo and etcd against `sennit registry serve`; our ZooKeeper client against Debian's server, with a
# third-party client beside it; our etcd client against Debian's etcd (registry_etcd.sh); a restart of the
# server in the middle. Peers are installed once, outside the checkout.
# usage: registry.sh SENNIT SOURCE_ROOT; REGISTRY_PEERS="npm py go etcdctl etcd zk"
set -eu
sennit=$(realpath "$1") root=$(realpath "$2")
here=$root/tests/interop/registry
cache=${SENNIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit}/registry
want=" ${REGISTRY_PEERS:-npm py go etcdctl etcd zk} "
. "$root/tests/e2e/lib.sh"
mkdir -p "$cache"

read -r consul apollo zkport etcd < <(free_ports 4)
# Nacos's clients look for gRPC 1000 above its HTTP: a port with a free one there.
for _ in $(seq 50); do
  nacos=$(free_ports 1)
  [ "$nacos" -lt 64000 ] && ! (exec 3<>"/dev/tcp/127.0.0.1/$((nacos + 1000))") 2>/dev/null && break
done
serve() {
  "$sennit" registry serve --consul "127.0.0.1:$consul" --nacos "127.0.0.1:$nacos" --apollo "127.0.0.1:$apollo" \
    --etcd "127.0.0.1:$etcd" --data "$tmp/data" >>"$tmp/serve.log" 2>&1 &
  server=$!
  pids+=("$server")
  wait_port "$consul" && wait_port "$nacos" && wait_port "$((nacos + 1000))" && wait_port "$apollo" && wait_port "$etcd"
}
# A peer prints "ok WHAT" for each check that held, "FAIL ..." for the first that did not.
count() {
  local name=$1 n
  n=$(grep -c '^ok ' "$tmp/$name.out" || :)
  passed=$((passed + n))
  cat "$tmp/$name.out"
}
peer() {
  local name=$1; shift
  if (cd "$tmp" && timeout 240 "$@") >"$tmp/$name.out" 2>"$tmp/$name.err"; then count "$name"
  else count "$name"; fail "$name" "$(tail -n 5 "$tmp/$name.err" | tr '\n' ' ')"; fi
}
serve || { cat "$tmp/serve.log"; exit 1; }

case $want in *" npm "*)
  if ! command -v npm >/dev/null; then skip npm "not installed"
  elif [ ! -d "$cache/npm/node_modules/etcd3" ] &&
    ! (mkdir -p "$cache/npm" && cd "$cache/npm" && { [ -f package.json ] || npm init -y; } &&
      timeout 600 npm i --no-audit --no-fund consul@2 nacos@2 ctrip-apollo@4 etcd3@1) >"$tmp/npm.log" 2>&1; then
    skip npm "the packages are out of reach"
  else
    NODE_PATH=$cache/npm/node_modules peer npm node "$here/clients.cjs" "$consul" "$nacos" "$apollo"
    NODE_PATH=$cache/npm/node_modules peer npm-etcd3 node "$here/etcd.cjs" "$etcd" "$consul"
  fi ;;
esac
# venv NAME MODULE PACKAGE... - installed once; one for each set of packages that do not go together.
venv() {
  local at=$cache/$1 module=$2; shift 2
  "$at/bin/python" -c "import $module" 2>/dev/null && return 0
  { python3 -m venv "$at" && timeout 600 "$at/bin/pip" -q install "$@"; } >"$tmp/pip.log" 2>&1
}
case $want in *" py "*)
  if venv py 'consul, nacos, kazoo' 'python-consul2<1' 'nacos-sdk-python<1' 'kazoo<3'; then
    peer py "$cache/py/bin/python" "$here/clients.py" "$consul" "$nacos"
  else skip py "the packages are out of reach"; fi
  if venv py-etcd3 etcd3 'etcd3==0.12.0' 'protobuf<4'; then
    peer py-etcd3 "$cache/py-etcd3/bin/python" "$here/etcd_clients.py" "$etcd" "$consul"
  else skip py-etcd3 "the packages are out of reach"; fi
  if venv py-nacos3 'v2.nacos, etcd3gw' 'nacos-sdk-python==3.2.0' 'etcd3gw==2.7.0'; then
    peer py-etcd3gw "$cache/py-nacos3/bin/python" "$here/etcd_clients.py" "$etcd" "$consul"
    peer py-nacos3 "$cache/py-nacos3/bin/python" "$here/nacos_grpc.py" "$nacos"
  else skip py-nacos3 "the packages are out of reach"; fi
  if venv py-nacos2 v2.nacos 'nacos-sdk-python==2.0.9'; then
    peer py-nacos2 "$cache/py-nacos2/bin/python" "$here/nacos_grpc.py" "$nacos"
  else skip py-nacos2 "the packages are out of reach"; fi ;;
esac
# go_peer NAME MODULE@VERSION... - built again when its source has changed.
go_peer() {
  local name=$1 at=$cache/$1; shift
  [ -x "$at/peer" ] && cmp -s "$here/$name/main.go" "$at/main.go" && return 0
  mkdir -p "$at" && cp "$here/$name/main.go" "$at/main.go" && rm -f "$at/peer"
  (cd "$at" && export GOFLAGS=-mod=mod GOTOOLCHAIN=local && { [ -f go.mod ] || go mod init peer; } && go get "$@" &&
    go build -o peer .) >"$tmp/$name.log" 2>&1
}
case $want in *" go "*)
  if ! command -v go >/dev/null; then skip go "not installed"
  else
    if go_peer go github.com/hashicorp/consul/api@v1.20.0 github.com/nacos-group/nacos-sdk-go@v1.1.4 \
      github.com/apolloconfig/agollo/v4@v4.4.0; then peer go "$cache/go/peer" "$consul" "$nacos" "$apollo"
    else skip go "the modules are out of reach"; fi
    if go_peer go-grpc go.etcd.io/etcd/client/v3@v3.5.16 github.com/nacos-group/nacos-sdk-go/v2@v2.2.7; then
      peer go-grpc "$cache/go-grpc/peer" "$etcd" "$nacos" "$consul"
    else skip go-grpc "the modules are out of reach"; fi
  fi ;;
esac
case $want in *" etcdctl "*)
  if ! command -v etcdctl >/dev/null; then skip etcdctl "Debian's etcd-client is not installed"
  else peer etcdctl bash "$here/etcdctl.sh" "$etcd" "$consul"; fi ;;
esac

# The server's restart: values and permanent instances stay, indexes go on.
c=http://127.0.0.1:$consul/v1
curl -sS -X PUT "$c/kv/stay" -d here >/dev/null
curl -sS -X PUT "$c/agent/service/register" -d '{"Name":"fixed","ID":"f1","Address":"10.7.0.1","Port":7}'
before=$(curl -sS -o /dev/null -D - "$c/kv/stay" | sed -n 's/^X-Consul-Index: \([0-9]*\).*/\1/p')
kill -9 "$server"; wait "$server" 2>/dev/null || :
serve || { cat "$tmp/serve.log"; exit 1; }
check "a value survives kill -9" "$(curl -sS "$c/kv/stay?raw")" here
check "a permanent instance survives kill -9" "$(curl -sS "$c/health/service/fixed" | grep -o '"Port":7')" '"Port":7'
curl -sS -X PUT "$c/kv/stay" -d again >/dev/null
after=$(curl -sS -o /dev/null -D - "$c/kv/stay" | sed -n 's/^X-Consul-Index: \([0-9]*\).*/\1/p')
check "indexes go on" "$([ "$after" -gt "$before" ] && echo yes)" yes
c3=http://127.0.0.1:$etcd/v3
check "an etcd client sees the permanent instance again" \
  "$(curl -sS -X POST "$c3/kv/range" -d "{\"key\":\"$(printf /services/fixed/f1 | base64)\"}" | grep -o '"count":"1"')" '"count":"1"'

# Ours against a real etcd.
case $want in *" etcd "*)
  if ! command -v etcd >/dev/null || ! command -v etcdctl >/dev/null; then skip etcd "Debian's etcd-server and etcd-client are not installed"
  else peer etcd bash "$here/etcd_server.sh" "$sennit" "$root"; fi ;;
esac

# Ours against a real ZooKeeper.
zk_client() { timeout 30 "$sennit" registry "$@" -u "zk://127.0.0.1:$zkport?session=4s"; }
zk_start() {
  java -Dzookeeper.admin.enableServer=false -cp "/usr/share/java/zookeeper.jar:/usr/share/java/*" org.apache.zookeeper.server.ZooKeeperServerMain "$zkport" "$tmp/zk" \
    >>"$tmp/zk.log" 2>&1 &
  zk=$!
  pids+=("$zk")
  wait_port "$zkport" || wait_port "$zkport" || wait_port "$zkport" || wait_port "$zkport" # a JVM takes its time
}
until_text() { for _ in $(seq 150); do grep -q "$2" "$1" && return 0; sleep 0.1; done; return 1; }
case $want in *" zk "*)
  if ! command -v java >/dev/null || [ ! -e /usr/share/java/zookeeper.jar ]; then skip zk "Debian's zookeeper is not installed"
  else
    mkdir -p "$tmp/zk"
    if ! zk_start; then fail "zookeeper starts" "$(tail -n 3 "$tmp/zk.log")"; else
      for _ in 1 2 3 4 5 6; do zk_client put a/b hello 2>/dev/null && break; done # it listens before it serves
      check "zookeeper: a value is stored and read" "$(zk_client get a/b)" hello
      "$sennit" registry watch web -u "zk://127.0.0.1:$zkport?session=4s" >"$tmp/zk.watch" 2>/dev/null &
      pids+=($!)
      "$sennit" registry register web 10.8.0.1:88 v=1 id=one -u "zk://127.0.0.1:$zkport?session=4s" >"$tmp/zk.reg" 2>&1 &
      reg=$!
      pids+=("$reg")
      if until_text "$tmp/zk.watch" '10.8.0.1:88'; then ok "zookeeper: a watch sees a registration"
      else fail "zookeeper: a watch sees a registration" "$(cat "$tmp/zk.watch" "$tmp/zk.reg")"; fi
      if "$cache/py/bin/python" -c 'import kazoo' 2>/dev/null; then
        check "zookeeper: kazoo reads our node" "$("$cache/py/bin/python" -c "
import json, sys
from kazoo.client import KazooClient
k = KazooClient('127.0.0.1:$zkport'); k.start()
n = json.loads(k.get('/services/web/one')[0]); print(n['address'], n['port'], n['payload']['v'])
k.create('/services/web/two', json.dumps({'address': '10.8.0.2', 'port': 89}).encode(), ephemeral=True)
import time; time.sleep(2); k.stop()")" "10.8.0.1 88 1"
        if until_text "$tmp/zk.watch" '10.8.0.2:89'; then ok "zookeeper: a watch sees kazoo's node"
        else fail "zookeeper: a watch sees kazoo's node" "$(cat "$tmp/zk.watch")"; fi
      else skip zk "kazoo is out of reach"; fi
      # The server dies and comes back without its memory: the instance is announced again.
      kill -9 "$zk"; wait "$zk" 2>/dev/null || :
      rm -rf "$tmp/zk" && mkdir "$tmp/zk"
      zk_start || fail "zookeeper starts again"
      : >"$tmp/again"
      for _ in $(seq 150); do
        zk_client watch web --once 2>/dev/null | grep -q '10.8.0.1:88' && { echo yes >"$tmp/again"; break; }
        sleep 0.1
      done
      check "zookeeper: announced again after the server lost everything" "$(cat "$tmp/again")" yes
      kill "$reg"; wait "$reg" || :
      check "zookeeper: removed at the end" "$(tail -n 1 "$tmp/zk.reg")" removed
    fi
  fi ;;
esac
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
