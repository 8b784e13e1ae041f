#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ws_events.py PORT - what a WebSocket at 127.0.0.1:PORT/websocket says, a line each, without what differs by the moment: the answers to
status, to a subscription (a number as its id, then a text), its events, what is unsubscribed, what is refused. Standard library only."""
import base64, json, os, socket, struct, sys

class Socket:
    def __init__(self, port):
        self.s = socket.create_connection(("127.0.0.1", port), 20)
        key = base64.b64encode(os.urandom(16)).decode()
        self.s.sendall((f"GET /websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"): head += self.s.recv(1) or sys.exit("no answer to the handshake")
        if b" 101 " not in head.split(b"\r\n")[0]: sys.exit("refused: " + head.decode())
    def frame(self, opcode, data):
        mask = os.urandom(4)
        n = len(data)
        size = bytes([0x80 | n]) if n < 126 else bytes([0x80 | 126]) + struct.pack(">H", n)
        self.s.sendall(bytes([0x80 | opcode]) + size + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))
    def ask(self, ident, method, **params):
        self.frame(1, json.dumps({"jsonrpc": "2.0", "id": ident, "method": method, "params": params}).encode())
    def take(self, n):
        data = b""
        while len(data) < n:
            more = self.s.recv(n - len(data))
            if not more: raise EOFError
            data += more
        return data
    def read(self):
        """The next text, or the code of a close."""
        text = b""
        while True:
            a, b = self.take(2)
            n = b & 127
            if n == 126: n = struct.unpack(">H", self.take(2))[0]
            elif n == 127: n = struct.unpack(">Q", self.take(8))[0]
            data = self.take(n)
            if a & 15 == 9: self.frame(10, data)
            if a & 15 == 8: return struct.unpack(">H", data[:2])[0] if data else 1005
            if a & 15 in (0, 1):
                text += data
                if a & 0x80: return json.loads(text)

def shape(v):
    """Keys and kinds. CometBFT's proxy reads an event and writes it anew: null where the node says []."""
    if v is None: return "list"
    if isinstance(v, dict): return {k: shape(x) for k, x in sorted(v.items())}
    return type(v).__name__
def say(what, v): print(what, json.dumps(v, sort_keys=True))
w = Socket(int(sys.argv[1]))
w.ask(1, "status"); a = w.read(); say("status", [a["id"], shape(a["result"]["sync_info"])])
for ident, query in ((7, "tm.event='NewBlockHeader'"), ("text", "tm.event='NewBlock'")):
    w.ask(ident, "subscribe", query=query)
    answer, events = None, []
    while answer is None or len(events) < 3:
        m = w.read()
        if isinstance(m, int): sys.exit(f"closed: {m}")
        if m["id"] == ident: answer = m
        elif m["id"] == f"{ident}#event": events.append(m["result"])
    say("subscribe", answer)
    heights = [int(e["data"]["value"].get("header", e["data"]["value"].get("block", {}).get("header"))["height"]) for e in events]
    say("events", [events[0]["query"], sorted(events[0]), events[0]["data"]["type"], heights == list(range(heights[0], heights[0] + 3))])
    say("event", shape(events[0]["data"]["value"]))
w.ask("u", "unsubscribe", query="tm.event='NewBlockHeader'")
while (m := w.read())["id"] != "u": pass
say("unsubscribe", m)
seen = [m["id"] for m in (w.read() for _ in range(3))]
say("only the other goes on", sorted(set(seen)))
if len(sys.argv) > 2:
    w.ask("bad", "subscribe", query="height >")
    while (m := w.read())["id"] != "bad": pass
    say("a query that is none", "error" in m)
    w.ask("again", "subscribe", query="tm.event='NewBlock'")
    while (m := w.read())["id"] != "again": pass
    say("once more", "error" in m)
    w.ask("h", "header", height="3")
    while (m := w.read())["id"] != "h": pass
    say("a verified answer between events", m["result"]["header"]["height"])
    if sys.argv[2] == "wait":
        print("ready", flush=True)
        while not isinstance(m, int):
            try: m = w.read()
            except EOFError: m = -1
        say("closed", m)
