# SPDX-License-Identifier: Apache-2.0
"""Ambiguous and malformed requests, sent to several servers and proxies: who rejects what, and where
each sees one request end and the next begin.

  smuggling.py OURS GATEWAY UPSTREAM [nginx=HOST:PORT] [node=HOST:PORT]

OURS is our server, GATEWAY our gateway; GATEWAY and nginx forward to UPSTREAM, which this program
serves: it reads strictly, records every request and answers each. What must hold for each input:

 1. what the strict reference (Node's llhttp) rejects, our server rejects and our gateway does not
    forward, except for rows that say why they are legal;
 2. what the gateway forwards is understood by a strict reader in exactly one way, never more requests
    than the gateway counted, never bytes behind the last;
 3. gateway and nginx never disagree: one may stop earlier, but request by request they forward the
    same method, target and body.
"""
import socket
import sys
import threading
import time

# Closing at the end tells everybody's last answer from a pause.
MARK = b"GET /mark HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def post(head, body=b"", path=b"/read"):
    return b"POST " + path + b" HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n" + body


def get(head=b"", path=b"/g", version=b"HTTP/1.1", host=b"Host: a\r\n"):
    return b"GET " + path + b" " + version + b"\r\n" + host + head + b"\r\n"


CHUNKED = b"Transfer-Encoding: chunked\r\n"
INNER = b"GET /inner HTTP/1.1\r\nHost: a\r\n\r\n"
CASES = {
    "plain get": get(),
    "plain post": post(b"Content-Length: 5\r\n", b"hello"),
    "plain chunked": post(CHUNKED, b"5\r\nhello\r\n0\r\n\r\n"),
    "cl.te": post(b"Content-Length: %d\r\n" % (5 + len(INNER)) + CHUNKED, b"0\r\n\r\n" + INNER),
    "te.cl": post(CHUNKED + b"Content-Length: 3\r\n", b"0\r\n\r\n" + INNER),
    "cl.te short": post(b"Content-Length: 4\r\n" + CHUNKED, b"1f\r\n" + INNER + b"\r\n0\r\n\r\n"),
    "te.te cow": post(CHUNKED + b"Transfer-Encoding: cow\r\n", b"0\r\n\r\n"),
    "te identity": post(b"Content-Length: 5\r\nTransfer-Encoding: identity\r\n", b"hello"),
    "te identity alone": post(b"Transfer-Encoding: identity\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
    "te twice chunked": post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"),
    "te two lines": post(CHUNKED + CHUNKED, b"0\r\n\r\n"),
    "te gzip, chunked": post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
    "te chunked, gzip": post(b"Transfer-Encoding: chunked, gzip\r\n", b"0\r\n\r\n"),
    "te space before colon": post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"),
    "te tab before colon": post(b"Transfer-Encoding\t: chunked\r\n", b"0\r\n\r\n"),
    "te xchunked": post(b"Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n", b"hello"),
    "te quoted": post(b"Transfer-Encoding: \"chunked\"\r\n", b"0\r\n\r\n"),
    "te vertical tab": post(b"Transfer-Encoding: \x0bchunked\r\nContent-Length: 5\r\n", b"hello"),
    "te upper case": post(b"TRANSFER-ENCODING: CHUNKED\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
    "te folded": post(b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n", b"hello"),
    "te bare cr": post(b"X: y\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"hello"),
    "te bare lf": post(b"X: y\nTransfer-Encoding: chunked\nContent-Length: 5\r\n", b"hello"),
    "te in 1.0": b"POST /read HTTP/1.0\r\nHost: a\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "te empty": post(b"Transfer-Encoding:\r\nContent-Length: 5\r\n", b"hello"),
    "cl twice different": post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!"),
    "cl twice equal": post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"),
    "cl list": post(b"Content-Length: 5, 5\r\n", b"hello"),
    "cl plus": post(b"Content-Length: +5\r\n", b"hello"),
    "cl minus": post(b"Content-Length: -5\r\n", b"hello"),
    "cl hex": post(b"Content-Length: 0x5\r\n", b"hello"),
    "cl space inside": post(b"Content-Length: 1 0\r\n", b"hello"),
    "cl empty": post(b"Content-Length: \r\n"),
    "cl overflow": post(b"Content-Length: 18446744073709551621\r\n", b"hello"),
    "cl huge": post(b"Content-Length: 99999999999999999999999\r\n", b"hello"),
    "cl leading zeros": post(b"Content-Length: 0005\r\n", b"hello"),
    "cl space before colon": post(b"Content-Length : 5\r\n", b"hello"),
    "cl underscore": post(b"Content_Length: 5\r\nContent-Length: 0\r\n", INNER),
    "cl folded": post(b"Content-Length:\r\n 5\r\n", b"hello"),
    "get with body": get(b"Content-Length: 5\r\n") + b"hello",
    "get chunked": get(CHUNKED) + b"5\r\nhello\r\n0\r\n\r\n",
    "obs-fold": get(b"X: a\r\n b\r\n"),
    "obs-fold tab": get(b"X: a\r\n\tb\r\n"),
    "obs-fold first line": b"GET /g HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n",
    "bare lf line": b"GET /g HTTP/1.1\nHost: a\n\n",
    "bare lf in head": b"GET /g HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "bare lf ends head": b"GET /g HTTP/1.1\r\nHost: a\r\n\n",
    "bare cr in value": get(b"X: a\rb\r\n"),
    "bare cr ends line": b"GET /g HTTP/1.1\rHost: a\r\r",
    "cr cr lf": get(b"X: a\r\r\n"),
    "nul in value": get(b"X: a\0b\r\n"),
    "nul in name": get(b"X\0: a\r\n"),
    "nul in target": get(path=b"/a\0b"),
    "control in value": get(b"X: a\x01b\r\n"),
    "delete in value": (get(b"X: a\x7fb\r\n")),
    "high byte in name": get(b"X\xe4: a\r\n"),
    "high byte in target": get(path=b"/\xe4"),
    "name with space": get(b"X Y: a\r\n"),
    "empty name": get(b": a\r\n"),
    "no colon": get(b"XY\r\n"),
    "space before first field": b"GET /g HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n",
    "chunk extension": post(CHUNKED, b"5;a=b\r\nhello\r\n0;c\r\n\r\n"),
    "chunk extension quoted": post(CHUNKED, b'5;a="b;c"\r\nhello\r\n0\r\n\r\n'),
    "chunk extension lf": post(CHUNKED, b"5;a\nhello\r\n0\r\n\r\n"),
    "chunk extension cr": post(CHUNKED, b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "chunk extension nul": post(CHUNKED, b"5;a\0\r\nhello\r\n0\r\n\r\n"),
    "chunk size upper case": post(CHUNKED, b"A\r\n0123456789\r\n0\r\n\r\n"),
    "chunk size 0x": post(CHUNKED, b"0x5\r\nhello\r\n0\r\n\r\n"),
    "chunk size plus": post(CHUNKED, b"+5\r\nhello\r\n0\r\n\r\n"),
    "chunk size minus": post(CHUNKED, b"-5\r\nhello\r\n0\r\n\r\n"),
    "chunk size underscore": post(CHUNKED, b"1_0\r\nhello\r\n0\r\n\r\n"),
    "chunk size spaces": post(CHUNKED, b"5 \r\nhello\r\n0\r\n\r\n"),
    "chunk size space before": post(CHUNKED, b" 5\r\nhello\r\n0\r\n\r\n"),
    "chunk size empty": post(CHUNKED, b"\r\nhello\r\n0\r\n\r\n"),
    "chunk size overflow": post(CHUNKED, b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "chunk size leading zeros": post(CHUNKED, b"0000000000000005\r\nhello\r\n0\r\n\r\n"),
    "chunk lf": post(CHUNKED, b"5\nhello\n0\n\n"),
    "chunk data lf": post(CHUNKED, b"5\r\nhello\n0\r\n\r\n"),
    "chunk data too long": post(CHUNKED, b"5\r\nhelloX\r\n0\r\n\r\n"),
    "chunk data no end": post(CHUNKED, b"5\r\nhello0\r\n\r\n"),
    "trailers": post(CHUNKED, b"5\r\nhello\r\n0\r\nX-T: y\r\n\r\n"),
    "trailer cl": post(CHUNKED, b"5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n"),
    "trailer te": post(CHUNKED, b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "trailer bad": post(CHUNKED, b"5\r\nhello\r\n0\r\nX Y\r\n\r\n"),
    "trailer lf": post(CHUNKED, b"5\r\nhello\r\n0\r\nX: y\n\n"),
    "trailer folded": post(CHUNKED, b"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n"),
    "no host": get(host=b""),
    "two hosts": get(b"Host: b\r\n"),
    "two equal hosts": get(b"Host: a\r\n"),
    "empty host": get(host=b"Host:\r\n"),
    "host with path": get(host=b"Host: a/b\r\n"),
    "host with user": get(host=b"Host: u@a\r\n"),
    "host with space": get(host=b"Host: a b\r\n"),
    "host with comma": get(host=b"Host: a,b\r\n"),
    "host bad port": get(host=b"Host: a:x\r\n"),
    "absolute": get(path=b"http://a/g"),
    "absolute other host": get(path=b"http://b/g"),
    "absolute bad": get(path=b"http://a b/g"),
    "absolute user": get(path=b"http://u@a/g"),
    "absolute no path": get(path=b"http://a"),
    "asterisk get": get(path=b"*"),
    "authority get": get(path=b"a:80"),
    "connect": b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
    "target space": get(path=b"/a b"),
    "target tab": get(path=b"/a\tb"),
    "target fragment": get(path=b"/a#b"),
    "target backslash": get(path=b"/a\\b"),
    "double space": b"GET  /g HTTP/1.1\r\nHost: a\r\n\r\n",
    "leading space": b" GET /g HTTP/1.1\r\nHost: a\r\n\r\n",
    "trailing space": b"GET /g HTTP/1.1 \r\nHost: a\r\n\r\n",
    "leading crlf": b"\r\n" + get(),
    "leading crlfs": b"\r\n\r\n\r\n" + get(),
    "http 0.9": b"GET /g\r\n",
    "http 1.2": get(version=b"HTTP/1.2"),
    "http 2.0": get(version=b"HTTP/2.0"),
    "http 01.1": get(version=b"HTTP/01.1"),
    "http lower case": get(version=b"http/1.1"),
    "http 1.10": get(version=b"HTTP/1.10"),
    "method lower case": b"get /g HTTP/1.1\r\nHost: a\r\n\r\n",
    "method odd": b"G@T /g HTTP/1.1\r\nHost: a\r\n\r\n",
    "method tab": b"GET\t/g HTTP/1.1\r\nHost: a\r\n\r\n",
    "huge field": get(b"X: " + b"x" * 100000 + b"\r\n"),
    "huge target": get(path=b"/" + b"x" * 70000),
    "many fields": get(b"".join(b"X-%d: y\r\n" % i for i in range(3000))),
    "expect odd": post(b"Expect: 200-ok\r\nContent-Length: 5\r\n", b"hello"),
    "upgrade h2c": get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
    "connection names cl": post(b"Connection: content-length\r\nContent-Length: 5\r\n", b"hello"),
    "connection names te": post(b"Connection: transfer-encoding\r\n" + CHUNKED, b"5\r\nhello\r\n0\r\n\r\n"),
    "connection names host": get(b"Connection: host\r\n"),
    "pipeline": get() + post(b"Content-Length: 5\r\n", b"hello") + get(path=b"/h"),
}
# Refused by llhttp or Node for other reasons than framing, and why it may be accepted.
LEGAL = {
    "trailer cl": "such trailers are dropped, never forwarded (RFC 9110 section 6.5.1)",
    "trailer te": "such trailers are dropped, never forwarded (RFC 9110 section 6.5.1)",
    "method lower case": "a method is any token (RFC 9110 section 9.1)",
    "upgrade h2c": "an upgrade may be ignored (RFC 9110 section 7.8)",
    "connect": "our test server answers CONNECT; nothing behind it is read",
}
# Its inner request is a second one by every reading: Content-Length is 0.
INNER_IS_NEXT = ("cl underscore",)


class Upstream:
    """Reads strictly, remembers what came over each connection, answers each request."""

    def __init__(self, port):
        self.lock = threading.Lock()
        self.seen = []  # (method, target, body), or ("BROKEN", why, bytes)
        self.sock = socket.create_server(("127.0.0.1", port), backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            conn, _ = self.sock.accept()
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def take(self):
        with self.lock:
            seen, self.seen = self.seen, []
        return seen

    def note(self, row):
        with self.lock:
            self.seen.append(row)

    def serve(self, conn):
        data = b""

        def more():
            nonlocal data
            got = conn.recv(65536)
            data += got
            return bool(got)

        try:
            while True:
                while b"\r\n\r\n" not in data:
                    if not more():
                        if data:
                            self.note(("BROKEN", "head cut", data[:80]))
                        return
                head, data = data.split(b"\r\n\r\n", 1)
                lines = head.split(b"\r\n")
                parts = lines[0].split(b" ")
                fields = [line.split(b":", 1) for line in lines[1:]]
                bad = len(parts) != 3 or parts[2] != b"HTTP/1.1"
                bad |= any(len(f) != 2 or not f[0] or f[0].strip() != f[0] for f in fields)
                bad |= any(c in head.replace(b"\r\n", b"") for c in b"\r\n\0")
                names = {}
                for f in fields:
                    if len(f) == 2:
                        names.setdefault(f[0].lower(), []).append(f[1].strip())
                te, cl = names.get(b"transfer-encoding", []), names.get(b"content-length", [])
                bad |= len(te) + len(cl) > 1 or len(names.get(b"host", [])) != 1
                bad |= bool(te) and te[0] != b"chunked"
                bad |= bool(cl) and not cl[0].isdigit()
                if bad:
                    self.note(("BROKEN", "head", head[:200]))
                    return
                body = b""
                if cl:
                    while len(data) < int(cl[0]):
                        if not more():
                            return  # cut short, visibly
                    body, data = data[: int(cl[0])], data[int(cl[0]):]
                while te:
                    while b"\r\n" not in data:
                        if not more():
                            return
                    size, data = data.split(b"\r\n", 1)
                    if not size or any(c not in b"0123456789abcdefABCDEF" for c in size):
                        self.note(("BROKEN", "chunk size", size[:80]))
                        return
                    n = int(size, 16)
                    if n == 0:
                        while not data.startswith(b"\r\n") and b"\r\n\r\n" not in data:
                            if not more():
                                return
                        data = data[2:] if data.startswith(b"\r\n") else data.split(b"\r\n\r\n", 1)[1]
                        break
                    while len(data) < n + 2:
                        if not more():
                            return
                    if data[n: n + 2] != b"\r\n":
                        self.note(("BROKEN", "chunk end", data[n: n + 8]))
                        return
                    body, data = body + data[:n], data[n + 2:]
                self.note((parts[0], parts[1], body))
                conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except OSError:
            pass
        finally:
            conn.close()


def talk(addr, data, quiet=0.15):
    """The statuses of what comes back until the connection ends. Whoever waits for more than there
    is, is told after a moment that no more will come."""
    host, port = addr.rsplit(":", 1)
    out = b""
    with socket.create_connection((host, int(port)), timeout=5) as s:
        s.settimeout(quiet)
        try:
            s.sendall(data)
        except OSError:
            pass
        end = time.monotonic() + 5
        while time.monotonic() < end:
            try:
                got = s.recv(65536)
            except socket.timeout:
                try:
                    s.shutdown(socket.SHUT_WR)
                except OSError:
                    break
                continue
            except OSError:
                break
            if not got:
                break
            out += got
    statuses, rest = [], out
    while rest.startswith(b"HTTP/1."):
        head, sep, rest = rest.partition(b"\r\n\r\n")
        if not sep:
            break
        status = int(head.split(b" ")[1])
        if status >= 200:
            statuses.append(status)
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            if name.lower() == b"transfer-encoding":
                length = rest.find(b"0\r\n\r\n") + 5
        rest = rest[length:]
    return statuses


def accepted(statuses):
    return [s for s in statuses if s < 400 or s == 404]


def norm(row):
    """Targets without the differences in spelling that routing allows."""
    method, target, body = row
    if method == "BROKEN":
        return row
    if target.startswith(b"http://"):
        target = b"/" + target[7:].partition(b"/")[2]
    return (method, target.replace(b"%5C", b"\\").replace(b"%5c", b"\\"), body)


def main():
    ours, gateway, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    others = dict(a.split("=", 1) for a in sys.argv[4:])
    up = Upstream(port)
    passed = failed = 0
    print("ready", flush=True)
    sys.stdin.readline()  # until the proxies run
    for name, data in CASES.items():
        why = []
        data = data + MARK
        got = talk(ours, data)
        up.take()
        gw = talk(gateway, data)
        gw_seen = [norm(r) for r in up.take()]
        strict = talk(others["node"], data) if "node" in others else None
        if strict is not None and name not in LEGAL:
            # The first answers count: how many requests were understood before the first rejection.
            limit = len(accepted(strict))
            if len(accepted(got)) > limit:
                why.append(f"our server answered {got}, llhttp {strict}")
            if len(gw_seen) > limit:
                why.append(f"the gateway forwarded {gw_seen}, llhttp answered {strict}")
        if any(r[0] == "BROKEN" for r in gw_seen):
            why.append(f"forwarded what is no request: {gw_seen}")
        if len(gw_seen) > len(gw):
            why.append(f"{len(gw_seen)} requests forwarded, {gw} answered")
        if "nginx" in others:
            talk(others["nginx"], data)
            ng_seen = [norm(r) for r in up.take()]
            n = min(len(gw_seen), len(ng_seen))
            if gw_seen[:n] != ng_seen[:n]:
                why.append(f"gateway forwarded {gw_seen}, nginx {ng_seen}")
        if name not in INNER_IS_NEXT and b"/inner" in [r[1] for r in gw_seen]:
            why.append(f"the inner request was forwarded: {gw_seen}")
        if why:
            failed += 1
            print(f"FAIL {name}: " + "; ".join(str(w)[:600] for w in why))
        else:
            passed += 1
    # The rows that must work, work.
    for name, n in (("plain get", 2), ("plain post", 2), ("plain chunked", 2), ("pipeline", 4)):
        for where, addr in (("our server", ours), ("gateway", gateway)):
            got = talk(addr, CASES[name] + MARK)
            if len(accepted(got)) != n:
                failed += 1
                print(f"FAIL {name}: {where} answered {got}")
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


main()
