// SPDX-License-Identifier: Apache-2.0
// The unmodified npm client of etcd (etcd3) against the registry server: each line printed is a check that
// held. usage: node etcd.cjs ETCD_PORT CONSUL_PORT, NODE_PATH with the package.
const assert = require('assert');
const { Etcd3 } = require('etcd3');
const [etcdPort, consulPort] = process.argv.slice(2).map(Number);
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const ok = (what) => console.log('ok etcd3 (npm): ' + what);
const until = async (what, fn, ms = 15000) => {
  const end = Date.now() + ms;
  while (!(await fn())) {
    if (Date.now() > end) throw new Error('not in time: ' + what);
    await sleep(50);
  }
};
const consul = async (path, o) => (await fetch(`http://127.0.0.1:${consulPort}${path}`, o)).json().catch(() => null);

async function main() {
  const c = new Etcd3({ hosts: `127.0.0.1:${etcdPort}` });
  await c.delete().prefix('npm/');
  await c.put('npm/a').value('1');
  assert.equal(await c.get('npm/a').string(), '1');
  assert.equal(await c.get('npm/none').string(), null);
  await c.put('npm/b').value('2');
  assert.deepEqual(await c.getAll().prefix('npm/').strings(), { 'npm/a': '1', 'npm/b': '2' });
  assert.deepEqual(await c.getAll().prefix('npm/').sort('Key', 'Descend').limit(1).keys(), ['npm/b']);
  assert.equal(await c.getAll().prefix('npm/').count(), 2);
  ok('keys');
  let t = await c.if('npm/a', 'Value', '==', '1').then(c.put('npm/a').value('x')).else(c.get('npm/a')).commit();
  assert.ok(t.succeeded);
  t = await c.if('npm/a', 'Value', '==', '1').then(c.put('npm/a').value('y')).else(c.get('npm/a')).commit();
  assert.ok(!t.succeeded);
  assert.equal(t.responses[0].response_range.kvs[0].value.toString(), 'x');
  ok('transactions');
  await Promise.all([1, 2, 3].map(() => c.stm().transact((tx) => tx.get('npm/n').number().then((n) => tx.put('npm/n').value((n || 0) + 1)))));
  assert.equal(await c.get('npm/n').number(), 3);
  ok('software transactions');
  const seen = [];
  const w = await c.watch().prefix('npm/w/').withPreviousKV().create();
  w.on('put', (kv) => seen.push('put ' + kv.key + ' ' + kv.value));
  w.on('delete', (kv, prev) => seen.push('del ' + kv.key + ' ' + prev.value));
  await c.put('npm/w/1').value('v');
  await c.delete().key('npm/w/1');
  await until('the watch sees both', () => seen.length === 2);
  assert.deepEqual(seen, ['put npm/w/1 v', 'del npm/w/1 v']);
  await w.cancel();
  await c.put('npm/w/2').value('v');
  await sleep(200);
  assert.equal(seen.length, 2);
  ok('watch with previous values');
  const rev = Number((await c.put('npm/h').value('1')).header.revision);
  await c.put('npm/h').value('2');
  const past = [];
  const old = await c.watch().key('npm/h').startRevision(String(rev)).create();
  old.on('put', (kv) => past.push(kv.value.toString()));
  await until('history', () => past.length === 2);
  assert.equal(await c.get('npm/h').revision(String(rev)).string(), '1');
  ok('history: a watch from a revision, a key as it was');
  const lease = c.lease(2);
  const id = await lease.grant();
  await lease.put(`npm.rpc/${id}`).value('10.9.1.1:91').exec();
  await sleep(4000);
  assert.deepEqual((await consul('/v1/health/service/npm.rpc')).map((e) => e.Service.Port), [91]);
  ok('a lease kept alive holds an instance');
  await lease.revoke();
  assert.deepEqual(await consul('/v1/health/service/npm.rpc'), []);
  ok('a revoked lease takes it away');
  await consul('/v1/agent/service/register', { method: 'PUT', body: JSON.stringify({ Name: 'npm-cross', ID: 'x1', Address: '10.9.2.1', Port: 92, Meta: { v: '1' } }) });
  const own = JSON.parse(await c.get('/services/npm-cross/x1').string());
  assert.equal(own.port, 92);
  assert.deepEqual(Object.values(await c.getAll().prefix('npm-cross/').strings()), ['10.9.2.1:92']);
  const kratos = JSON.parse(await c.get('/microservices/npm-cross/x1').string());
  assert.deepEqual([kratos.name, kratos.metadata.v, kratos.endpoints[0]], ['npm-cross', '1', 'grpc://10.9.2.1:92']);
  await consul('/v1/agent/service/deregister/x1', { method: 'PUT' });
  assert.equal(await c.get('/services/npm-cross/x1').string(), null);
  ok("Consul's instances are keys in all three layouts");
  const lock = c.lock('npm-lock');
  await lock.acquire();
  await assert.rejects(c.lock('npm-lock').acquire());
  await lock.release();
  ok('locks');
  c.close();
}

main().then(() => process.exit(0), (e) => {
  console.log('FAIL', e.message);
  console.error(e);
  process.exit(1);
});
