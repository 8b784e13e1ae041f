// SPDX-License-Identifier: Apache-2.0
// Unmodified npm clients (consul, nacos, ctrip-apollo) against the registry server: each line printed is
// a check that held. usage: node clients.cjs CONSUL_PORT NACOS_PORT APOLLO_PORT, NODE_PATH with the packages.
const assert = require('assert');
const [consulPort, nacosPort, apolloPort] = process.argv.slice(2).map(Number);
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const ok = (what) => console.log('ok ' + what);
const until = async (what, fn, ms = 15000) => {
  const end = Date.now() + ms;
  for (;;) {
    const v = await fn();
    if (v) return v;
    if (Date.now() > end) throw new Error('not in time: ' + what);
    await sleep(50);
  }
};
const put = async (path, body) => {
  const r = await fetch(`http://127.0.0.1:${apolloPort}${path}`, { method: 'PUT', body: JSON.stringify(body) });
  assert.equal(r.status, 200);
};

async function consul() {
  const Consul = require('consul');
  const c = new Consul({ host: '127.0.0.1', port: consulPort });
  await c.agent.service.register({ name: 'npm-web', id: 'npm-1', address: '10.1.0.1', port: 81, tags: ['a', 'b'],
    meta: { v: '1' }, check: { name: 'beat', ttl: '10s', status: 'critical', notes: 'n' } });
  let list = await c.health.service('npm-web');
  assert.equal(list.length, 1);
  assert.equal(list[0].Checks[0].Status, 'critical');
  assert.deepEqual(list[0].Service.Tags, ['a', 'b']);
  assert.equal((await c.health.service({ service: 'npm-web', passing: true })).length, 0);
  ok('consul: a service begins critical');
  const seen = [];
  const watch = c.watch({ method: c.health.service, options: { service: 'npm-web', passing: true }, backoffFactor: 100 });
  watch.on('change', (d) => seen.push(d.length));
  await until('first answer of the watch', () => seen.length === 1);
  await c.agent.check.pass('service:npm-1');
  await until('the watch sees it pass', () => seen.at(-1) === 1, 5000);
  ok('consul: watch sees a check pass');
  await c.agent.check.warn('service:npm-1');
  await until('the watch sees the warning', () => seen.at(-1) === 0, 5000);
  watch.end();
  assert.ok((await c.catalog.service.list())['npm-web'].includes('b'));
  assert.equal((await c.catalog.service.nodes('npm-web'))[0].ServicePort, 81);
  assert.equal((await c.agent.services())['npm-1'].Meta.v, '1');
  assert.equal((await c.agent.checks())['service:npm-1'].Status, 'warning');
  ok('consul: catalogue and agent agree');
  await c.kv.set('npm/a', 'hello');
  assert.equal((await c.kv.get('npm/a')).Value, 'hello');
  const index = (await c.kv.get('npm/a')).ModifyIndex;
  assert.ok(!(await c.kv.set({ key: 'npm/a', value: 'no', cas: index - 1 })));
  assert.equal(await c.kv.set({ key: 'npm/a', value: 'yes', cas: index }), true);
  assert.ok(!(await c.kv.set({ key: 'npm/a', value: 'no', cas: 0 })));
  await c.kv.set('npm/b/c', '1');
  assert.deepEqual(await c.kv.keys('npm/'), ['npm/a', 'npm/b/c']);
  assert.equal(await c.kv.get('npm/none'), undefined);
  ok('consul: keys, check-and-set');
  const s = (await c.session.create({ ttl: '15s', name: 'lock', behavior: 'release' })).ID;
  const t = (await c.session.create({ ttl: '15s' })).ID;
  assert.equal(await c.kv.set({ key: 'npm/lock', value: 'me', acquire: s }), true);
  assert.ok(!(await c.kv.set({ key: 'npm/lock', value: 'you', acquire: t })));
  assert.equal((await c.kv.get('npm/lock')).Session, s);
  await c.session.renew(s);
  await c.session.destroy(s);
  assert.equal((await c.kv.get('npm/lock')).Session, undefined);
  assert.equal(await c.kv.set({ key: 'npm/lock', value: 'you', acquire: t }), true);
  ok('consul: locks by sessions');
  await c.kv.del({ key: 'npm/', recurse: true });
  assert.equal(await c.kv.keys('npm/').catch(() => undefined), undefined);
  await c.agent.service.deregister('npm-1');
  assert.equal((await c.health.service('npm-web')).length, 0);
  ok('consul: deregistered');
}

