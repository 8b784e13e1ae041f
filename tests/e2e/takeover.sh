#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# takeover.sh SENNIT SENNIT-BPF PEER - the takeover programs on the real kernel, in cgroups and a network
# namespace of their own. SENNIT-BPF is "none" where it was not built.
set -u
sennit=$1 bpf=$2 peer=$3
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/takeover_rig.sh"
finish() { echo "$passed passed, $failed failed, $skipped skipped"; [ $failed -eq 0 ]; exit; }
[ "$bpf" != none ] || { skip takeover "sennit-bpf was not built: clang or libbpf-dev is missing"; finish; }
why=$(rig_probe)
[ -z "$why" ] || { skip takeover "$why"; finish; }
rig_up || { fail rig "cannot make $cg"; finish; }
client="python3 $here/takeover_client.py"
# One that is gone has said everything; the rest would only fail after it.
alive() { kill -0 "$loader" 2>/dev/null || { fail loader "ended: $(tail -3 "$tmp/load.err")"; finish; }; }
sync() { printf '%s\n' "$@" >"$tmp/services"; "$bpf" sync --socket "$sock" "$tmp/services" >"$tmp/sync.out" 2>&1; }
counter() { "$bpf" status --socket "$sock" --json | python3 -c 'import json,sys
v = [s for s in json.load(sys.stdin)["services"] if s["name"] == sys.argv[1]]
print(v[0][sys.argv[2]] if v else "none")' "$1" "$2"; }
vip=10.96.0.10 vip6=fd96::10

# ---- the loader and its privileges
mkdir -p "$tmp/pub"; chmod 755 "$tmp" "$tmp/pub"
sock=$tmp/pub/bpf.sock
load() { bg "$tmp/load" "$bpf" load --cgroup "$cg/work" --gateway-cgroup "$cg/gateway" --pin "$pins" --socket "$sock" --uid 1234 "$@"; loader=$last; }
load || { case $(cat "$tmp/load.err") in
    *"kernel refuses"*|*"by a link"*) skip takeover "$(tail -1 "$tmp/load.err")" ;;
    *) fail load "$(cat "$tmp/load.err")" ;;
  esac; finish; }
check "loader: is nobody" "$(awk '/^Uid/ {print $2 $3 $4}' /proc/$loader/status)" 655346553465534
check "loader: CAP_BPF alone" "$(awk '/^Cap(Prm|Eff|Bnd)/ {print $2}' /proc/$loader/status | sort -u)" 0000008000000000
check "loader: no new privileges" "$(awk '/^NoNewPrivs/ {print $2}' /proc/$loader/status)" 1
check "socket: for its user alone" "$(stat -c '%U %u %a' "$sock" | cut -d' ' -f2-)" "1234 600"
check "socket: the user may ask" "$(setpriv --reuid 1234 --clear-groups "$bpf" status --socket "$sock" | sed 's/ (.*//')" "generation 0, gateway silent"
chmod 666 "$sock"
setpriv --reuid 4321 --clear-groups "$bpf" status --socket "$sock" >"$tmp/out" 2>&1
check "socket: another user is refused by its credentials" "$(grep -c 'of user 4321: not allowed' "$tmp/load.err")" 1
chmod 600 "$sock"
setpriv --reuid 1234 --clear-groups "$bpf" unload --socket "$sock" >"$tmp/out" 2>&1
check "socket: only root ends the loader" "$(cat "$tmp/out")" "sennit-bpf: only root ends the loader"
sync "service s tcp $vip:80 closed" "live fd00::1:80"
check "sync: a bad file names its line" "$(sed "s,$tmp/,," "$tmp/sync.out")" 'sennit-bpf: services: line 2: expected an address such as 10.0.0.1:80 or [fd00::1]:80, got "fd00::1:80"'
load2=$("$bpf" load --cgroup "$tmp" --socket "$tmp/x.sock" 2>&1)
check "load: a folder that is no cgroup" "${load2##*: }" "$tmp is no folder of the cgroup v2 tree"

echo keep >"$tmp/file"
"$bpf" load --cgroup "$cg/other" --socket "$tmp/file" >"$tmp/out" 2>&1
check "load: a file in the socket's place is not removed" "$? $(cat "$tmp/file")" "1 keep"
"$bpf" load --cgroup "$cg/other" --socket "$sock" >"$tmp/out" 2>&1
check "load: a second loader at the same socket" "$? $(sed 's/.*: //' "$tmp/out")" "1 another loader listens there"
"$bpf" load --cgroup "$cg/other" --pin "$tmp/nofs" --socket "$tmp/x.sock" >"$tmp/out" 2>&1
check "load: pins need a BPF file system" "$? $(grep -c 'mount -t bpf' "$tmp/out") $(ls -d "$tmp/nofs" 2>/dev/null)" "2 1 "

