# SPDX-License-Identifier: Apache-2.0
"""Unmodified PyPI clients (python-consul2, nacos-sdk-python 0.x)
against the registry server. usage: clients.py CONSUL_PORT NACOS_PORT"""
import logging
import sys
import threading
import time

logging.disable(logging.CRITICAL)
consul_port, nacos_port = map(int, sys.argv[1:3])


def hold(what, good, seen=""):
    print(("ok " if good else "FAIL ") + what, "" if good else repr(seen))
    if not good:
        sys.exit(1)


def until(what, fn, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if fn():
            return hold(what, True)
        time.sleep(0.05)
    hold(what, False, "not in time")


def consul_client():
    import consul
    c = consul.Consul(host="127.0.0.1", port=consul_port)
    hold("python-consul: register", c.agent.service.register(
        "py-web", service_id="py-1", address="10.5.0.1", port=86, tags=["t"], check=consul.Check.ttl("10s")))
    c.agent.check.ttl_pass("service:py-1")
    index, nodes = c.health.service("py-web", passing=True)
    hold("python-consul: health", len(nodes) == 1 and nodes[0]["Service"]["Port"] == 86, nodes)
    seen = []
    t = threading.Thread(target=lambda: seen.append(c.health.service("py-web", index=index, wait="30s", passing=True)))
    t.start()
    time.sleep(0.2)
    consul.Consul(host="127.0.0.1", port=consul_port).agent.service.deregister("py-1")
    t.join(5)
    hold("python-consul: a blocking query ends with the deregistration", bool(seen) and seen[0][1] == [], seen)
    c.kv.put("py/a", "1")
    index, value = c.kv.get("py/a")
    hold("python-consul: key", value["Value"] == b"1", value)
    hold("python-consul: check-and-set", not c.kv.put("py/a", "2", cas=value["ModifyIndex"] - 1))
    c.kv.delete("py/", recurse=True)


def nacos_client():
    import nacos
    n = nacos.NacosClient(f"127.0.0.1:{nacos_port}", namespace="")
    n.add_naming_instance("py-pay", "10.6.0.1", 87, cluster_name="DEFAULT", metadata={"v": "5"}, ephemeral=True)
    hosts = n.list_naming_instance("py-pay")["hosts"]
    hold("nacos-sdk-python: registered", len(hosts) == 1 and hosts[0]["metadata"]["v"] == "5", hosts)
    beat = n.send_heartbeat("py-pay", "10.6.0.1", 87, cluster_name="DEFAULT")
    hold("nacos-sdk-python: heartbeat", beat["clientBeatInterval"] == 5000, beat)
    n.remove_naming_instance("py-pay", "10.6.0.1", 87, cluster_name="DEFAULT")
    hold("nacos-sdk-python: removed", n.list_naming_instance("py-pay")["hosts"] == [])
    n.publish_config("py.txt", "G", "one")
    hold("nacos-sdk-python: configuration", n.get_config("py.txt", "G") == "one")




consul_client()
nacos_client()
