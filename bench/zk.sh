#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Circuits against circom, snarkjs and rapidsnark: runs the parts in bench/zk that stand there, or those named.
# usage: bench/zk.sh [compile|witness|prove|prepare]...
set -u
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- compile witness prove prepare
status=0
for part in "$@"; do
  if [ -x "$here/zk/$part.sh" ]; then
    "$here/zk/$part.sh" || status=1
  else
    echo "SKIP bench/zk/$part.sh: not here"
  fi
done
exit $status