# ---- redirection
alive
for n in A B C; do bg "$tmp/s$n" inns "$peer" serve $v4 "901$(printf '%d' "'$n" | tail -c1)" $n || finish; eval "pid$n=$last"; done
pA=9015 pB=9016 pC=9017 # the codes of A, B, C end in 5, 6, 7
bg "$tmp/s6" inns "$peer" serve $v6 9016 S || finish
bg "$tmp/u1" inns $client serve-udp $v4 9100 one || finish
bg "$tmp/u2" inns $client serve-udp $v4 9101 two || finish
bg "$tmp/u6" inns $client serve-udp $v6 9100 six || finish
all=("service a tcp $vip:80 closed" "live $v4:$pA" "service six tcp [$vip6]:80 closed" "live [$v6]:9016"
  "service u udp $vip:53 closed" "live $v4:9100" "service u2 udp $vip:54 closed" "live $v4:9101"
  "service u6 udp [$vip6]:53 closed" "live [$v6]:9100" "service none tcp $vip:81 closed")
sync "${all[@]}"
check "sync" "$(cat "$tmp/sync.out")" "6 services in force, 6 changed, 0 removed"
check "tcp4: redirected; getpeername and SO_ORIGINAL_DST show the service" "$(inwork $client tcp $vip 80)" "A $vip 80 $vip 80"
check "tcp6" "$(inwork $client tcp $vip6 80)" "S $vip6 80 $vip6 80"
check "tcp4 by a v6 socket" "$(inwork $client tcp $vip 80 mapped)" "A ::ffff:$vip 80 $vip 80"
check "udp4: sent and connected; answers come from the service" "$(inwork $client udp $vip 53)" "one $vip 53 one $vip 53 $vip 53"
check "udp6" "$(inwork $client udp $vip6 53)" "six $vip6 53 six $vip6 53 $vip6 53"
check "udp: one socket, two services" "$(inwork $client udp2 $vip 53 54)" "one 53, two 54, one 53"
check "no back-end: refused" "$(inwork $client errno $vip 81)" ECONNREFUSED
check "another port of the address is left alone" "$(inwork $client errno $vip 82)" ENETUNREACH
check "a direct connect is left alone" "$(inwork $client tcp $v4 $pB)" "B $v4 $pB no original destination"
check "another cgroup is left alone" "$(incg other $client errno $vip 80)" ENETUNREACH
check "counters: connects" "$(counter a connects)" 2
check "counters: refused" "$(counter none refused)" 1
check "counters: datagrams and replies" "$(counter u datagrams) $(counter u replies)" "3 4"
uring=$(inwork "$peer" uring $vip 80 2>&1)
case $uring in
  *io_uring_setup*) skip "io_uring connect" "$uring" ;;
  *) check "io_uring connect: redirected" "$uring" "$vip:80" ;;
esac
check "io_uring connect: counted" "$(counter a connects)" "$(case $uring in *io_uring_setup*) echo 2 ;; *) echo 3 ;; esac)"

# ---- the original destination, at the accepting end
sync "service v tcp $vip:86 closed" "via $v4:9400" "service v6 tcp [$vip6]:86 closed" "via [$v6]:9400" "service v2 tcp $vip:87 closed" "live $v4:9400"
check "a back-end where nobody listens" "$(inwork $client from 40001 $vip 86)" ECONNREFUSED
bg "$tmp/so" incg gateway $client serve-origin $v4 9400 || finish
bg "$tmp/so6" incg gateway $client serve-origin $v6 9400 || finish
check "what a failed connect has left is gone with it" "$(inwork $client from 40001 $v4 9400)" "no original destination"
check "the accepting end knows the service" "$(inwork $client from 40001 $vip 86)" "$vip 86"
check "and once only" "$(inwork $client from 40001 $v4 9400)" "no original destination"
check "the accepting end knows the service, v6" "$(inwork $client from 40001 $vip6 86)" "$vip6 86"
check "back-ends that do not ask are not told" "$(inwork $client from 40001 $vip 87)" "no original destination"

