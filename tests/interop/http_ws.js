// SPDX-License-Identifier: Apache-2.0
// The `ws` package as the other side:  client URL [nodeflate] | server | h2 HTTP_URL PATH | h2server.
// h2 opens the WebSocket as an extended CONNECT (RFC 8441) with Node's http2, h2server admits such.
'use strict';
const assert = require('assert');
const http2 = require('http2');
const { once } = require('events');
const { WebSocket, WebSocketServer, Receiver, Sender } = require('ws');

const sizes = [0, 1, 125, 126, 300, 65535, 65536, 500000];
const text = (n) => 'compress me '.repeat(Math.ceil(n / 12)).slice(0, n);

async function echoes(ws, label) {
  for (const n of sizes) {
    for (const data of [text(n), Buffer.from(text(n)), require('crypto').randomBytes(n)]) {
      ws.send(data);
      const [got, binary] = await once(ws, 'message');
      assert(Buffer.from(data).equals(got), `${label}: ${n} bytes differ`);
      assert.strictEqual(binary, typeof data !== 'string');
    }
  }
}

async function client(url, nodeflate) {
  const offers = nodeflate ? [false] : [false, true, { threshold: 0 }, { clientMaxWindowBits: 10, serverMaxWindowBits: 10, threshold: 0 },
    { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0 }, { serverMaxWindowBits: 9, threshold: 0 }];
  for (const perMessageDeflate of offers) {
    const label = JSON.stringify(perMessageDeflate);
    const ws = new WebSocket(url, { perMessageDeflate });
    await once(ws, 'open');
    assert.strictEqual(ws.extensions, perMessageDeflate ? 'permessage-deflate' : '', label);
    await echoes(ws, label);
    ws.ping('are you there');
    assert.strictEqual((await once(ws, 'pong'))[0].toString(), 'are you there');
    for (const part of ['frag', 'men']) ws.send(part, { fin: false });
    ws.send('ted', { fin: true });
    assert.strictEqual((await once(ws, 'message'))[0].toString(), 'fragmented');
    ws.close(1000, 'done');
    assert.strictEqual((await once(ws, 'close'))[0], 1000, label);
  }
  if (nodeflate) return console.log('ok');
  // Grows to 16 MiB: over the server's limit, whatever it shrinks to.
  const ws = new WebSocket(url, { perMessageDeflate: { threshold: 0 } });
  ws.on('error', () => {});
  await once(ws, 'open');
  ws.send(Buffer.alloc(16 << 20));
  assert.strictEqual((await once(ws, 'close'))[0], 1009);
  console.log('ok');
}

async function server() {
  const s = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: { threshold: 0 } });
  s.on('connection', (ws) => ws.on('message', (m, binary) => ws.send(m, { binary })));
  await once(s, 'listening');
  console.log(s.address().port);
}

async function h2(base, path) {
  const session = http2.connect(base);
  await once(session, 'remoteSettings');
  assert(session.remoteSettings.enableConnectProtocol, 'extended CONNECT is not admitted');
  const streams = await Promise.all([1, 2, 3].map(async () => {
    const st = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': path,
      'sec-websocket-version': '13' });
    const [h] = await once(st, 'response');
    assert.strictEqual(h[':status'], 200);
    const sender = new Sender(st), receiver = new Receiver({ isServer: false });
    st.on('data', (d) => receiver.write(d));
    for (const n of sizes) {
      const data = Buffer.from(text(n));
      sender.send(data, { binary: true, compress: false, fin: true, mask: true });
      const [got] = await once(receiver, 'message');
      assert(data.equals(got), `h2: ${n} bytes differ`);
    }
    sender.close(1000, '', true);
    const [code] = await once(receiver, 'conclude');
    assert.strictEqual(code, 1000);
    st.end();
    return once(st, 'close');
  }));
  assert.strictEqual(streams.length, 3);
  session.close();
  console.log('ok');
}

async function h2server() {
  const s = http2.createServer({ settings: { enableConnectProtocol: true } });
  s.on('stream', (st, h) => {
    if (h[':method'] !== 'CONNECT' || h[':protocol'] !== 'websocket' || h['sec-websocket-key'] || h.upgrade)
      return st.respond({ ':status': 400 }, { endStream: true });
    st.respond({ ':status': 200 });
    const sender = new Sender(st), receiver = new Receiver({ isServer: true });
    st.on('data', (d) => receiver.write(d));
    st.on('error', () => {});
    receiver.on('message', (m, binary) => sender.send(m, { binary, compress: false, fin: true, mask: false }));
    receiver.on('ping', (m) => sender.pong(m, false));
    receiver.on('conclude', (code) => { sender.close(code, '', false); st.end(); });
  });
  s.listen(0, '127.0.0.1');
  await once(s, 'listening');
  console.log(s.address().port);
}

const [mode, ...args] = process.argv.slice(2);
({ client, server, h2, h2server })[mode](...args).catch((e) => { console.error(e); process.exit(1); });
