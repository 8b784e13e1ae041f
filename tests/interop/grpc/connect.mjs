// SPDX-License-Identifier: Apache-2.0
// npm @connectrpc/connect-node as a client of ours, by each of its protocols: node connect.mjs ADDR
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { TestService } from './test_pb.js';
import { EchoStatusSchema } from './messages_pb.js';

const baseUrl = 'http://' + process.argv[2];
const check = (cond, what) => { if (!cond) { console.log('FAIL ' + what); process.exit(1); } };
async function run(name, transport, duplex) {
  const c = createClient(TestService, transport);
  const rep = await c.unaryCall({ responseSize: 314159, payload: { body: new Uint8Array(271828) } });
  check(rep.payload.body.length === 314159, name + ' unary');
  const sizes = [31415, 9, 2653, 58979], got = [];
  for await (const r of c.streamingOutputCall({ responseParameters: sizes.map((size) => ({ size })) })) got.push(r.payload.body.length);
  check(JSON.stringify(got) === JSON.stringify(sizes), name + ' server stream ' + got);
  if (duplex) {
    async function* asks() { for (let i = 0; i < 20; i++) yield { responseParameters: [{ size: 7 }] }; }
    let n = 0;
    for await (const r of c.fullDuplexCall(asks())) n += r.payload.body.length;
    check(n === 140, name + ' duplex ' + n);
  }
  let head, tail;
  await c.unaryCall({}, {
    headers: { 'x-grpc-test-echo-initial': 'i', 'x-grpc-test-echo-trailing-bin': 'AP8' },
    onHeader: (h) => { head = h; }, onTrailer: (t) => { tail = t; } });
  check(head.get('x-grpc-test-echo-initial') === 'i', name + ' initial metadata');
  check(tail.get('x-grpc-test-echo-trailing-bin').startsWith('AP8'), name + ' trailing metadata');
  try {
    await c.unaryCall({ responseStatus: { code: 9, message: 'no: é %' } });
    check(false, name + ' no error');
  } catch (e) {
    const err = ConnectError.from(e);
    check(err.code === Code.FailedPrecondition && err.rawMessage === 'no: é %', name + ' status ' + e);
    const details = err.findDetails(EchoStatusSchema);
    check(details.length === 1 && details[0].message === 'no: é %', name + ' details');
  }
  try {
    for await (const r of c.streamingOutputCall({ responseParameters: [{ intervalUs: 10000000 }] }, { timeoutMs: 200 })) check(!r, name);
    check(false, name + ' no deadline');
  } catch (e) {
    check(ConnectError.from(e).code === Code.DeadlineExceeded, name + ' deadline ' + e);
  }
  console.log('ok ' + name);
}
await run('connect json h1', createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false }), false);
await run('connect binary h2', createConnectTransport({ baseUrl, httpVersion: '2', useBinaryFormat: true }), true);
await run('grpc-web h1', createGrpcWebTransport({ baseUrl, httpVersion: '1.1' }), false);
await run('grpc-web h2', createGrpcWebTransport({ baseUrl, httpVersion: '2' }), true);
await run('grpc', createGrpcTransport({ baseUrl, httpVersion: '2' }), true);
process.exit(0);