# ---- changes
sync "service a tcp $vip:80 closed" "live $v4:$pB"
check "an update: the next connect; other services go" "$(cat "$tmp/sync.out"), $(inwork $client tcp $vip 80 | cut -c1), $(inwork $client errno $vip6 80)" \
  "1 services in force, 1 changed, 3 removed, B, ENETUNREACH"
sync "service a tcp $vip:80 closed" "live $v4:$pB"
check "the same again changes nothing" "$(cat "$tmp/sync.out")" "1 services in force, 0 changed, 0 removed"
sync "service a tcp $vip:80 closed sticky" "live $v4:$pA" "live $v4:$pB" "live $v4:$pC"
check "sticky: one workload, one server" "$(for _ in 1 2 3 4 5 6 7 8; do inwork $client tcp $vip 80 | cut -c1; done | sort -u | wc -l)" 1
sync "service a tcp $vip:80 closed" "live $v4:$pA" "live $v4:$pB" "live $v4:$pC 2"
inwork "$peer" hammer $vip 80 700 >"$tmp/h0"
check "spread by weight: all three, C about half" "$(python3 -c '
import re, sys
n = {k: int(v) for k, v in re.findall(r"([A-C]) (\d+)", open(sys.argv[1]).read())}
t = sum(n.values()); print(sorted(n), all(abs(n[k] / t - w) < 0.05 for k, w in {"A": .25, "B": .25, "C": .5}.items()))' "$tmp/h0")" \
  "['A', 'B', 'C'] True"
inwork "$peer" hammer $vip 80 6000 >"$tmp/h1" & h=$!
inwork "$peer" hammer $vip 80 6000 >"$tmp/h2" & h2=$!
swaps=0
while kill -0 $h 2>/dev/null; do
  case $((swaps % 3)) in
    0) sync "service a tcp $vip:80 closed" "live $v4:$pA" ;;
    1) sync "service a tcp $vip:80 closed" "live $v4:$pB" "live $v4:$pC" ;;
    2) sync "service a tcp $vip:80 closed" "live $v4:$pA" "live $v4:$pB" "live $v4:$pC 5" "service b tcp $vip:81 open" ;;
  esac
  swaps=$((swaps + 1))
done
wait $h $h2
check "swapped $swaps times under load ($(cut -d, -f1 "$tmp/h1") and $(cut -d, -f1 "$tmp/h2")): none failed" \
  "$(cat "$tmp/h1" "$tmp/h2" | grep -c ', 0 failed, A .*, B .*, C ') $([ $swaps -gt 20 ] && echo many)" "2 many"

# ---- the gateway speaks
alive
gateway() { bg "$tmp/gw" incg "${1:-gateway}" bash -c 'exec "$@" 2>&1' _ "$sennit" gateway -c "$tmp/gateway.yaml" --debug $v4:9900; gw=$last; }
for n in one two; do
  port=$([ $n = one ] && echo 9201 || echo 9202)
  bg "$tmp/up_$n" inns "$sennit" serve --listen $v4:$port --name $n --instance $n --workers 1 || finish
  eval "up_$n=$last"
done
cat >"$tmp/gateway.yaml" <<END
listeners: [{name: web, address: "$v4:8080"}]
upstreams:
- name: app
  endpoints: [{address: "$v4:9201"}, {address: "$v4:9202"}]
  health: {path: /healthz, interval: 100ms, timeout: 500ms, unhealthy: 2, healthy: 1}
- name: itself
  endpoints: [{address: "$vip:84"}]
  health: {path: /healthz, interval: 24h}
routes:
- {name: app, proxy: {to: [{upstream: app}]}}
- {name: special, match: [{exact: /never-asked-for}], respond: {status: 222, body: special}}
- {name: loop, match: [{prefix: /loop}], proxy: {to: [{upstream: itself}], retries: 0}}
access_log: {format: logfmt, path: stdout}
takeover:
  socket: $sock
  ttl: 1s
  services:
  - {name: direct, address: "$vip:80", upstream: app, open: true}
  - {name: strict, address: "$vip:83", upstream: app}
  - {name: through, address: "$vip:84", listener: web, upstream: app, open: true}
  - {name: special, address: "$vip:85", listener: web, route: special}
  - {name: pass, address: "$v4:9201", listener: web, open: true}
