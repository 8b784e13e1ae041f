#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/interop/gen.sh SENNIT SOURCE BUILD - what `sennit gen` writes, built by the compiler and run: a REST and a
# gRPC service with their own tests, models against real MariaDB and PostgreSQL; goctl on the same .api files.
# `-DIFFERS` below names every point where we and goctl are of two minds, and why.
set -u
sennit=$(realpath "$1"); source=$(realpath "$2"); build=$(realpath "$3")
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../e2e/lib.sh"
export PKG_CONFIG_PATH=$build/services/app:$build/services/sql PATH=$(dirname "$sennit"):$PATH
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sennit/gen
goctl_version=v1.8.4
mkdir -p "$cache"
# A project passes if it builds and its own test does; the text of its last line is shown.
project() { # NAME FOLDER
  (cd "$2" && make build) >"$tmp/out" 2>&1 || { fail "$1 builds without a warning" "$(grep -m3 -E 'rror|warning' "$tmp/out")"; return; }
  ok "$1 builds without a warning"
  (cd "$2" && make test) >"$tmp/out" 2>&1 && ok "$1 passes its own test ($(tail -1 "$tmp/out"))" ||
    fail "$1 passes its own test" "$(grep -m3 FAIL "$tmp/out")"
}

# ---- api
mkdir "$tmp/shop" "$tmp/shop2"; cp "$here/gen/shop.api" "$tmp/shop"; cp "$here/gen/shop.api" "$tmp/shop2"
check "goctl's flags" "$("$sennit" gen api -api "$tmp/shop/shop.api" -dir "$tmp/shop" -dry-run | tail -1)" \
  "$tmp/shop (dry run): 25 written, 0 unchanged, 0 kept"
check "a dry run writes nothing" "$(ls "$tmp/shop")" shop.api
"$sennit" gen api --api "$tmp/shop/shop.api" --dir "$tmp/shop" -q && "$sennit" gen api --api "$tmp/shop2/shop.api" --dir "$tmp/shop2" -q
diff -r "$tmp/shop" "$tmp/shop2" >/dev/null && ok "two runs write the same bytes" || fail "two runs write the same bytes"
project "the REST service" "$tmp/shop"
cat >"$tmp/shop/handlers/ping.c" <<'C'
#include "shop_api.h"
int shop_api_ping(struct sn_rest_call *call) { return sn_http_reply(call->x, 200, SN_STR("text/plain"), SN_STR("mine")); }
C
sed -i 's|#include "shop_api.h"|#include "kit/http.h"\n&|' "$tmp/shop/handlers/ping.c"
printf 'service shop-api {\n\t@handler late\n\tget /late\n}\n' >>"$tmp/shop/shop.api"
"$sennit" gen api --api "$tmp/shop/shop.api" --dir "$tmp/shop" >"$tmp/again"
check "a new route makes its handler, and only that" "$(grep -c '^write *handlers/' "$tmp/again")" 1
grep -q '^keep     handlers/ping.c (yours)' "$tmp/again" && grep -q mine "$tmp/shop/handlers/ping.c" && ok "what is yours is kept, and said so" || fail "what is yours is kept, and said so" "$(cat "$tmp/again")"
project "the REST service with the new route" "$tmp/shop"
cp "$here/gen/shop.api" "$tmp/shop"
"$sennit" gen api --api "$tmp/shop/shop.api" --dir "$tmp/shop" | grep -q '^left     handlers/late.c' && ok "a handler without a route is named" || fail "a handler without a route is named"
echo 'mine' >"$tmp/shop/gen/shop_api.gen.h"
"$sennit" gen api --api "$tmp/shop/shop.api" --dir "$tmp/shop" 2>&1 | grep -q 'is in the way' && ok "a file that is not generated is not overwritten" || fail "a file that is not generated is not overwritten"
printf 'syntax = "v1"\ntype A {\n\tB Wrong\n}\n' >"$tmp/bad.api"
check "an error has file, line, column and the line" "$("$sennit" gen api --api "$tmp/bad.api" --dir "$tmp" 2>&1 | head -3)" \
  "$tmp/bad.api:3:4: there is no type \"Wrong\"
    	B Wrong
    	  ^"
openapi=$cache/openapi
[ -x "$openapi/bin/python" ] || { python3 -m venv "$openapi" && "$openapi/bin/pip" -q install openapi-spec-validator; } >/dev/null 2>&1
if "$openapi/bin/python" -c 'import openapi_spec_validator' 2>/dev/null; then
  "$openapi/bin/python" -m openapi_spec_validator "$tmp/shop2/gen/shop_api.openapi.json" >"$tmp/out" 2>&1 &&
    ok "the OpenAPI document is valid" || fail "the OpenAPI document is valid" "$(tail -5 "$tmp/out")"
else
  skip "the OpenAPI document is valid" "openapi-spec-validator cannot be had"
fi

