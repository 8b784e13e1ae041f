#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Preparing powers of tau for phase 2: `sennit zk ptau prepare`, whole process, all cores.
#   bench/zk/prepare.sh     BENCH_POWER=16. The target is 60 s at 2^16; snarkjs 0.7.6 took 2081 s there on a busy machine.
# The first run makes the contribution it starts from, and keeps it with the peers.
set -u
cd "$(dirname "$0")/../.."
. bench/lib.sh
bench_build
power=${BENCH_POWER:-16} sennit=$BENCH_BUILD/cmd/sennit/sennit
cache=${SENNIT_PEERS:-$HOME/.cache/sennit-peers}/zk-prove
die() { echo "bench: $*" >&2; exit 1; }
mkdir -p "$cache" || die "$cache"
from=$cache/$power.contributed.ptau
if [ ! -f "$from" ]; then
  "$sennit" zk ptau new --power "$power" "$BENCH_TMP/0.ptau" &&
    "$sennit" zk ptau contribute "$BENCH_TMP/0.ptau" "$from" >/dev/null || die "powers of tau"
fi
python3 bench/zk/prove/run.py 1 "sennit=$sennit zk ptau prepare $from $BENCH_TMP/prepared.ptau" >"$BENCH_TMP/t" || die "prepare"
awk -v power="$power" '{printf "Preparing powers of tau of 2^%s (`bench/zk/prepare.sh`): %.1f s, CPU %.1f s, peak %.0f MiB.\n",
  power, $2/1e3, $3/1e3, $4/1024}' "$BENCH_TMP/t"
