#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The gateway and TLS: several certificates on a listener, client certificates, and upstreams that speak
# TLS with HTTP/1.1 or h2: nginx, our server, and a listener of our own. usage: gateway_tls.sh SENNIT HTTP_PEER
set -u
sennit=$1 peer=$2
for tool in curl python3 openssl; do
  command -v $tool >/dev/null || { echo "SKIP: $tool is not installed"; exit 77; }
done
. "$(dirname "$0")/lib.sh"

# authority NAME; issue NAME AUTHORITY SAN
authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/$1.key" -out "$tmp/$1.pem" \
    -days 2 -subj "/CN=$1" 2>/dev/null
}
issue() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/$1.key" -out "$tmp/$1.csr" -subj "/CN=$1" 2>/dev/null
  openssl x509 -req -in "$tmp/$1.csr" -CA "$tmp/$2.pem" -CAkey "$tmp/$2.key" -CAcreateserial -days 2 -out "$tmp/$1.pem" \
    -extfile <(echo "subjectAltName=$3") 2>/dev/null
}
authority ca; authority stranger
issue a ca DNS:a.test; issue b ca DNS:b.test; issue wild ca DNS:*.wild.test; issue client ca DNS:client.test
issue unknown stranger DNS:a.test

"$peer" serve "$tmp/a.pem" "$tmp/a.key" >"$tmp/peer" 2>"$tmp/peer.err" & pids+=($!)
for _ in $(seq 100); do [ -s "$tmp/peer" ] && break; sleep 0.05; done
echo_port=$(head -1 "$tmp/peer"); echo_port=${echo_port##*:}
read -r web inner h2 h1 foreign secure <<<"$(free_ports 6)"
nginx=no
if command -v nginx >/dev/null; then
  mkdir -p "$tmp/ng"
  server() { # PORT CERT LISTEN-OPTIONS EXTRA
    echo "server { listen 127.0.0.1:$1 ssl $3; ssl_certificate $tmp/$2.pem; ssl_certificate_key $tmp/$2.key; $4
      location / { return 200 \"\$server_protocol sni=\$ssl_server_name client=\$ssl_client_s_dn host=\$host\"; } }"
  }
  cat >"$tmp/ng.conf" <<CONF
daemon off; master_process off; pid $tmp/ng/pid; error_log $tmp/ng/error.log;
events { worker_connections 256; }
http {
  access_log off; client_max_body_size 0; client_body_temp_path $tmp/ng/b; proxy_temp_path $tmp/ng/p;
  fastcgi_temp_path $tmp/ng/f; uwsgi_temp_path $tmp/ng/u; scgi_temp_path $tmp/ng/s;
  $(server "$h2" a http2 "ssl_client_certificate $tmp/ca.pem; ssl_verify_client on;")
  $(server "$h1" a "" "ssl_client_certificate $tmp/ca.pem; ssl_verify_client optional;")
  $(server "$foreign" unknown "" "")
}
CONF
  nginx -p "$tmp/ng" -c "$tmp/ng.conf" 2>"$tmp/ng.err" & pids+=($!)
  if wait_port "$h2"; then nginx=yes; else echo "SKIP nginx: $(head -1 "$tmp/ng.err")"; fi
fi
up() { # NAME PORT TLS [MORE]
  echo "  - {name: $1, endpoints: [{address: \"127.0.0.1:$2\"}], outlier: {enabled: false}, tls: {$3}${4:-}}"
}
mine="ca: $tmp/ca.pem, cert: $tmp/client.pem, key: $tmp/client.key"
cat >"$tmp/gw.yaml" <<YAML
listeners:
  - {name: web, address: "127.0.0.1:$web"}
  - {name: secure, address: "127.0.0.1:$secure", tls: {cert: $tmp/b.pem, key: $tmp/b.key}}
  - name: inner
    address: "127.0.0.1:$inner"
    tls: {cert: $tmp/a.pem, key: $tmp/a.key, client_ca: $tmp/ca.pem, client_required: true,
      more: [{cert: $tmp/b.pem, key: $tmp/b.key}, {cert: $tmp/wild.pem, key: $tmp/wild.key}]}
upstreams:
$(up h2 "$h2" "$mine, server_name: a.test" ", h2: true")
$(up h1 "$h1" "ca: $tmp/ca.pem, server_name: a.test")
$(up wrong_name "$h1" "ca: $tmp/ca.pem, server_name: b.test")
$(up wrong_ca "$foreign" "ca: $tmp/ca.pem, server_name: a.test")
$(up unchecked "$foreign" "server_name: a.test, insecure: true")
$(up no_cert "$h2" "ca: $tmp/ca.pem, server_name: a.test" ", h2: true")
$(up not_h2 "$h1" "ca: $tmp/ca.pem, server_name: a.test" ", h2: true")
$(up echo_h2 "$echo_port" "ca: $tmp/ca.pem, server_name: a.test" ", h2: true")
$(up echo_h1 "$echo_port" "ca: $tmp/ca.pem, server_name: a.test")
$(up own_h2 "$inner" "$mine, server_name: b.test" ", h2: true")
$(up own_h1 "$inner" "$mine, server_name: x.wild.test")
$(up own_nobody "$inner" "ca: $tmp/ca.pem, server_name: a.test")
routes:
  - {name: inner, listeners: [inner], respond: {body: "inner\n"}}
$(for u in echo_h2 echo_h1 h2 h1 wrong_name wrong_ca unchecked no_cert not_h2; do
  echo "  - {name: $u, listeners: [web], match: [{prefix: /$u}], proxy: {to: [{upstream: $u}], strip_prefix: /$u, host: a.test}}"; done)
$(for u in own_h2 own_h1 own_nobody; do
  echo "  - {name: $u, listeners: [web, secure], match: [{prefix: /$u}], proxy: {to: [{upstream: $u}], host: a.test}}"; done)
access_log: {format: json, path: $tmp/access.log}
YAML
"$sennit" gateway -c "$tmp/gw.yaml" --io-uring 2>"$tmp/gw.log" & gw=$!; pids+=($gw)
wait_port "$web" || { echo "FAIL start: $(cat "$tmp/gw.log")"; exit 1; }
url=http://127.0.0.1:$web
get() { curl -sS -m 20 "$@"; }
status() { curl -sS -m 20 -o /dev/null -w '%{http_code}' "$@"; }

# Which certificate a name is answered with.
subject() {
  openssl s_client -connect "127.0.0.1:$inner" ${1:+-servername "$1"} </dev/null 2>/dev/null |
    openssl x509 -noout -subject 2>/dev/null | tr -d ' '
}
check sni_first "$(subject a.test)" subject=CN=a
check sni_second "$(subject b.test)" subject=CN=b
check sni_wildcard "$(subject x.wild.test)" subject=CN=wild
check sni_wildcard_one_label "$(subject x.y.wild.test)" subject=CN=a
check sni_unknown "$(subject c.test)" subject=CN=a
check sni_none "$(subject "")" subject=CN=a
check own_upstream_h2 "$(get "$url/own_h2")" inner
check own_upstream_h1 "$(get "$url/own_h1")" inner
check own_upstream_wants_a_certificate "$(status "$url/own_nobody")" 502
head -c 3000000 /dev/urandom >"$tmp/big"
for v in h1 h2; do
  check upload_$v "$(get --data-binary @"$tmp/big" "$url/echo_$v/echo" | cksum)" "$(cksum <"$tmp/big")"
  check upload_chunked_$v "$(get -H 'Transfer-Encoding: chunked' --data-binary @"$tmp/big" "$url/echo_$v/echo" | cksum)" "$(cksum <"$tmp/big")"
done
if [ $nginx = yes ]; then
  check nginx_h2 "$(get "$url/h2/")" "HTTP/2.0 sni=a.test client=CN=client host=a.test"
  check nginx_h2_again "$(get "$url/h2/")" "HTTP/2.0 sni=a.test client=CN=client host=a.test"
  check nginx_h1 "$(get "$url/h1/")" "HTTP/1.1 sni=a.test client= host=a.test"
  check wrong_name "$(status "$url/wrong_name/")" 502
  check wrong_authority "$(status "$url/wrong_ca/")" 502
  check unchecked "$(get "$url/unchecked/")" "HTTP/1.1 sni=a.test client= host=a.test"
  check no_client_certificate "$(status "$url/no_cert/")" 400
  check upstream_without_h2 "$(status "$url/not_h2/")" 502
else
  skipped=$((skipped + 9)); echo "SKIP nginx rows: nginx is not installed"
fi
# Reloads under load, TLS on both sides of the gateway, HTTP/1.1 and h2; every second one changes what a
# listener's server is made with, the others a route.
if command -v h2load >/dev/null && command -v wrk >/dev/null; then
  cp "$tmp/gw.yaml" "$tmp/gw.first"
  h2load -c 8 -m 4 -n 4000 --rps 125 "https://127.0.0.1:$secure/own_h2" >"$tmp/h2load" 2>&1 & two=$!
  wrk -t1 -c8 -d4s "https://127.0.0.1:$secure/own_h1" >"$tmp/wrk" 2>&1 & one=$!
  for i in $(seq 30); do
    { cat "$tmp/gw.first"; echo "limits: {headers: $((100 + i / 2 % 8))}"; [ $((i % 2)) = 0 ] || echo "via: other"; } >"$tmp/gw.next"
    mv "$tmp/gw.next" "$tmp/gw.yaml"; kill -HUP $gw; sleep 0.1
  done
  wait $one $two
  if grep -q '4000 succeeded, 0 failed, 0 errored, 0 timeout' "$tmp/h2load"; then ok reload_under_load_h2
  else fail reload_under_load_h2 "$(grep requests: "$tmp/h2load")"; fi
  if grep -q 'Requests/sec' "$tmp/wrk" && ! grep -q 'Non-2xx\|Socket errors' "$tmp/wrk"; then ok reload_under_load_h1
  else fail reload_under_load_h1 "$(tail -3 "$tmp/wrk")"; fi
  [ "$(grep -c 'in force, ' "$tmp/gw.log")" -ge 5 ] && ok reloads_happened || fail reloads_happened "$(tail -2 "$tmp/gw.log")"
  mv "$tmp/gw.first" "$tmp/gw.yaml"; kill -HUP $gw; sleep 0.3
else
  skipped=$((skipped + 3)); echo "SKIP reload_under_load: h2load or wrk is not installed"
fi
# Renewed files are used after a reload, connections and upstreams go on.
cp "$tmp/wild.pem" "$tmp/a.pem"; cp "$tmp/wild.key" "$tmp/a.key"
kill -HUP $gw
for _ in $(seq 50); do [ "$(subject c.test)" = subject=CN=wild ] && break; sleep 0.1; done
check renewed_certificate "$(subject c.test)" subject=CN=wild
check after_renewal "$(get "$url/own_h2")" inner
kill -TERM $gw; wait $gw; check exit $? 0
if [ $nginx = yes ]; then
  python3 - "$tmp/access.log" <<'PY' && ok reasons_are_logged || fail reasons_are_logged "$(grep wrong_ "$tmp/access.log" | head -2)"
import json, sys
rows = {r.get("route"): r for r in map(json.loads, open(sys.argv[1]))}
assert "certificate" in rows["wrong_name"]["error"] or "name" in rows["wrong_name"]["error"], rows["wrong_name"]
assert "certificate" in rows["wrong_ca"]["error"], rows["wrong_ca"]
PY
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
