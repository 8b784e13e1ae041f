#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 20,000 live connections in two server processes, 1 % of them active: at most 350 bytes of user
# memory each, none lost. The full million is bench/million.sh.   hold20k.sh SENNIT HELLO
set -u
sennit=$1 hello=$2 conns=20000
ulimit -Sn "$(ulimit -Hn)"
if [ "$(ulimit -n)" -lt 10200 ]; then echo "SKIP hold20k: $(ulimit -n) descriptors a process are too few"; echo "0 passed, 0 failed, 1 skipped"; exit 0; fi
tmp=$(mktemp -d) pids=()
cleanup() { for p in "${pids[@]:-}"; do [ -n "$p" ] && kill "$p" 2>/dev/null; done; wait 2>/dev/null; rm -rf "$tmp"; }
trap cleanup EXIT
anon_kb() { cat $(printf '/proc/%s/status ' "${pids[@]}") | awk '/^RssAnon:/ {s += $2} END {print s}'; }
urls=()
for i in 1 2; do
  "$hello" 127.0.0.1:0 1 10m >"$tmp/hello$i" & pids+=($!)
  for _ in $(seq 100); do grep -q listening "$tmp/hello$i" && break; sleep 0.05; done
  urls+=("http://$(awk '{print $3}' "$tmp/hello$i")/")
done
before=$(anon_kb)
"$sennit" load -q --hold $conns --procs 2 --sources 127.0.0.2-127.0.0.9 --open-rate 5000 --active 0.01 --timeout 20s -d 16s --warmup 10s --json "${urls[@]}" >"$tmp/hold.json" &
load=$!
sleep 13; during=$(anon_kb); wait $load
python3 - "$tmp/hold.json" "$before" "$during" "$conns" <<'PY'
import json, sys
d, (before, during, n) = json.load(open(sys.argv[1])), map(int, sys.argv[2:])
per = (during - before) * 1024 / n
print(f"{d['connections_peak']} connections, {per:.0f} bytes each, {d['requests']} requests, p99 {d['times_ns']['latency']['p99'] / 1e6:.2f} ms, errors {d['errors']}")
checks = {"every connection is up": d["connections_peak"] == n, "at most 350 bytes each": per <= 350,
          "none is lost": d["errors"]["lost"] == 0, "the active ones are answered": d["requests"] > 500}
for name, good in checks.items():
    print(("ok " if good else "FAIL ") + name)
failed = sum(not good for good in checks.values())
print(f"{len(checks) - failed} passed, {failed} failed, 0 skipped")
sys.exit(failed != 0)
PY
