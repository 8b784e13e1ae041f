#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Images of other tools: made by umoci, pushed by skopeo to Debian's docker-registry, pulled by us and compared
# file by file with what umoci unpacks; our archives and our store read by skopeo.  image.sh SENNIT SOURCE_ROOT
set -uo pipefail
sennit=$(realpath "$1"); src=$(realpath "$2")
. "$src/tests/e2e/lib.sh"
finish() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit $?; }
[ "$(id -u)" -eq 0 ] || { skip image "owners of files need root"; finish; }
"$src/tools/deps.sh" containers >"$tmp/deps" 2>&1 || { skip image "$(tail -1 "$tmp/deps")"; finish; }
for p in skopeo umoci docker-registry htpasswd openssl curl; do
  command -v "$p" >/dev/null || { skip image "$p is not here"; finish; }
done
root=$tmp/store
S() { timeout 60 "$sennit" "$@" --root "$root"; }
tree() { python3 "$src/tests/interop/image_tree.py" "$1"; }
read -r plain_port auth_port tls_port < <(free_ports 3)
K() { skopeo --policy "$tmp/policy.json" "$@"; }
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$tmp/policy.json"

# ---- an image with all that layers have ----
cd "$tmp" || exit 1
umoci init --layout lay && umoci new --image lay:it || { fail "umoci" "cannot make an image"; finish; }
layer() { umoci repack --image lay:it b >/dev/null 2>&1 && rm -rf b && umoci unpack --image lay:it b >/dev/null 2>&1; }
umoci unpack --image lay:it b >/dev/null 2>&1
r=b/rootfs
mkdir -p $r/bin $r/usr/bin $r/tmp $r/opt/gone/deep $r/opt/kept $r/dev
chmod 1777 $r/tmp
head -c 200000 /dev/urandom >$r/usr/bin/big; chmod 4755 $r/usr/bin/big; ln $r/usr/bin/big $r/usr/bin/same
ln -s ../usr/bin/big $r/bin/link; ln -s /nowhere/at/all $r/dangling
echo a >$r/opt/gone/deep/a; echo b >$r/opt/gone/b; echo c >$r/opt/kept/c; echo one >$r/replaced
mknod $r/dev/null c 1 3; mkfifo $r/dev/fifo
chown 12:34 $r/opt/kept/c; touch -d '2001-02-03 04:05:06' $r/opt/kept/c
setfattr -n user.note -v hello $r/opt/kept 2>/dev/null || python3 -c "import os; os.setxattr('$r/opt/kept','user.note',b'hello')"
long=$(printf 'n%.0s' $(seq 180)); mkdir -p "$r/$long/$long"; echo deep >"$r/$long/$long/file"
layer
rm -rf $r/opt/gone; mkdir $r/opt/gone; echo new >$r/opt/gone/new      # a folder made anew
rm $r/replaced; mkdir $r/replaced; echo two >$r/replaced/two           # a file becomes a folder
rm $r/bin/link; echo file >$r/bin/link                                 # a link becomes a file
layer
rm $r/opt/kept/c; chmod 0700 $r/opt/kept; echo three >$r/three
layer
umoci config --image lay:it --config.user 12:34 --config.env A=b --config.cmd /usr/bin/big
tree b/rootfs >want.txt

# ---- registries ----
registry() { # NAME PORT MORE
  mkdir -p "$tmp/$1.d"
  { echo "version: 0.1"; echo "log: {level: error, accesslog: {disabled: true}}"
    echo "storage: {filesystem: {rootdirectory: $tmp/$1.d}}"; echo "http: {addr: '127.0.0.1:$2'${3:-}}"; echo "${4:-}"; } >"$tmp/$1.yml"
  docker-registry serve "$tmp/$1.yml" >"$tmp/$1.log" 2>&1 & pids+=($!)
  wait_port "$2" || { fail "docker-registry" "$(tail -3 "$tmp/$1.log")"; finish; }
}
htpasswd -Bbn user secret >"$tmp/htpasswd"
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost,IP:127.0.0.1 >/dev/null 2>&1
registry plain "$plain_port"
registry auth "$auth_port" "" "auth: {htpasswd: {realm: test, path: $tmp/htpasswd}}"
registry tls "$tls_port" ", tls: {certificate: $tmp/cert.pem, key: $tmp/key.pem}"
at=127.0.0.1:$plain_port

compare() { # NAME REFERENCE
  local m; m=$(S image mount "$2" box 2>"$tmp/err") || { fail "$1" "$(cat "$tmp/err")"; return; }
  tree "$m" >"$tmp/got.txt"
  if cmp -s "$tmp/want.txt" "$tmp/got.txt"; then ok "$1"; else fail "$1" "$(diff "$tmp/want.txt" "$tmp/got.txt" | head -8)"; fi
  S image unmount box
}
id=$(python3 - <<'PY'
import json
d = json.load(open("lay/index.json"))["manifests"][0]["digest"].replace(":", "/")
print(json.load(open("lay/blobs/" + d))["config"]["digest"])
PY
)

# ---- pulled, in every form ----
K copy -q --dest-tls-verify=false oci:lay:it "docker://$at/it:oci" || fail push ""
check "OCI manifest: the id is the configuration's" "$(S pull "$at/it:oci" --quiet)" "$id"
compare "OCI, gzip: the files are umoci's" "$at/it:oci"
K copy -q --dest-tls-verify=false --format v2s2 oci:lay:it "docker://$at/it:docker" || fail push ""
S pull "$at/it:docker" --quiet >/dev/null || fail "pull schema 2" ""
compare "Docker schema 2" "$at/it:docker"
if K copy -q --dest-compress --dest-compress-format zstd oci:lay:it "oci:zst:it" 2>"$tmp/err" &&
   K copy -q --dest-tls-verify=false oci:zst:it "docker://$at/it:zstd" 2>"$tmp/err"; then
  S pull "$at/it:zstd" --quiet >/dev/null || fail "pull zstd" ""
  compare "OCI, zstd" "$at/it:zstd"
  zst=$(K inspect --raw --tls-verify=false "docker://$at/it:zstd" | grep -c 'tar+zstd')
  [ "$zst" -gt 0 ] && ok "its layers are zstd" || skip "its layers are zstd" "this skopeo recompressed them"
