# SPDX-License-Identifier: Apache-2.0
# What the scripts around Ethereum share; source it. For any POSIX shell.

# npm_peers FOLDER PACKAGE@VERSION... - what of it is missing is installed there, outside the checkout.
# Says SKIP and fails where that is not possible.
npm_peers() {
    peers_at=$1 missing=
    shift
    for tool in node npm; do
        command -v $tool >/dev/null || { echo "SKIP: $tool is not installed"; return 1; }
    done
    mkdir -p "$peers_at"
    [ -f "$peers_at/package.json" ] || echo '{"name":"peers","private":true}' >"$peers_at/package.json"
    for p; do [ -d "$peers_at/node_modules/${p%@*}" ] || missing="$missing $p"; done
    [ -n "$missing" ] || return 0
    # Some ask for other versions beside them, for their own tests only.
    (cd "$peers_at" && npm install --silent --legacy-peer-deps --ignore-scripts --no-audit --no-fund "$@" >npm.log 2>&1) ||
        { tail -n 5 "$peers_at/npm.log"; echo "SKIP: out of reach of npm:$missing"; return 1; }
}
# anvil_start FOLDER LOG [OPTION...] - an anvil of the peers in FOLDER: its pid in $anvil, host and port in $anvil_at.
anvil_start() {
    peers_at=$1 log=$2 i=0
    shift 2
    "$peers_at/node_modules/.bin/anvil" --port 0 --host 127.0.0.1 "$@" >"$log" 2>&1 &
    anvil=$! anvil_at=
    while [ -z "$anvil_at" ] && [ $i -lt 600 ]; do
        anvil_at=$(sed -n 's/^Listening on //p' "$log")
        sleep 0.05
        i=$((i + 1))
    done
    [ -n "$anvil_at" ] || { cat "$log"; echo "anvil does not listen"; return 1; }
}
