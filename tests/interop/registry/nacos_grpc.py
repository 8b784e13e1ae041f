# SPDX-License-Identifier: Apache-2.0
"""Unmodified nacos-sdk-python 2.x and 3.x (gRPC) against the registry server.
usage: nacos_grpc.py NACOS_PORT, whose gRPC is 1000 above"""
import asyncio
import json
import logging
import sys
import tempfile
import time
import urllib.request

import importlib.metadata
from v2.nacos import (ClientConfigBuilder, BatchRegisterInstanceParam, ConfigParam, DeregisterInstanceParam, ListInstanceParam,
                      ListServiceParam, NacosConfigService, NacosNamingService, RegisterInstanceParam, SubscribeServiceParam)

logging.disable(logging.CRITICAL)
port = int(sys.argv[1])
name = "nacos-sdk-python " + importlib.metadata.version("nacos-sdk-python")


def hold(what, good, seen=""):
    print(("ok " if good else "FAIL ") + name + ": " + what, "" if good else repr(seen), flush=True)
    if not good:
        sys.exit(1)


async def until(what, fn, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if fn():
            return hold(what, True)
        await asyncio.sleep(0.05)
    hold(what, False, "not in time")


def http_hosts(service):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/nacos/v1/ns/instance/list?serviceName={service}") as r:
        return json.load(r)["hosts"]


async def main():
    d = tempfile.mkdtemp()
    conf = (ClientConfigBuilder().server_address(f"127.0.0.1:{port}").log_dir(d).cache_dir(d).build())
    a, b = await NacosNamingService.create_naming_service(conf), await NacosNamingService.create_naming_service(conf)
    seen = []

    async def told(hosts):
        seen.append(sorted(h.port for h in hosts))

    hold("registered", await a.register_instance(RegisterInstanceParam(
        service_name="py-grpc", ip="10.6.1.1", port=81, weight=2.0, metadata={"v": "1"})))
    hosts = await b.list_instances(ListInstanceParam(service_name="py-grpc", subscribe=False, healthy_only=True))
    hold("listed", len(hosts) == 1 and hosts[0].metadata["v"] == "1" and hosts[0].weight == 2, hosts)
    hold("seen over HTTP", [h["port"] for h in http_hosts("py-grpc")] == [81])
    await b.subscribe(SubscribeServiceParam(service_name="py-grpc", subscribe_callback=told))
    hold("registered beside", await a.register_instance(RegisterInstanceParam(service_name="py-grpc", ip="10.6.1.1", port=82)))
    await until("a subscriber is pushed the second", lambda: seen and seen[-1] == [81, 82])
    hold("deregistered", await a.deregister_instance(DeregisterInstanceParam(service_name="py-grpc", ip="10.6.1.1", port=82)))
    await until("a subscriber is pushed the loss", lambda: seen[-1] == [81])
    hold("batch", await a.batch_register_instances(BatchRegisterInstanceParam(service_name="py-batch", instances=[
        RegisterInstanceParam(service_name="py-batch", ip="10.6.2.1", port=p) for p in (91, 92)])))
    hold("batch is there", sorted(h["port"] for h in http_hosts("py-batch")) == [91, 92])
    names = await b.list_services(ListServiceParam())
    hold("services listed", {"py-grpc", "py-batch"} <= set(names.services), names)
    await a.shutdown()
    await until("a closed client's instances go", lambda: not http_hosts("py-grpc") and not http_hosts("py-batch"), 30)

    c = await NacosConfigService.create_config_service(conf)
    hold("published", await c.publish_config(ConfigParam(data_id="py.yaml", group="G", content="a: 1")))
    hold("read", await c.get_config(ConfigParam(data_id="py.yaml", group="G")) == "a: 1")
    changes = []

    async def changed(tenant, data_id, group, content):
        changes.append(content)

    await c.add_listener("py.yaml", "G", changed)
    await asyncio.sleep(1)
    hold("published again", await c.publish_config(ConfigParam(data_id="py.yaml", group="G", content="a: 2")))
    await until("a listener is told", lambda: changes and changes[-1] == "a: 2")
    hold("removed", await c.remove_config(ConfigParam(data_id="py.yaml", group="G")))
    await c.shutdown()
    await b.shutdown()


asyncio.run(asyncio.wait_for(main(), 120))
