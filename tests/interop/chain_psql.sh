#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tx_index.indexer = "psql" against a real PostgreSQL and a real CometBFT: both index the same chain into a database each, made by either's
# schema, and every row is the same; then ours follows its own chain while the server stops and comes again, and while it refuses something.
# usage: chain_psql.sh SENNIT ROOT
set -u
sennit=$(realpath "$1") root=$(realpath "$2")
. "$root/tests/e2e/lib.sh"
end() { echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" -eq 0 ]; exit; }
cache=${SENNIT_PEER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sennit-peers}/chain-store
comet=$cache/cometbft
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
[ -x "$bin/postgres" ] || { skip PostgreSQL "no server (Debian: postgresql)"; end; }
[ "$(id -u)" != 0 ] || id postgres >/dev/null 2>&1 || { skip PostgreSQL "no user to run it as"; end; }
mkdir -p "$cache"; export PATH=$PATH:/usr/local/go/bin
[ -x "$comet" ] || GOBIN=$cache go install github.com/cometbft/cometbft/cmd/cometbft@v0.38.25 >"$cache/go.log" 2>&1
[ -x "$comet" ] || skip CometBFT "its Go module is out of reach"
schema=$(ls "$(go env GOMODCACHE 2>/dev/null)"/github.com/cometbft/cometbft@v0.38.25/state/indexer/sink/psql/schema.sql 2>/dev/null)
read -r pg_port rpc p2p <<<"$(free_ports 3)"
# Replaces the shell it runs in, so that $! is the server itself.
as() { if [ "$(id -u)" = 0 ]; then exec setpriv --reuid=postgres --regid=postgres --clear-groups env HOME="$tmp" "$@"; else exec "$@"; fi; }
chmod 755 "$tmp"; mkdir "$tmp/pg"; [ "$(id -u)" = 0 ] && chown postgres "$tmp/pg"
(as "$bin/initdb" -D "$tmp/pg/data" -A trust -U chain --no-sync) >"$tmp/out" 2>&1
server() {
  as "$bin/postgres" -D "$tmp/pg/data" -k "$tmp/pg" -p "$pg_port" -c listen_addresses=127.0.0.1 -c fsync=off >>"$tmp/pg.log" 2>&1 &
  pg=$!; pids+=("$pg"); wait_port "$pg_port"
  for _ in $(seq 50); do sql postgres "SELECT 1" >/dev/null 2>&1 && break; sleep 0.1; done
}
sql() { "$bin/psql" -qAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$pg_port" -U chain -d "$1" -c "$2"; }
url() { echo "postgresql://chain:secret-word@127.0.0.1:$pg_port/$1?sslmode=disable"; }
server
for db in theirs ours; do sql postgres "CREATE DATABASE $db"; done
"$bin/psql" -q -h 127.0.0.1 -p "$pg_port" -U chain -d ours -f "$root/chains/consensus/index/schema.sql" >"$tmp/out" 2>&1 && ok "our schema" || fail "our schema" "$(cat "$tmp/out")"
"$bin/psql" -q -h 127.0.0.1 -p "$pg_port" -U chain -d theirs -f "${schema:-$root/chains/consensus/index/schema.sql}" >"$tmp/out" 2>&1
dump() { # DATABASE - its structure, without names that PostgreSQL makes up and without comments
  "$bin/pg_dump" -s -O -h 127.0.0.1 -p "$pg_port" -U chain "$1" | grep -vE '^(--|$|SET |SELECT |\\)'
}
[ -n "$schema" ] && check "both schemas make the same tables, views, indexes and constraints" "$(diff <(dump theirs) <(dump ours) | head -5)" ""

# node KIND HOME, both on the same ports, one after the other
node() {
  local kind=$1 home=$2 cmd; shift 2
  if [ "$kind" = go ]; then cmd=("$comet" start); else cmd=("$sennit" chain start); fi
  "${cmd[@]}" --home "$home" --proxy_app "${app:-persistent_kvstore}" --rpc.laddr "tcp://127.0.0.1:$rpc" --p2p.laddr "tcp://127.0.0.1:$p2p" "$@" >>"$home.log" 2>&1 &
  node=$!; pids+=("$node"); wait_port "$rpc" || { fail "$kind starts" "$(tail -n 2 "$home.log")"; return 1; }
}
stop() { kill "$1" 2>/dev/null; wait "$1" 2>/dev/null; }
get() { curl -s --max-time 10 "http://127.0.0.1:$rpc/$1"; }
height() { get status | sed -n 's/.*"latest_block_height": *"\([0-9]*\)".*/\1/p'; }
past() { for _ in $(seq 150); do h=$(height); [ "${h:-0}" -ge "$1" ] && return 0; sleep 0.2; done; return 1; }
configure() { # HOME DATABASE
  python3 - "$1/config/config.toml" "$(url "$2")" <<'PY'
import re, sys
s = open(sys.argv[1]).read()
s = re.sub(r'(?m)^indexer = .*', 'indexer = "psql"', s)
s = re.sub(r'(?m)^psql-conn = .*', f'psql-conn = "{sys.argv[2]}"', s)
s = re.sub(r'(?m)^timeout_commit = .*', 'timeout_commit = "200ms"', s)
open(sys.argv[1], "w").write(s)
PY
}
# Every row, by what it says: numbers of rows are the database's own.
rows() { # DATABASE MAX_HEIGHT
  sql "$1" "SELECT height, chain_id FROM blocks WHERE height <= $2 ORDER BY height"
  sql "$1" "SELECT height, index, tx_hash, encode(tx_result, 'hex') FROM tx_results t JOIN blocks b ON b.rowid = t.block_id WHERE height <= $2 ORDER BY 1, 2"
  sql "$1" "SELECT height, type, key, composite_key, value FROM block_events WHERE height <= $2 ORDER BY height, type, composite_key, value"
  sql "$1" "SELECT height, index, type, key, composite_key, value FROM tx_events WHERE height <= $2 ORDER BY 1, 2, 3, 5, 6"
  # and events in their order
  sql "$1" "SELECT height, tx_hash, e.type FROM events e JOIN blocks b ON b.rowid = e.block_id LEFT JOIN tx_results t ON t.rowid = e.tx_id WHERE height <= $2 ORDER BY height, t.index NULLS FIRST, e.rowid"
}
if [ -x "$comet" ]; then
  "$comet" init --home "$tmp/a" >/dev/null 2>&1; configure "$tmp/a" theirs
  node go "$tmp/a"; past 2
  for n in $(seq 40); do get "broadcast_tx_async?tx=\"k$n=a'b%5C%22%5C%5C,%7B%7D$n\"" >/dev/null; done
  h=$(height); past $((h + 3)); check "transactions with quotes, commas and braces in their events" "$(sql theirs "SELECT count(*) FROM tx_results")" 40
  for q in "tx_search?query=\"tx.height=2\"" "block_search?query=\"block.height=2\"" "tx?hash=0x$(printf 'ab%.0s' $(seq 32))"; do get "$q"; done >"$tmp/words.go"
  last=$(($(height) - 1)); stop "$node"
  cp -r "$tmp/a" "$tmp/b"; configure "$tmp/b" ours
  "$sennit" chain reindex-event --home "$tmp/b" --start-height 1 --end-height "$last" >"$tmp/out" 2>&1 && ok "reindex-event into PostgreSQL" || fail "reindex-event into PostgreSQL" "$(tail -1 "$tmp/out")"
  check "every row is CometBFT's ($(rows theirs "$last" | wc -l) rows, $(sql theirs 'SELECT count(*) FROM tx_results') transactions)" \
    "$(diff <(rows theirs "$last") <(rows ours "$last") | head -5)" ""
  before=$(sql ours "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM attributes)")
  "$sennit" chain reindex-event --home "$tmp/b" --start-height 1 --end-height "$last" >"$tmp/out" 2>&1
  check "once more changes nothing" "$(sql ours "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM attributes)")" "$before"
  node ours "$tmp/b"
  for q in "tx_search?query=\"tx.height=2\"" "block_search?query=\"block.height=2\"" "tx?hash=0x$(printf 'ab%.0s' $(seq 32))"; do get "$q"; done >"$tmp/words.ours"
  check "searches are refused in the same words" "$(diff "$tmp/words.go" "$tmp/words.ours")" ""
  h=$(height); past $((h + 2)); stop "$node"
  # and the other way round: CometBFT goes on with the database that ours has written
  node go "$tmp/b"; h=$(height); past $((h + 3)); last=$(($(height) - 1)); stop "$node"
  check "both have written one database, without a gap" "$(sql ours "SELECT count(*), max(height) FROM blocks WHERE height <= $last")" "$last|$last"
fi

# ---- a server that goes and comes, and refuses
sql postgres "CREATE DATABASE own"
"$sennit" chain init --home "$tmp/c" >/dev/null 2>&1; configure "$tmp/c" own
app=kvstore node ours "$tmp/c"; past 3
grep -q 'index cannot be reached' "$tmp/c.log" && ok "a node starts without the tables, and says so" || fail "a node starts without the tables, and says so" "$(tail -1 "$tmp/c.log")"
"$bin/psql" -q -h 127.0.0.1 -p "$pg_port" -U chain -d own -f "$root/chains/consensus/index/schema.sql" >"$tmp/out" 2>&1
sql own "ALTER TABLE attributes ADD CHECK (value <> 'refused')"
for n in $(seq 5); do get "broadcast_tx_async?tx=\"n$n=1\"" >/dev/null; done
get "broadcast_tx_async?tx=\"refused=1\"" >/dev/null
for n in $(seq 6 9); do get "broadcast_tx_async?tx=\"n$n=1\"" >/dev/null; done
h=$(height); past $((h + 4))
kill -INT "$pg"; wait "$pg" 2>/dev/null
h=$(height); past $((h + 4)) && ok "without the server blocks go on" || fail "without the server blocks go on"
get "broadcast_tx_async?tx=\"late=1\"" >/dev/null; past $(($(height) + 2))
server
h=$(height); for _ in $(seq 50); do [ "$(sql own "SELECT coalesce(max(height), 0) FROM blocks")" -ge "$h" ] && break; sleep 0.2; done
check "what was missed is there, from the first block on" "$(sql own "SELECT count(*) FROM blocks WHERE height <= $h")" "$h"
check "its transactions, too" "$(sql own "SELECT count(DISTINCT value) FROM tx_events WHERE composite_key = 'app.key' AND value IN ('late', 'n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7', 'n8', 'n9')")" 10
check "what the database refuses is left out, not its neighbours" "$(sql own "SELECT count(*) FROM tx_events WHERE value = 'refused'")" 0
grep -q 'a height is not indexed' "$tmp/c.log" && ok "and said" || fail "and said"
check "no password in the log" "$(grep -c secret-word "$tmp"/?.log | grep -v ':0')" ""
check "the node is there" "$(kill -0 "$node" && echo yes)" yes
stop "$node"
sed -i 's|^psql-conn = .*|psql-conn = "secret-word without sense"|' "$tmp/c/config/config.toml"
"$sennit" chain start --home "$tmp/c" --proxy_app kvstore --rpc.laddr "tcp://127.0.0.1:$rpc" --p2p.laddr "tcp://127.0.0.1:$p2p" >"$tmp/out" 2>&1
grep -q 'psql-conn: expected postgresql://' "$tmp/out" && ! grep -q secret-word "$tmp/out" && ok "a connection that is none is named, not shown" ||
  fail "a connection that is none is named, not shown" "$(tail -1 "$tmp/out")"
end
