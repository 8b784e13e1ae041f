# SPDX-License-Identifier: Apache-2.0
"""Unmodified PyPI clients of etcd against the registry server: etcd3 (gRPC), or etcd3gw (the JSON gateway), whichever is
installed here. usage: etcd_clients.py ETCD_PORT CONSUL_PORT"""
import json
import sys
import threading
import time
import urllib.request

port, consul = map(int, sys.argv[1:3])


def hold(what, good, seen=""):
    print(("ok " if good else "FAIL ") + what, "" if good else repr(seen), flush=True)
    if not good:
        sys.exit(1)


def until(what, fn, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if fn():
            return hold(what, True)
        time.sleep(0.05)
    hold(what, False, "not in time")


def consul_ports(service):
    with urllib.request.urlopen(f"http://127.0.0.1:{consul}/v1/health/service/{service}") as r:
        return [e["Service"]["Port"] for e in json.load(r)]


def etcd3_client():
    import etcd3
    c = etcd3.client(host="127.0.0.1", port=port)
    hold("etcd3: status", c.status().version.startswith("3."))
    c.delete_prefix("/py/")
    c.put("/py/a", "1")
    value, meta = c.get("/py/a")
    hold("etcd3: put and get", value == b"1" and meta.version == 1, value)
    hold("etcd3: replace if", c.replace("/py/a", "1", "2") and not c.replace("/py/a", "1", "3"))
    hold("etcd3: put if not exists", c.put_if_not_exists("/py/b", "x") and not c.put_if_not_exists("/py/b", "y"))
    hold("etcd3: prefix, descending", [m.key for _, m in c.get_prefix("/py/", sort_order="descend")] == [b"/py/b", b"/py/a"])
    done, _ = c.transaction(compare=[c.transactions.value("/py/a") == "2", c.transactions.version("/py/none") == 0],
                            success=[c.transactions.put("/py/c", "t"), c.transactions.delete("/py/b")], failure=[])
    hold("etcd3: transaction", done and c.get("/py/b")[0] is None and c.get("/py/c")[0] == b"t")
    events = []
    watch_id = c.add_watch_callback("/py/w", lambda r: events.extend(r.events))
    time.sleep(0.3)
    c.put("/py/w", "1")
    c.delete("/py/w")
    until("etcd3: a watch sees put and delete", lambda: [type(e).__name__ for e in events] == ["PutEvent", "DeleteEvent"])
    c.cancel_watch(watch_id)
    lease = c.lease(2)
    c.put(f"py.rpc/{lease.id}", "10.7.7.7:77", lease)
    hold("etcd3: a key in go-zero's layout is an instance", consul_ports("py.rpc") == [77])
    for _ in range(6):
        time.sleep(0.5)
        lease.refresh()
    hold("etcd3: a refreshed lease lives", c.get(f"py.rpc/{lease.id}")[0] is not None)
    until("etcd3: a lease left alone runs out", lambda: c.get(f"py.rpc/{lease.id}")[0] is None)
    hold("etcd3: and the instance with it", consul_ports("py.rpc") == [])
    hold("etcd3: members", [m.name for m in c.members] == ["sennit"])


def gateway_client():
    import etcd3gw
    c = etcd3gw.client(host="127.0.0.1", port=port)
    hold("etcd3gw: status", c.status()["version"].startswith("3."))
    hold("etcd3gw: put and get", c.put("/gw/a", "1") and c.get("/gw/a") == [b"1"])
    hold("etcd3gw: create and replace", c.create("/gw/b", "x") and not c.create("/gw/b", "y") and c.replace("/gw/b", "x", "z"))
    hold("etcd3gw: prefix", [kv["key"] for _, kv in c.get_prefix("/gw/")] == [b"/gw/a", b"/gw/b"])
    lease = c.lease(30)
    hold("etcd3gw: lease", lease.refresh() == 30 and 0 < lease.ttl() <= 30)
    c.put("/gw/l", "1", lease)
    hold("etcd3gw: keys of a lease", lease.keys() == [b"/gw/l"], lease.keys())
    lease.revoke()
    hold("etcd3gw: a revoked lease takes its keys", c.get("/gw/l") == [])
    events, cancel = c.watch_prefix("/gw/")
    seen = []
    t = threading.Thread(target=lambda: [seen.append(e) for e in events], daemon=True)
    t.start()
    time.sleep(0.3)
    c.put("/gw/w", "now")
    until("etcd3gw: a watch over HTTP sees a put", lambda: seen and seen[0]["kv"]["value"] == b"now")
    cancel()
    c.delete_prefix("/gw/")
    hold("etcd3gw: deleted", c.get_prefix("/gw/") == [])


try:
    import etcd3  # noqa: F401
except ImportError:
    gateway_client()
else:
    etcd3_client()
