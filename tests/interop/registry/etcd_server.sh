#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Our etcd client against Debian's etcd-server: registration and watching, kill -9 and restart, compaction under
# a watch, lost leases, several endpoints, passwords, TLS, go-zero's and Kratos's layouts.
# usage: etcd_server.sh SENNIT SOURCE_ROOT, in a folder to write to
set -u
sennit=$1
. "$2/tests/e2e/lib.sh"
export ETCDCTL_API=3 ETCD_UNSUPPORTED_ARCH=
hold() { if [ "$2" = "$3" ]; then echo "ok etcd-server: $1"; else echo "FAIL etcd-server: $1: expected \"$3\", got \"$2\""; exit 1; fi; }
read -r port peer dead < <(free_ports 3)
# run_etcd SCHEME OPTION... - at $port, with its data in $tmp/etcd
run_etcd() {
  local scheme=$1; shift
  etcd --data-dir "$tmp/etcd" --listen-client-urls "$scheme://127.0.0.1:$port" --advertise-client-urls "$scheme://127.0.0.1:$port" \
    --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
    --initial-cluster "default=http://127.0.0.1:$peer" "$@" >>"$tmp/etcd.log" 2>&1 &
  server=$!
  pids+=("$server")
  wait_port "$port"
}
e() { timeout 10 etcdctl --endpoints="127.0.0.1:$port" "$@" 2>&1; }
until_text() { for _ in $(seq 200); do grep -q "$2" "$1" && { echo yes; return; }; sleep 0.1; done; echo no; }
# watch FILE NAME URL, register FILE NAME ADDRESS URL [ARGUMENT...]: until the end; their ids in $w and $r
watch() { "$sennit" registry watch "$2" -u "$3" >"$1" 2>"$1.err" & w=$!; pids+=("$w"); }
register() { local f=$1 n=$2 at=$3 u=$4; shift 4; "$sennit" registry register "$n" "$at" "$@" -u "$u" >"$f" 2>"$f.err" & r=$!; pids+=("$r"); }
stop() { kill "$1"; wait "$1" 2>/dev/null; }

run_etcd http || { cat "$tmp/etcd.log"; exit 1; }
url="etcd://127.0.0.1:$dead,127.0.0.1:$port" # nobody is at the first endpoint
for _ in 1 2 3 4 5 6 7 8; do "$sennit" registry put app limit:1 -u "$url" 2>/dev/null && break; done
hold "a value is stored" "$(e get /config/app --print-value-only)" limit:1
hold "and read" "$("$sennit" registry get app -u "$url")" limit:1
"$sennit" registry config app -u "$url" >"$tmp/config" 2>/dev/null & pids+=($!)
hold "a configuration is watched" "$(until_text "$tmp/config" limit:1)" yes
e put /config/app limit:2 >/dev/null
hold "and its change seen" "$(until_text "$tmp/config" limit:2)" yes
watch "$tmp/w" web "$url"
register "$tmp/r" web 10.0.0.1:80 "$url" v=2 id=one
hold "a watch sees a registration" "$(until_text "$tmp/w" '10.0.0.1:80')" yes
hold "its key" "$(e get /services/web/one --print-value-only | grep -o '"port":80')" '"port":80'
e put /services/web/two '{"address":"10.0.0.2","port":81}' >/dev/null
hold "and another's key" "$(until_text "$tmp/w" '10.0.0.2:81')" yes
e put /services/web/bad 'no JSON' >/dev/null
e put /services/web/three '{"address":"10.0.0.3","port":82}' >/dev/null
hold "one unreadable key takes nothing away" "$(until_text "$tmp/w" '10.0.0.3:82')" yes
e del /services/web/bad >/dev/null

# The watcher sleeps while the server is killed, comes back and compacts: what it asks for then is gone.
kill -STOP "$w"
kill -9 "$server"; wait "$server" 2>/dev/null
run_etcd http
for i in 1 2 3 4 5 6; do e put noise "$i" >/dev/null && break; sleep 0.5; done
e put /services/web/four '{"address":"10.0.0.4","port":83}' >/dev/null
e put noise again >/dev/null
rev=$(e get noise -w json | sed 's/.*"header":{[^}]*"revision":\([0-9]*\).*/\1/')
hold "compacted" "$(e compaction "$rev")" "compacted revision $rev"
kill -CONT "$w"
hold "after kill -9 and a compaction the watch goes on" "$(until_text "$tmp/w" '10.0.0.4:83')" yes
hold "nobody was lost meanwhile" "$(grep -c '^# version .* 0 instances' "$tmp/w")" 1 # the first answer, before anybody
hold "our lease lives on" "$(e get /services/web/one --print-value-only | grep -o '"port":80')" '"port":80'
lease=$(e get /services/web/one -w json | sed 's/.*"lease":\([0-9]*\).*/\1/')
e lease revoke "$(printf '%x' "$lease")" >/dev/null
hold "a revoked lease is granted again" "$(for _ in $(seq 100); do e get /services/web/one | grep -q 10.0.0.1 && { echo yes; break; }; sleep 0.1; done)" yes
kill -9 "$server"; wait "$server" 2>/dev/null
rm -rf "$tmp/etcd"
run_etcd http # it has forgotten everything
hold "after the server lost its data we announce again" "$(for _ in $(seq 150); do e get /services/web/one | grep -q 10.0.0.1 && { echo yes; break; }; sleep 0.1; done)" yes
stop "$r"
hold "removed at the end" "$(tail -n 1 "$tmp/r") $(e get /services/web/one)" "removed "
stop "$w"