# ---- rpc
mkdir "$tmp/stock"; cp "$here"/gen/*.proto "$tmp/stock"
(cd "$tmp/stock" && "$sennit" gen rpc --proto stock.proto -q) && project "the gRPC service" "$tmp/stock"
printf 'syntax = "proto3";\nmessage A { B b = 1; }\n' >"$tmp/bad.proto"
"$sennit" gen rpc --proto "$tmp/bad.proto" --dir "$tmp" 2>&1 | grep -q '^bad.proto:2:13: "B" is not defined' && ok "protoc's words have file, line and column" || fail "protoc's words have file, line and column"

# ---- docker, kube
(cd "$tmp/shop2" && "$sennit" gen docker --name shop_api --config etc/shop_api.yaml -q && "$sennit" gen kube --name shop_api --config etc/shop_api.yaml -q)
check "manifests" "$(python3 - "$tmp/shop2/shop-api.k8s.yaml" <<'PY'
import sys, yaml
d = {x["kind"]: x for x in yaml.safe_load_all(open(sys.argv[1]))}
pod = d["Deployment"]["spec"]["template"]["spec"]; c = pod["containers"][0]
assert c["securityContext"]["readOnlyRootFilesystem"] and pod["securityContext"]["runAsNonRoot"] and c["resources"]["limits"]
assert c["readinessProbe"] and c["livenessProbe"] and c["ports"][0]["containerPort"] == 8888
assert pod["terminationGracePeriodSeconds"] > 12 and yaml.safe_load(d["ConfigMap"]["data"]["shop_api.yaml"])["name"] == "shop_api"
print(*sorted(d))
PY
)" "ConfigMap Deployment HorizontalPodAutoscaler PodDisruptionBudget Service"
grep -q '^USER 10001' "$tmp/shop2/Dockerfile" && grep -q '^HEALTHCHECK' "$tmp/shop2/Dockerfile" && ok "the Dockerfile has a user and a health check" || fail "the Dockerfile has a user and a health check"
check "a name that is no DNS label" "$("$sennit" gen kube --name 'A b' --dir "$tmp" 2>&1 | grep -c 'expected lower-case letters')" 1

# ---- goctl on the same files
if command -v go >/dev/null && [ ! -x "$cache/goctl" ]; then
  mkdir -p "$tmp/peer" && cd "$tmp/peer" && printf 'module peer\ngo 1.21\nrequire github.com/zeromicro/go-zero/tools/goctl %s\n' "$goctl_version" >go.mod &&
    printf '//go:build tools\npackage tools\nimport _ "github.com/zeromicro/go-zero/tools/goctl"\n' >tools.go &&
    GOFLAGS=-mod=mod go build -o "$cache/goctl" github.com/zeromicro/go-zero/tools/goctl >"$tmp/out" 2>&1; cd "$source"
fi
corpus=$(go env GOMODCACHE 2>/dev/null)/github.com/zeromicro/go-zero/tools/goctl@$goctl_version
if [ -x "$cache/goctl" ] && [ -d "$corpus" ]; then
  export HOME=$tmp # goctl writes into it
  mkdir "$tmp/parts"; python3 - "$corpus/pkg/parser/api/parser/testdata/invalid.api" "$tmp/parts" <<'PY'
import re, sys
for i, part in enumerate(re.split(r"^-----$", open(sys.argv[1]).read(), flags=re.M)):
    open(f"{sys.argv[2]}/invalid-{i:02d}.api", "w").write(part)
PY
  agree=0; differ=0
  while read -r f; do
    "$cache/goctl" api validate --api "$f" >"$tmp/g" 2>&1 && g=accepts || g=refuses
    "$sennit" gen api --api "$f" --check >"$tmp/s" 2>&1 && s=accepts || s=refuses
    if [ $g = $s ]; then agree=$((agree + 1)); continue; fi
    # -DIFFERS: we take `type A struct {`, as goctl did before 1.6; we refuse what could not work: a request that is
    # no struct, a form field that is an object, two fields of one name, a struct that holds itself.
    if [ $s = accepts ] && grep -q "got 'struct'" "$tmp/g"; then differ=$((differ + 1)); continue; fi
    if [ $s = refuses ] && grep -qE 'expected a struct as the request|is in the form|two fields are named|holds itself' "$tmp/s"; then differ=$((differ + 1)); continue; fi
    fail "goctl on ${f##*/}" "goctl $g: $(tail -1 "$tmp/g" | cut -c1-120); sennit $s: $(head -1 "$tmp/s")"
  done < <(find "$corpus" "$tmp/parts" -name '*.api' | sort)
  [ $agree -gt 60 ] && ok "goctl accepts and refuses the same: $agree files agree, $differ differ for named reasons" ||
    fail "goctl accepts and refuses the same" "only $agree agree"
else
  skip "goctl" "goctl $goctl_version could not be built (go, the module proxy)"
fi

