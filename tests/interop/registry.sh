#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The registry against what it did not write: unmodified npm, PyPI and Go clients of Consul, Nacos and
# Apollo against `sennit registry serve`; our ZooKeeper client against Debian's server, with a third-party
# client beside it; a restart of the server in the middle. Peers are installed once, outside the checkout.
# usage: registry.sh SENNIT SOURCE_ROOT; REGISTRY_PEERS="npm py go zk"
set -eu
sennit=$(realpath "$1") root=$(realpath "$2")
here=$root/tests/interop/registry
cache=${SENNIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit}/registry
want=" ${REGISTRY_PEERS:-npm py go zk} "
. "$root/tests/e2e/lib.sh"
mkdir -p "$cache"

read -r consul nacos apollo zkport < <(free_ports 4)
serve() {
  "$sennit" registry serve --consul "127.0.0.1:$consul" --nacos "127.0.0.1:$nacos" --apollo "127.0.0.1:$apollo" \
    --data "$tmp/data" >>"$tmp/serve.log" 2>&1 &
  server=$!
  pids+=("$server")
  wait_port "$consul" && wait_port "$nacos" && wait_port "$apollo"
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
  elif [ ! -d "$cache/npm/node_modules/ctrip-apollo" ] &&
    ! (mkdir -p "$cache/npm" && cd "$cache/npm" && { [ -f package.json ] || npm init -y; } &&
      timeout 600 npm i --no-audit --no-fund consul@2 nacos@2 ctrip-apollo@4) >"$tmp/npm.log" 2>&1; then
    skip npm "the packages are out of reach"
  else NODE_PATH=$cache/npm/node_modules peer npm node "$here/clients.cjs" "$consul" "$nacos" "$apollo"; fi ;;
esac
case $want in *" py "*)
  if [ ! -d "$cache/py/bin" ] || ! "$cache/py/bin/python" -c 'import consul, nacos, kazoo' 2>/dev/null; then
    { python3 -m venv "$cache/py" && timeout 600 "$cache/py/bin/pip" -q install 'python-consul2<1' 'nacos-sdk-python<1' 'kazoo<3'; } \
      >"$tmp/pip.log" 2>&1 || :
  fi
  if "$cache/py/bin/python" -c 'import consul, nacos' 2>/dev/null; then
    peer py "$cache/py/bin/python" "$here/clients.py" "$consul" "$nacos"
  else skip py "the packages are out of reach"; fi ;;
esac
case $want in *" go "*)
  if ! command -v go >/dev/null; then skip go "not installed"
  else
    mkdir -p "$cache/go" && cp "$here/go/main.go" "$cache/go/main.go"
    if ! (cd "$cache/go" && export GOFLAGS=-mod=mod GOTOOLCHAIN=local && { [ -f go.mod ] || go mod init peer; } &&
      go get github.com/hashicorp/consul/api@v1.20.0 github.com/nacos-group/nacos-sdk-go@v1.1.4 \
        github.com/apolloconfig/agollo/v4@v4.4.0 && go build -o peer .) >"$tmp/go.log" 2>&1; then
      skip go "the modules are out of reach"
    else peer go "$cache/go/peer" "$consul" "$nacos" "$apollo"; fi
  fi ;;
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