# Other frameworks' layouts.
register "$tmp/r" user.rpc 10.1.0.1:90 "$url?layout=go-zero"
hold "go-zero: announced" "$(until_text "$tmp/r" announced)" yes
key=$(e get user.rpc/ --prefix --keys-only | head -n 1)
hold "go-zero: the key is the lease" "$(e get "$key" -w json | grep -o "\"lease\":${key#user.rpc/}")" "\"lease\":${key#user.rpc/}"
hold "go-zero: the value an address" "$(e get "$key" --print-value-only)" 10.1.0.1:90
hold "go-zero: found" "$("$sennit" registry watch user.rpc --once -u "$url?layout=go-zero" | grep -c '10.1.0.1:90')" 1
stop "$r"
register "$tmp/r" helloworld 10.1.0.2:91 "$url?layout=kratos" version=3 id=h1
hold "kratos: announced" "$(until_text "$tmp/r" announced)" yes
hold "kratos: the value" "$(e get /microservices/helloworld/h1 --print-value-only | grep -o '"name":"helloworld","version":"3"')" '"name":"helloworld","version":"3"'
e put /microservices/helloworld/h2 '{"id":"h2","name":"helloworld","version":"","metadata":{"zone":"b"},"endpoints":["http://10.1.0.3:1","grpc://10.1.0.3:92?isSecure=false"]}' >/dev/null
hold "kratos: found" "$("$sennit" registry watch helloworld --once -u "$url?layout=kratos" | grep -o '10.1.0.[23]:9[12]' | sort | tr '\n' ' ')" "10.1.0.2:91 10.1.0.3:92 "
stop "$r"

# Passwords.
url=etcd://127.0.0.1:$port
e user add root:s3same >/dev/null; e user grant-role root root >/dev/null; e auth enable >/dev/null
hold "without a password" "$("$sennit" registry put app x -u "$url" 2>&1 | grep -c 'user name is empty')" 1
echo wrong >"$tmp/wrong"; echo s3same >"$tmp/right"
hold "with a wrong one" "$("$sennit" registry put app x -u "$url" --token-file "$tmp/wrong" 2>&1 | grep -c 'invalid user ID or password')" 1
hold "no password in a failure" "$("$sennit" registry put app x -u "$url" --token-file "$tmp/wrong" 2>&1 | grep -c wrong)" 0
"$sennit" registry put app x -u "$url?user=root" --token-file "$tmp/right"
hold "with the right one" "$(e get /config/app --print-value-only --user root:s3same)" x
"$sennit" registry watch web -u "$url" --token-file "$tmp/right" >"$tmp/w" 2>/dev/null & w=$!; pids+=("$w")
"$sennit" registry register web 10.0.0.1:80 -u "$url" --token-file "$tmp/right" >"$tmp/r" 2>/dev/null & r=$!; pids+=("$r")
hold "registered and watched with it" "$(until_text "$tmp/w" '10.0.0.1:80')" yes
kill -9 "$server"; wait "$server" 2>/dev/null
run_etcd http # tokens of before are good no more
e put /services/web/two '{"address":"10.0.0.2","port":81}' --user root:s3same >/dev/null
for _ in 1 2 3 4; do e get /services/web/two --user root:s3same | grep -q 10.0.0.2 && break; sleep 1; e put /services/web/two '{"address":"10.0.0.2","port":81}' --user root:s3same >/dev/null; done
hold "a lost token is fetched again" "$(until_text "$tmp/w" '10.0.0.2:81')" yes
stop "$r"; stop "$w"
kill -9 "$server"; wait "$server" 2>/dev/null
rm -rf "$tmp/etcd"

# TLS with a client's certificate.
(cd "$tmp" && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2 &&
  for n in server client; do
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $n.key -out $n.csr -subj /CN=$n &&
      printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n' >$n.ext &&
      openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $n.pem -days 2 -extfile $n.ext || exit 1
  done) >"$tmp/openssl.log" 2>&1 || { cat "$tmp/openssl.log"; exit 1; }
run_etcd https --cert-file "$tmp/server.pem" --key-file "$tmp/server.key" --client-cert-auth --trusted-ca-file "$tmp/ca.pem"
tls="ca=$tmp/ca.pem&cert=$tmp/client.pem&key=$tmp/client.key"
for _ in 1 2 3 4 5 6; do "$sennit" registry put app tls -u "$url?$tls" 2>/dev/null && break; sleep 0.5; done
hold "TLS, both sides known" "$("$sennit" registry get app -u "$url?$tls")" tls
hold "TLS without our certificate" "$("$sennit" registry get app -u "$url?ca=$tmp/ca.pem" >/dev/null 2>&1 && echo yes)" ""
hold "TLS with roots that do not know the server" "$("$sennit" registry get app -u "$url?tls=true" 2>&1 | grep -ci 'certificate\|unauthenticated\|TLS')" 1