END
# A service whose address is a back-end of another one would be a chain: refused with the file.
"$sennit" gateway -c "$tmp/gateway.yaml" --check >"$tmp/out" 2>&1
check "gateway: a chain of services is refused with its file" "$(grep -c 'which is a service itself' "$tmp/out")" 3
sed -i '/name: pass/d' "$tmp/gateway.yaml"
gateway || finish
until_true 10 test "$(counter direct live)" = 2
until_true 10 sh -c "[ \"\$($bpf status --socket $sock | grep -c ' live [12] ')\" = 4 ]"
check "gateway: four services in the kernel" "$("$bpf" status --socket "$sock" | grep -c ' live [12] ')" 4
check "gateway: heard of" "$("$bpf" status --socket "$sock" | head -1 | sed 's/ (.*//; s/.*, //')" "gateway heard of"
who() { sed -n 's/.*"instance":"\([a-z]*\)".*/\1/p'; }
check "direct: no request passes the gateway" "$(inwork $client get $vip 80 | cut -d' ' -f1) $(grep -c 'route=' "$tmp/gw")" "200 0"
check "through the gateway" "$(inwork $client get $vip 84 | cut -d' ' -f1)" 200
check "by original destination: a route of its own" "$(inwork $client get $vip 85 /any/path)" "222 special"
check "without it: the listener's routes" "$(inns $client get $v4 8080 /any/path | cut -d' ' -f1)" 200
until_true 5 sh -c "curl -s --max-time 2 http://$v4:9900/metrics >/dev/null"
metric() { inns curl -s "http://$v4:9900/metrics" | sed -n "s/^$1{service=\"$2\"} //p"; }
until_true 5 sh -c "[ \"\$(nsenter --net=/run/netns/$ns curl -s http://$v4:9900/metrics | grep -c 'connects_total{service=\"special\"} 1')\" = 1 ]"
check "metrics: connects" "$(metric sennit_takeover_connects_total special)" 1
check "metrics: back-ends" "$(metric sennit_takeover_backends direct)" 2

# ---- health withdraws
kill -9 $up_one; wait $up_one 2>/dev/null
until_true 10 sh -c "$bpf status --socket $sock | grep -q 'direct .*live 1 '"
check "health: withdrawn" "$(counter direct live)" 1
check "health: nobody is sent there" "$(for _ in $(seq 20); do inwork $client get $vip 80 | who; done | sort | uniq -c | sed 's/^ *//')" "20 two"
bg "$tmp/up_one" inns "$sennit" serve --listen $v4:9201 --name one --instance one --workers 1 || finish
until_true 10 sh -c "$bpf status --socket $sock | grep -q 'direct .*live 2 '"
check "health: back" "$(counter direct live)" 2
check "health: both are used" "$(for _ in $(seq 40); do inwork $client get $vip 80 | who; done | sort -u | tr '\n' ' ')" "one two "

# ---- no loops
check "loop: a gateway outside the cgroup is not redirected" "$(inns $client get $v4 8080 /loop | cut -d' ' -f1)" 502
before=$(counter through connects)
echo $gw >"$cg/work/cgroup.procs"
check "loop: moved inside, it is known by its process" "$(inns $client get $v4 8080 /loop | cut -d' ' -f1), $(counter through connects)" "502, $before"
echo $gw >"$cg/gateway/cgroup.procs"

# ---- the gateway dies
kill -9 $gw; wait $gw 2>/dev/null
until_true 5 sh -c "$bpf status --socket $sock | grep -q silent"
check "killed: open goes on, straight" "$(inwork $client get $vip 80 | cut -d' ' -f1) $(inwork $client get $vip 84 | cut -d' ' -f1)" "200 200"
check "killed: closed is refused" "$(inwork $client errno $vip 83) $(inwork $client errno $vip 85)" "ECONNREFUSED ECONNREFUSED"
check "killed: counted" "$(counter through lapsed) $(counter strict refused)" "1 1"
gateway || finish
until_true 10 sh -c "$bpf status --socket $sock | grep -q 'heard of'"
until_true 10 sh -c "nsenter --net=/run/netns/$ns $client get $v4 8080"
check "back: through it again" "$(inwork $client get $vip 85)" "222 special"
check "back: closed is open" "$(inwork $client get $vip 83 | cut -d' ' -f1)" 200

# The gateway hangs: nothing ends, and the deadline alone must tell.
kill -STOP $gw
until_true 5 sh -c "$bpf status --socket $sock | grep -q silent"
check "hung: open goes on, closed is refused" "$(inwork $client get $vip 84 | cut -d' ' -f1) $(inwork $client errno $vip 83)" "200 ECONNREFUSED"
kill -CONT $gw
until_true 5 sh -c "$bpf status --socket $sock | grep -q 'heard of'"
check "woken: through it" "$(inwork $client get $vip 85)" "222 special"

