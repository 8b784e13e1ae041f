#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Debian's etcdctl against the registry server. usage: etcdctl.sh ETCD_PORT CONSUL_PORT, in a folder to write to
set -u
port=$1 consul=http://127.0.0.1:$2/v1
export ETCDCTL_API=3
e() { timeout 10 etcdctl --endpoints="127.0.0.1:$port" "$@" 2>&1; }
hold() { if [ "$2" = "$3" ]; then echo "ok etcdctl: $1"; else echo "FAIL etcdctl: $1: expected \"$3\", got \"$2\""; exit 1; fi; }
e del ctl/ --prefix >/dev/null
hold put "$(e put ctl/a 1)" OK
hold "get, values only" "$(e get ctl/a --print-value-only)" 1
hold "previous value" "$(e put ctl/a 2 --prev-kv | tr '\n' ' ')" "OK ctl/a 1 "
rev=$(e get ctl/a -w json | sed 's/.*"mod_revision":\([0-9]*\).*/\1/')
hold "at the revision before" "$(e get ctl/a --rev=$((rev - 1)) --print-value-only)" 1
for i in 1 2 3; do e put "ctl/p/$i" "$((9 - i))" >/dev/null; done
hold "sorted by value" "$(e get ctl/p/ --prefix --sort-by=VALUE --order=ASCEND --keys-only | tr -d '\n')" ctl/p/3ctl/p/2ctl/p/1
hold "limit" "$(e get ctl/p/ --prefix --limit=2 --keys-only | tr -d '\n')" ctl/p/1ctl/p/2
hold "from a key" "$(e get ctl/p/2 --from-key --keys-only | grep -c ctl/p/)" 2
hold "transaction" "$(printf 'value("ctl/a") = "2"\n\nput ctl/t yes\n\nput ctl/t no\n\n' | e txn | tr -d '\n')" SUCCESSOK
hold "what it wrote" "$(e get ctl/t --print-value-only)" yes
e watch ctl/w --rev="$rev" >watch.out 2>&1 & w=$!
(sleep 0.3; e put ctl/w x; e del ctl/w) >/dev/null
for _ in $(seq 50); do grep -q DELETE watch.out && break; sleep 0.1; done
kill "$w" 2>/dev/null; wait "$w" 2>/dev/null
hold "watch" "$(tr '\n' ' ' <watch.out)" "PUT ctl/w x DELETE ctl/w  "
lease=$(e lease grant 30 | sed 's/lease \([0-9a-f]*\) .*/\1/')
e put ctl/l v --lease="$lease" >/dev/null
hold "a lease's keys" "$(e lease timetolive "$lease" --keys | grep -o 'attached keys(\[ctl/l\])')" 'attached keys([ctl/l])'
hold "keepalive" "$(e lease keep-alive --once "$lease" | grep -o 'TTL(30)')" 'TTL(30)'
hold "leases" "$(e lease list | grep -c "$lease")" 1
hold "revoke" "$(e lease revoke "$lease")" "lease $lease revoked"
hold "and the key is gone" "$(e get ctl/l)" ""
curl -sS -X PUT "$consul/agent/service/register" -d '{"Name":"ctl-web","ID":"c1","Address":"10.2.0.1","Port":80}'
hold "an instance of Consul" "$(e get /services/ctl-web/c1 --print-value-only | grep -o '"address":"10.2.0.1"')" '"address":"10.2.0.1"'
hold "is not etcd's to delete" "$(e del /services/ctl-web/c1)" 0
curl -sS -X PUT "$consul/agent/service/deregister/c1"
hold "and goes with it" "$(e get /services/ctl-web/c1)" ""
hold "lock" "$(e lock ctl-lock echo held)" held
hold "elect" "$(timeout 5 etcdctl --endpoints="127.0.0.1:$port" elect ctl-e me 2>/dev/null | tail -n 1)" me
now=$(e get ctl/a -w json | sed 's/.*"header":{[^}]*"revision":\([0-9]*\).*/\1/')
hold "compaction" "$(e compaction "$now")" "compacted revision $now"
hold "before it" "$(e get ctl/a --rev=1 | grep -o 'required revision has been compacted' | head -n 1)" 'required revision has been compacted'
hold "health" "$(e endpoint health | grep -c 'is healthy')" 1
hold "status" "$(e endpoint status -w json | grep -o '"leader":[0-9]*' | head -n 1 | cut -d: -f1)" '"leader"'
hold "members" "$(e member list | grep -c "http://127.0.0.1:$port")" 1