else skip "OCI, zstd" "$(tail -1 "$tmp/err")"; fi

# An index of two machines, one of them this one.
curl -s -o m.json -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$at/v2/it/manifests/oci"
d=sha256:$(sha256sum <m.json | cut -d' ' -f1)
case $(uname -m) in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; *) arch=$(uname -m) ;; esac
curl -s -o /dev/null -X PUT -H 'Content-Type: application/vnd.oci.image.index.v1+json' "http://$at/v2/it/manifests/many" --data "{\"schemaVersion\":2,
 \"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"$d\",
 \"size\":$(stat -c %s m.json),\"platform\":{\"os\":\"linux\",\"architecture\":\"$arch\"}}]}"
check "an index: this machine's manifest" "$(S pull "$at/it:many" --quiet)" "$id"
S pull "$at/it:many" --platform linux/s390x >/dev/null 2>"$tmp/err" && fail "another machine's" "was there" ||
  { grep -q "there are: linux/$arch" "$tmp/err" && ok "an index: what there is is said" || fail "an index" "$(cat "$tmp/err")"; }
check "by digest" "$(S pull "$at/it@$d" --quiet)" "$id"

# ---- who asks ----
K copy -q --dest-tls-verify=false --dest-creds user:secret oci:lay:it "docker://127.0.0.1:$auth_port/it:1" || fail push ""
S pull "127.0.0.1:$auth_port/it:1" >/dev/null 2>"$tmp/err" && fail "no credentials" "pulled" || ok "no credentials: refused"
echo wrong | S pull "127.0.0.1:$auth_port/it:1" --user user >/dev/null 2>"$tmp/err" && fail "wrong password" "pulled" || ok "wrong password: refused"
check "user and password" "$(echo secret | S pull "127.0.0.1:$auth_port/it:1" --user user --quiet)" "$id"
echo "{\"auths\":{\"127.0.0.1:$auth_port\":{\"auth\":\"$(printf user:secret | base64)\"}}}" >auth.json
check "docker's config.json" "$(S pull "127.0.0.1:$auth_port/it:1" --authfile auth.json --quiet)" "$id"

# ---- TLS, with a certificate of hosts.toml ----
K copy -q --dest-tls-verify=false oci:lay:it "docker://localhost:$tls_port/it:1" || fail push ""
mkdir -p "certs/localhost:$tls_port"
printf 'server = "https://localhost:%s"\n' "$tls_port" >"certs/localhost:$tls_port/hosts.toml"
S pull "localhost:$tls_port/it:1" --certs-dir certs >/dev/null 2>"$tmp/err" && fail "unknown certificate" "pulled" || ok "a certificate nobody knows: refused"
printf 'server = "https://localhost:%s"\nca = "%s"\n' "$tls_port" "$tmp/cert.pem" >"certs/localhost:$tls_port/hosts.toml"
check "TLS by the certificate of hosts.toml" "$(S pull "localhost:$tls_port/it:1" --certs-dir certs --quiet 2>"$tmp/err")" "$id"

# ---- our store and our archives, by other tools ----
K copy -q "oci:$root:$at/it:oci" dir:fromstore 2>"$tmp/err" && ok "skopeo reads the store as an OCI layout" || fail "skopeo, store" "$(tail -2 "$tmp/err")"
S image save "$at/it:oci" --output out.tar || fail save ""
K copy -q oci-archive:out.tar oci:back:it 2>"$tmp/err" && ok "skopeo reads our archive as OCI" || fail "oci-archive" "$(tail -2 "$tmp/err")"
K copy -q docker-archive:out.tar dir:fromdocker 2>"$tmp/err" && ok "skopeo reads our archive as docker's" || fail "docker-archive" "$(tail -2 "$tmp/err")"
if umoci unpack --image back:it ours >/dev/null 2>&1; then
  tree ours/rootfs >got.txt
  cmp -s want.txt got.txt && ok "umoci unpacks it to the same files" || fail "umoci" "$(diff want.txt got.txt | head -5)"
else fail "umoci" "does not unpack our archive"; fi

# ---- their archives, by us ----
K copy -q oci:lay:it docker-archive:their.tar:their/image:1 2>"$tmp/err" || fail "docker-archive" "$(cat "$tmp/err")"
K copy -q oci:lay:it oci-archive:their-oci.tar:two 2>"$tmp/err" || fail "oci-archive" "$(cat "$tmp/err")"
gzip -k their-oci.tar
S rmi "$id" >/dev/null
got=$(S image load their.tar --quiet 2>"$tmp/err") && compare "docker-archive loaded" "$got"
check "OCI archive, compressed, with a name of ours" "$(S image load their-oci.tar.gz --name mine --quiet 2>"$tmp/err")" "$id"
compare "OCI archive loaded" mine:two
check "an OCI layout loaded" "$(S image load lay --name layout --quiet 2>"$tmp/err")" "$id"
for i in $(S images --quiet); do S rmi "$i" >/dev/null; done
check "all removed" "$(find "$root/blobs" "$root/snapshots" -mindepth 2 | wc -l)" 0
cd / && finish
