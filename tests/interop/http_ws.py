# SPDX-License-Identifier: Apache-2.0
"""The websockets package as the other side: `client URL`, or `server` (prints its port)."""
import asyncio
import sys

import websockets


async def client(url):
    for compression in (None, "deflate"):
        await client_once(url, compression)
    print("ok")


async def client_once(url, compression):
    async with websockets.connect(url, compression=compression) as ws:
        assert bool(ws.extensions) == (compression is not None), ws.extensions
        for n in (0, 1, 125, 126, 65535, 65536, 500000):
            await ws.send("x" * n)
            assert await ws.recv() == "x" * n, n
            await ws.send(b"\x00" * n)
            assert await ws.recv() == b"\x00" * n, n
        await ws.send(["frag", "ment", "ed"])
        assert await ws.recv() == "fragmented"
        await (await ws.ping())
    assert ws.close_code == 1000, ws.close_code


async def server():
    async def echo(ws, path=None):
        async for m in ws:
            await ws.send(m)

    async with websockets.serve(echo, "127.0.0.1", 0) as s:
        print(s.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(client(sys.argv[2]) if sys.argv[1] == "client" else server())