# Loader and gateway die with the programs attached.
kill -9 $loader; wait $loader 2>/dev/null
check "loader killed: the tables go on" "$(inwork $client get $vip 80 | cut -d' ' -f1)" 200
kill -9 $gw; wait $gw 2>/dev/null
until_true 5 sh -c "[ \"\$(nsenter --net=/run/netns/$ns bash -c 'echo \$\$ >$cg/work/cgroup.procs; exec $client errno $vip 83')\" = ECONNREFUSED ]"
check "both killed: open goes on, closed is refused" "$(inwork $client get $vip 80 | cut -d' ' -f1) $(inwork $client errno $vip 83)" "200 ECONNREFUSED"
load || finish
check "a new loader finds the programs" "$(grep -c 'programs found' "$tmp/load.err")" 1
gateway || finish
until_true 10 sh -c "$bpf status --socket $sock | grep -q 'heard of'"
check "and the gateway its tables" "$(inwork $client get $vip 85) $(counter special connects)" "222 special 1"

# A successor takes over, and when it dies the one before is asked again.
sed 's/:8080/:8081/' "$tmp/gateway.yaml" >"$tmp/gateway2.yaml"
bg "$tmp/gw2" incg gateway bash -c 'exec "$@" 2>&1' _ "$sennit" gateway -c "$tmp/gateway2.yaml" || finish
gw2=$last
until_true 10 grep -q 'services in the kernel' "$tmp/gw2"
kill -9 $gw2; wait $gw2 2>/dev/null
until_true 10 sh -c "$bpf status --socket $sock | grep -q 'heard of'"
check "a successor dies: the gateway before it goes on" "$(inwork $client get $vip 85)" "222 special"

# Drained in order: services lapse before the listener is gone.
inwork bash -c 'for i in $(seq 60); do '"$client"' get '$vip' 84; done' >"$tmp/drain" & h=$!
sleep 1; kill -TERM $gw; wait $gw 2>/dev/null; wait $h
check "drained under load: no connect failed" "$(cut -d' ' -f1 "$tmp/drain" | sort | uniq -c | sed 's/^ *//')" "60 200"

# A gateway that would be redirected itself is told so.
gateway work || finish
until_true 5 grep -q "is itself in" "$tmp/gw"
check "a gateway in the redirected cgroup is refused" "$(grep -c 'is itself in' "$tmp/gw")" 1
kill -9 $gw; wait $gw 2>/dev/null

# ---- the end
"$bpf" unload --socket "$sock" --pin "$pins" >"$tmp/out" 2>&1
check "unload" "$? $(cat "$tmp/out")" "0 "
wait $loader 2>/dev/null
check "unload: nothing pinned, no socket" "$([ -e "$pins" ] || [ -e "$sock" ] || echo gone)" gone
check "unload: nothing is redirected" "$(inwork $client errno $vip 80)" ENETUNREACH

# ---- the short-cut, opt-in
bg "$tmp/load" "$bpf" load --cgroup "$cg/work" --gateway-cgroup "$cg/gateway" --socket "$sock" --shortcut || finish
loader=$last
bg "$tmp/echo" incg gateway "$peer" echo $v4 9300 || finish
bg "$tmp/echo6" incg gateway "$peer" echo $v6 9300 || finish
sync "service e tcp $vip:90 closed" "live $v4:9300" "service e6 tcp [$vip6]:90 closed" "live [$v6]:9300"
inwork "$peer" pingpong $vip 90 2000 64 >"$tmp/pp" 2>&1
check "short-cut: bytes arrive, and not by TCP" "$(tail -1 "$tmp/pp" | awk '{print ($1 < 1000 ? "not" : $1), $3}')" "not 128000"
inwork "$peer" pingpong $vip6 90 200 16384 >"$tmp/pp6" 2>&1
check "short-cut: v6, larger than a segment" "$(tail -1 "$tmp/pp6" | awk '{print ($1 < 100000 ? "not" : $1), $3}')" "not 3276800"
inwork "$peer" pingpong $v4 9300 200 64 >"$tmp/pd" 2>&1
check "short-cut: only connections of services" "$(tail -1 "$tmp/pd" | awk '{print ($1 >= 12000 ? "tcp" : $1)}')" tcp
kill -TERM $loader; wait $loader 2>/dev/null
check "without --pin all ends with the loader" "$(inwork $client errno $vip 90)" ENETUNREACH
finish
