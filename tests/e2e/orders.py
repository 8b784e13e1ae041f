#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""orders.py collect PORT DIR: an OTLP collector that keeps each body as a file.
orders.py load PORT SECONDS DIR: places and reads orders through the gateway until DIR/stop is there, at most
SECONDS; prints one JSON object with what it did. An order has a key of the client's own, so a request that
fails is not asked again: every failure at the edge is counted."""
import http.client
import http.server
import json
import pathlib
import sys
import threading
import time


def collect(port, folder):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            (folder / f"otlp-{time.monotonic_ns()}").write_bytes(body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


def load(port, seconds, folder):
    stop = folder / "stop"
    end = time.monotonic() + seconds
    lock = threading.Lock()
    placed, failures, asked = [], [], [0]

    def ask(conn, method, path):
        try:
            conn.request(method, path)
            r = conn.getresponse()
            body = r.read()
            return r.status, body
        except (OSError, http.client.HTTPException) as e:
            conn.close()
            return 0, repr(e).encode()

    def worker(n):
        conn = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
        i = 0
        while time.monotonic() < end and not stop.exists():
            key = f"w{n}-{i:05d}"
            i += 1
            count = i % 3 + 1
            for method, path in (("PUT", f"/v1/orders/{key}?sku=pen&count={count}&customer=w{n}"),
                                 ("GET", f"/v1/orders/{key}"), ("GET", "/v1/stock/pen"),
                                 ("GET", "/v1/orders?limit=3")):
                status, body = ask(conn, method, path)
                with lock:
                    asked[0] += 1
                    if status != 200:
                        failures.append(f"{method} {path}: {status} {body[:200]!r}")
                    elif method == "PUT":
                        placed.append((key, count))
            time.sleep(0.02)
        conn.close()

    threads = [threading.Thread(target=worker, args=(n,)) for n in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(json.dumps({"asked": asked[0], "failed": len(failures), "failures": failures[:5],
                      "placed": len(placed), "pieces": sum(c for _, c in placed)}))


if __name__ == "__main__":
    if sys.argv[1] == "collect":
        collect(int(sys.argv[2]), pathlib.Path(sys.argv[3]))
    else:
        load(int(sys.argv[2]), float(sys.argv[3]), pathlib.Path(sys.argv[4]))