# ---- models
# The clients of databases are in a program of its own.
check "sennit itself maps no database client" "$(ldd "$sennit" | grep -oE 'libc\.so|libpq|libmariadb|libgnutls|libkrb5' | sort -u | tr '\n' ' ')" "libc.so "
mkdir "$tmp/alone"; cp "$sennit" "$tmp/alone/sennit"
check "without sennit-model it says what is missing" "$(PATH=/usr/bin:/bin "$tmp/alone/sennit" gen model --src x.sql 2>&1 | grep -c "sennit-model: expected beside this program ($tmp/alone/) or in PATH")" 1
check "its options are checked before" "$("$tmp/alone/sennit" gen model --sever pg 2>&1 | grep -c -e --server)" 1
model() { # SERVER URL
  local dir=$tmp/model-$1
  "$sennit" gen model --src "$here/gen/$1.sql" --server "$1" -d "$dir" -q || { fail "$1: a model from the file"; return; }
  "$sennit" gen model --url "$2" --table orders,pieces -d "$dir-live" -q || { fail "$1: a model from the server"; return; }
  # The file names its schema, the server's own description is of the current one.
  diff <(cat "$dir"/*.gen.* | sed 's/\\"public\\"\.//g' | grep -v 'Generated by') <(cat "$dir-live"/*.gen.* | grep -v 'Generated by') >"$tmp/diff" &&
    ok "$1: the file and the server give the same model" || fail "$1: the file and the server give the same model" "$(head -4 "$tmp/diff")"
  cc -std=gnu17 -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers -O1 -g -fexceptions -I"$dir" \
    -o "$dir/test" "$here/gen/model_test.c" "$dir"/*.gen.c $(pkg-config --cflags --libs sennit-sql) 2>"$tmp/out" ||
    { fail "$1: the model compiles" "$(grep -m3 error "$tmp/out")"; return; }
  ok "$1: the model compiles without a warning"
  while IFS= read -r line; do
    case "$line" in "ok "*) ok "$1: ${line#ok }" ;; "FAIL "*) fail "$1: ${line#FAIL }" ;; esac
  done < <("$dir/test" "$2" 8 2>&1)
}
read -r pg_port <<<"$(free_ports 1)"
pg=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
# Replaces the shell it runs in, so that $! is the server itself.
as() { if [ "$(id -u)" = 0 ]; then exec setpriv --reuid="$1" --regid="$1" --clear-groups env HOME="$tmp" "${@:2}"; else exec "${@:2}"; fi; }
chmod 755 "$tmp"
if [ -x "$pg/postgres" ] && { [ "$(id -u)" != 0 ] || id postgres >/dev/null 2>&1; }; then
  mkdir "$tmp/pg"; [ "$(id -u)" = 0 ] && chown postgres "$tmp/pg"
  (as postgres "$pg/initdb" -D "$tmp/pg/data" -A trust -U shop --no-sync) >"$tmp/out" 2>&1
  as postgres "$pg/postgres" -D "$tmp/pg/data" -k "$tmp/pg" -p "$pg_port" -c listen_addresses=127.0.0.1 -c fsync=off \
    -c idle_session_timeout=8s >"$tmp/pg.log" 2>&1 & pids+=($!)
  wait_port "$pg_port"; sleep 1
  "$pg/psql" -q -h 127.0.0.1 -p "$pg_port" -U shop -d postgres -f "$here/gen/postgres.sql" >"$tmp/out" 2>&1 || fail "postgres takes the tables" "$(head -3 "$tmp/out")"
  model postgres "postgres://shop@127.0.0.1:$pg_port/postgres"
else
  skip postgres "no server (Debian: postgresql)"
fi
read -r my_port <<<"$(free_ports 1)"
if command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null; then
  user=$(id -un); [ "$user" = root ] && user=mysql
  mkdir "$tmp/my"; [ "$(id -u)" = 0 ] && chown mysql "$tmp/my"
  mariadb-install-db --no-defaults --datadir="$tmp/my/data" --user="$user" --auth-root-authentication-method=normal --skip-test-db >"$tmp/out" 2>&1
  mariadbd --no-defaults --datadir="$tmp/my/data" --socket="$tmp/my/s" --port="$my_port" --bind-address=127.0.0.1 --user="$user" \
    --skip-log-bin --wait-timeout=8 --innodb-flush-log-at-trx-commit=0 --pid-file="$tmp/my/pid" >"$tmp/my.log" 2>&1 & pids+=($!)
  wait_port "$my_port"; sleep 1
  mariadb --no-defaults -S "$tmp/my/s" -u root -e "CREATE DATABASE shop; CREATE USER shop@'%' IDENTIFIED BY ''; GRANT ALL ON shop.* TO shop@'%'; CREATE USER shop@localhost; GRANT ALL ON shop.* TO shop@localhost" &&
    mariadb --no-defaults -S "$tmp/my/s" -u root shop <"$here/gen/mariadb.sql" || fail "mariadb takes the tables" "$(tail -3 "$tmp/my.log")"
  model mariadb "mariadb://shop@127.0.0.1:$my_port/shop"
else
  skip mariadb "no server (Debian: mariadb-server)"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
