#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""takeover_client.py - one workload's view. Prints one line a question; run it in the cgroup that is redirected.

  tcp HOST PORT [mapped]   the server's first byte, and whom getpeername and SO_ORIGINAL_DST name
  udp HOST PORT            connected and unconnected: who answered, and whom the answer came from
  udp2 HOST PORT PORT      one unconnected socket, two services
  get HOST PORT [PATH]     an HTTP answer's status and last line
  errno HOST PORT          the error of a connect
  from PORT HOST PORT      a connect from a port of its own: what the server says, or the error
  serve-udp HOST PORT NAME answers every datagram with NAME
  serve-origin HOST PORT   tells each connection its original destination
"""
import errno
import socket
import struct
import sys

ORIGINAL_DST = 80


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def original(s):
    try:
        v6 = s.getsockopt(socket.IPPROTO_IPV6, ORIGINAL_DST, 28)
    except OSError:
        return "no original destination"
    host, port = socket.inet_ntop(socket.AF_INET6, v6[8:24]), struct.unpack(">H", v6[2:4])[0]
    if not host.startswith("::ffff:"):
        return f"{host} {port}"
    v4 = s.getsockopt(socket.IPPROTO_IP, ORIGINAL_DST, 16)
    assert socket.inet_ntop(socket.AF_INET, v4[4:8]) == host[7:] and v4[2:4] == v6[2:4]
    return f"{host[7:]} {port}"


def tcp(host, port, mapped=None):
    s = socket.socket(socket.AF_INET6 if mapped else family(host), socket.SOCK_STREAM)
    s.settimeout(5)
    s.connect((("::ffff:" + host) if mapped else host, int(port)))
    peer = s.getpeername()
    print(s.recv(1).decode(), f"{peer[0]} {peer[1]}", original(s))


def udp(host, port):
    a = (host, int(port))
    s = socket.socket(family(host), socket.SOCK_DGRAM)
    s.settimeout(5)
    s.sendto(b"?", a)
    who, source = s.recvfrom(100)
    c = socket.socket(family(host), socket.SOCK_DGRAM)
    c.settimeout(5)
    c.connect(a)
    c.send(b"?")
    who2, source2 = c.recvfrom(100)
    peer = c.getpeername()
    print(who.decode(), f"{source[0]} {source[1]}", who2.decode(), f"{source2[0]} {source2[1]}", f"{peer[0]} {peer[1]}")


def udp2(host, one, two):
    s = socket.socket(family(host), socket.SOCK_DGRAM)
    s.settimeout(5)
    out = []
    for port in (one, two, one):
        s.sendto(b"?", (host, int(port)))
        who, source = s.recvfrom(100)
        out.append(f"{who.decode()} {source[1]}")
    print(", ".join(out))


def get(host, port, path="/"):
    s = socket.create_connection((host, int(port)), timeout=10)
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n".encode())
    answer = b""
    while more := s.recv(65536):
        answer += more
    head, _, body = answer.partition(b"\r\n\r\n")
    print(head.split()[1].decode(), body.decode().strip().split("\n")[-1])


def errno_of(host, port):
    s = socket.socket(family(host), socket.SOCK_STREAM)
    s.settimeout(5)
    e = s.connect_ex((host, int(port)))
    print(errno.errorcode.get(e, "OK"))


def from_port(own, host, port):
    s = socket.socket(family(host), socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.bind(("fd77::1" if ":" in host else "10.77.0.1", int(own)))
    s.settimeout(5)
    s.connect((host, int(port)))
    print(s.recv(100).decode())


def serve_origin(host, port):
    s = socket.socket(family(host), socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, int(port)))
    s.listen(64)
    print("ready", flush=True)
    while True:
        c, _ = s.accept()
        c.sendall(original(c).encode())
        c.close()


def serve_udp(host, port, name):
    s = socket.socket(family(host), socket.SOCK_DGRAM)
    s.bind((host, int(port)))
    print("ready", flush=True)
    while True:
        s.sendto(name.encode(), s.recvfrom(100)[1])


if __name__ == "__main__":
    verbs = {"tcp": tcp, "udp": udp, "udp2": udp2, "get": get, "errno": errno_of, "from": from_port,
             "serve-origin": serve_origin, "serve-udp": serve_udp}
    try:
        verbs[sys.argv[1]](*sys.argv[2:])
    except OSError as e:
        print(errno.errorcode.get(e.errno, e))
