#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""corpus.py DIR - the texts that bench/json.sh parses, the same on every machine (fixed seed)."""
import json
import pathlib
import random
import sys

r = random.Random(20)
WORDS = "the of request to pod and a in is service node that container for was on gateway are".split()


def text(n):
    return " ".join(r.choice(WORDS) for _ in range(n))


def pod(i):
    name = f"web-{r.getrandbits(32):08x}-{i}"
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", "uid": f"{r.getrandbits(128):032x}",
                         "resourceVersion": str(r.randrange(10**7)), "creationTimestamp": "2026-01-02T03:04:05Z",
                         "labels": {"app": "web", "tier": "front", "pod-template-hash": f"{r.getrandbits(36):09x}"},
                         "annotations": {"note": text(8)}},
            "spec": {"nodeName": f"node-{r.randrange(100)}", "restartPolicy": "Always",
                     "containers": [{"name": f"c{k}", "image": f"registry.local/app:{r.randrange(99)}",
                                     "ports": [{"containerPort": 8080 + k, "protocol": "TCP"}],
                                     "env": [{"name": f"VAR_{e}", "value": text(2)} for e in range(5)],
                                     "resources": {"limits": {"cpu": "500m", "memory": "128Mi"}}}
                                    for k in range(2)]},
            "status": {"phase": "Running", "podIP": f"10.{r.randrange(256)}.{r.randrange(256)}.7",
                       "ready": r.random() < .9, "restartCount": r.randrange(5)}}


out = pathlib.Path(sys.argv[1])
pods = {"kind": "PodList", "items": [pod(i) for i in range(1000)]}
docs = {
    "pods": json.dumps(pods, separators=(",", ":")),
    "pods-indented": json.dumps(pods, indent=2),
    "doubles": json.dumps([[r.uniform(-180, 180), r.uniform(-90, 90)] for _ in range(40000)]),
    "integers": json.dumps([r.randrange(-10**r.randrange(1, 18), 10**18) for _ in range(80000)], separators=(",", ":")),
    "text": json.dumps([{"id": i, "text": text(30) + ' "quoted"\n' + "žluťoučký kůň 😀"} for i in range(4000)],
                       ensure_ascii=False),
    "escapes": json.dumps([text(6) + '\n\t"é😀"' for _ in range(15000)]),
}
for name, doc in docs.items():
    (out / f"{name}.json").write_text(doc, encoding="utf-8")