async function nacos() {
  const { NacosNamingClient, NacosConfigClient } = require('nacos');
  const quiet = { info() {}, warn() {}, error() {}, debug() {} };
  const n = new NacosNamingClient({ logger: { ...console, ...quiet }, serverList: `127.0.0.1:${nacosPort}`, namespace: 'public' });
  await n.ready();
  await n.registerInstance('npm-pay', { ip: '10.2.0.1', port: 82, metadata: { v: '2' } });
  const hosts = await until('registered', async () => { const h = await n.getAllInstances('npm-pay'); return h.length && h; });
  assert.equal(hosts[0].ip, '10.2.0.1');
  assert.equal(hosts[0].metadata.v, '2');
  ok('nacos: registered and listed');
  const seen = [];
  n.subscribe('npm-pay', (h) => seen.push(h.length));
  await until('the subscription has asked', () => seen.length, 15000);
  const asked = Date.now();
  await n.registerInstance('npm-pay', { ip: '10.2.0.2', port: 83 });
  await until('two hosts by subscription', () => seen.at(-1) === 2, 15000);
  ok('nacos: a subscription sees the second instance');
  // It polls every 10 s now: what came sooner was pushed to its UDP port.
  assert.ok(Date.now() - asked < 3000, `${Date.now() - asked} ms`);
  ok('nacos: it was pushed by UDP');
  // The other face sees both.
  const r = await (await fetch(`http://127.0.0.1:${consulPort}/v1/health/service/npm-pay?passing`)).json();
  assert.deepEqual(r.map((x) => `${x.Service.Address}:${x.Service.Port}`).sort(), ['10.2.0.1:82', '10.2.0.2:83']);
  ok('nacos: Consul clients see the instances');
  await n.deregisterInstance('npm-pay', { ip: '10.2.0.2', port: 83 });
  await until('one host again', () => seen.at(-1) === 1, 15000);
  await n.deregisterInstance('npm-pay', { ip: '10.2.0.1', port: 82 });
  ok('nacos: deregistered');
  await n._close?.();
  n.close?.();

  const c = new NacosConfigClient({ serverAddr: `127.0.0.1:${nacosPort}`, namespace: '', requestTimeout: 6000, logger: { ...console, ...quiet } });
  await c.publishSingle('npm.yaml', 'DEFAULT_GROUP', 'limit: 1\nname: ä€');
  assert.equal(await c.getConfig('npm.yaml', 'DEFAULT_GROUP'), 'limit: 1\nname: ä€');
  ok('nacos: configuration published and read');
  const values = [];
  c.subscribe({ dataId: 'npm.yaml', group: 'DEFAULT_GROUP' }, (v) => values.push(v));
  await until('first value', () => values.length >= 1);
  const start = Date.now();
  await c.publishSingle('npm.yaml', 'DEFAULT_GROUP', 'limit: 2');
  await until('second value', () => values.at(-1) === 'limit: 2');
  ok('nacos: the long poll tells of a change' + (Date.now() - start < 5000 ? '' : ' (late)'));
  await c.remove('npm.yaml', 'DEFAULT_GROUP');
  c.close();
}

async function apollo() {
  const create = require('ctrip-apollo');
  await put('/configs/npm-app/default/application', { limit: '5', 'a.b': 'x y' });
  const app = create({ host: `http://127.0.0.1:${apolloPort}`, appId: 'npm-app' });
  const ns = await app.namespace('application').ready();
  assert.equal(ns.get('limit'), '5');
  assert.deepEqual(ns.config(), { limit: '5', 'a.b': 'x y' });
  ok('apollo: configurations read');
  const changes = [];
  ns.on('change', (e) => changes.push(e));
  await sleep(300);
  await put('/configs/npm-app/default/application', { limit: '6' });
  await until('a change event', () => changes.some((e) => e.key === 'limit' && e.newValue === '6'));
  ok('apollo: a notification brings the change');
}

(async () => {
  await consul();
  await nacos();
  await apollo();
  process.exit(0);
})().catch((e) => { console.log('FAIL ' + (e.stack || e)); process.exit(1); });
