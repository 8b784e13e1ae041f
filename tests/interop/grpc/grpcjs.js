// SPDX-License-Identifier: Apache-2.0
// npm @grpc/grpc-js as a client of ours: node grpcjs.js ADDR PROTO_DIR, with NODE_PATH at its modules.
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const [addr, dir] = process.argv.slice(2);
const defs = loader.loadSync('test.proto', { includeDirs: [dir], keepCase: true });
const c = new (grpc.loadPackageDefinition(defs).grpc.testing.TestService)(addr, grpc.credentials.createInsecure());
const check = (cond, what) => { if (!cond) { console.log('FAIL ' + what); process.exit(1); } };
const unary = (req, md = new grpc.Metadata(), opts = {}) => new Promise((ok) => {
  const got = {};
  const call = c.UnaryCall(req, md, opts, (err, rep) => { got.err = err; got.rep = rep; });
  call.on('metadata', (h) => { got.head = h; });
  call.on('status', (s) => { got.status = s; setImmediate(() => ok(got)); });
});
const drain = (call) => new Promise((ok) => {
  const got = [];
  call.on('data', (d) => got.push(d.payload.body.length));
  call.on('end', () => {});
  call.on('error', (e) => ok(e));
  call.on('status', (s) => { if (s.code === 0) ok(got); });
});
(async () => {
  let r = await unary({ response_size: 314159, payload: { body: Buffer.alloc(271828) } });
  check(r.rep.payload.body.length === 314159, 'unary');
  const sizes = [31415, 9, 2653, 58979];
  let got = await drain(c.StreamingOutputCall({ response_parameters: sizes.map((size) => ({ size })) }));
  check(JSON.stringify(got) === JSON.stringify(sizes), 'server stream ' + got);
  const sum = await new Promise((ok) => {
    const call = c.StreamingInputCall((err, rep) => ok(rep.aggregated_payload_size));
    sizes.forEach((n) => call.write({ payload: { body: Buffer.alloc(n) } }));
    call.end();
  });
  check(sum === 93056, 'client stream');
  const duplex = c.FullDuplexCall();
  for (let i = 0; i < 20; i++) duplex.write({ response_parameters: [{ size: 7 }] });
  duplex.end();
  got = await drain(duplex);
  check(got.length === 20, 'duplex ' + got);
  const md = new grpc.Metadata();
  md.set('x-grpc-test-echo-initial', 'i');
  md.set('x-grpc-test-echo-trailing-bin', Buffer.from([0, 255]));
  r = await unary({}, md);
  check(r.head.get('x-grpc-test-echo-initial')[0] === 'i', 'initial metadata');
  check(Buffer.compare(r.status.metadata.get('x-grpc-test-echo-trailing-bin')[0], Buffer.from([0, 255])) === 0, 'trailing metadata');
  r = await unary({ response_status: { code: 9, message: 'no: é %' } });
  check(r.err.code === 9 && r.err.details === 'no: é %', 'status ' + r.err);
  check(r.err.metadata.get('grpc-status-details-bin').length === 1, 'details');
  const slow = c.FullDuplexCall({ deadline: Date.now() + 200 });
  slow.write({ response_parameters: [{ interval_us: 10000000 }] });
  got = await drain(slow);
  check(got.code === grpc.status.DEADLINE_EXCEEDED, 'deadline ' + got);
  console.log('ok grpc-js');
  process.exit(0);
})();
