// SPDX-License-Identifier: Apache-2.0
// cosmjs.mjs URL: every call of @cosmjs/tendermint-rpc's client for CometBFT 0.38 to a running kvstore node, by HTTP and by
// WebSocket; its decoders are strict about what they get. Prints "ok NAME" or "FAIL NAME: ..." for each.
import { Comet38Client, HttpClient, HttpBatchClient, WebsocketClient, connectComet, comet38 } from "@cosmjs/tendermint-rpc";

const url = process.argv[2];
const text = (s) => new TextEncoder().encode(s);
let failed = 0, passed = 0;
async function check(name, fn) {
  try {
    await fn();
    passed++;
    console.log(`ok ${name}`);
  } catch (e) {
    failed++;
    console.log(`FAIL ${name}: ${e.message}`);
  }
}
function assert(is, what) { if (!is) throw new Error(what); }
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const first = (stream, ms = 10000) => new Promise((resolve, reject) => {
  const t = setTimeout(() => { reject(new Error("nothing came")); }, ms);
  const sub = stream.subscribe({
    next: (v) => { clearTimeout(t); resolve(v); setTimeout(() => sub.unsubscribe(), 0); },
    error: (e) => { clearTimeout(t); reject(e); },
    complete: () => { clearTimeout(t); reject(new Error("the stream ended")); },
  });
});

async function calls(kind, c) {
  const ok = (name, fn) => check(`${kind} ${name}`, fn);
  let height, hash;
  await ok("status", async () => {
    const s = await c.status();
    height = s.syncInfo.latestBlockHeight;
    assert(height > 0 && s.nodeInfo.version.startsWith("0.38.") && s.validatorInfo.pubkey.data.length === 32, "status");
  });
  await ok("health", async () => assert((await c.health()) === null, "health"));
  await ok("abciInfo", async () => assert((await c.abciInfo()).lastBlockHeight >= 0, "abciInfo"));
  await ok("broadcastTxCommit", async () => {
    const r = await c.broadcastTxCommit({ tx: text(`${kind}=1`) });
    assert(comet38.broadcastTxCommitSuccess(r) && r.height > 0 && r.txResult.events.length > 0, "not committed");
    [height, hash] = [r.height, r.hash];
  });
  await ok("broadcastTxSync", async () => assert((await c.broadcastTxSync({ tx: text(`${kind}sync=1`) })).code === 0, "code"));
  await ok("broadcastTxAsync", async () => assert((await c.broadcastTxAsync({ tx: text(`${kind}async=1`) })).hash.length === 32, "hash"));
  await ok("a refused transaction", async () => assert((await c.broadcastTxSync({ tx: text("none") })).code > 0, "code"));
  await ok("abciQuery", async () => {
    const q = await c.abciQuery({ path: "/key", data: text(kind), prove: false });
    assert(new TextDecoder().decode(q.value) === "1", "value");
  });
  await ok("block", async () => assert((await c.block(height)).block.txs.length >= 1, "transactions"));
  await ok("the last block", async () => assert((await c.block()).block.header.height >= height, "height"));
  await ok("blockResults", async () => assert((await c.blockResults(height)).results.length >= 1, "results"));
  await ok("blockchain", async () => assert((await c.blockchain(1, height)).blockMetas.length > 0, "metas"));
  await ok("commit", async () => assert((await c.commit(height)).commit.signatures.length === 1, "signatures"));
  await ok("genesis", async () => assert((await c.genesis()).validators.length === 1, "validators"));
  await ok("numUnconfirmedTxs", async () => assert((await c.numUnconfirmedTxs()).total >= 0, "total"));
  await ok("validators", async () => assert((await c.validators({ height, per_page: 100 })).validators.length === 1, "validators"));
  await ok("validatorsAll", async () => assert((await c.validatorsAll(height)).total === 1, "validators"));
  await ok("tx", async () => {
    for (let i = 0; ; i++) {
      try {
        const t = await c.tx({ hash, prove: true });
        assert(t.height === height && t.proof.proof.total >= 1 && t.result.code === 0, "transaction");
        return;
      } catch (e) { if (i === 50) throw e; await sleep(50); }
    }
  });
  await ok("txSearch", async () => {
    const r = await c.txSearch({ query: `tx.height=${height}`, page: 1, per_page: 10, prove: true, order_by: "desc" });
    assert(r.totalCount >= 1, "found");
  });
  await ok("txSearchAll", async () => assert((await c.txSearchAll({ query: "tx.height>0" })).totalCount >= 1, "found"));
  await ok("blockSearch", async () => assert((await c.blockSearch({ query: `block.height=${height}` })).totalCount === 1, "found"));
  await ok("blockSearchAll", async () => assert((await c.blockSearchAll({ query: `block.height<=${height}` })).totalCount >= 1, "found"));
  await ok("an error", async () => {
    try { await c.block(height + 100000); } catch (e) { assert(/must be less than or equal/.test(e.message), e.message); return; }
    throw new Error("no error");
  });
}

await check("connectComet finds the version", async () => {
  const c = await connectComet(url);
  assert(c instanceof Comet38Client, c.constructor.name);
  c.disconnect();
});
await calls("http", await Comet38Client.create(new HttpClient(url)));
await calls("batch", await Comet38Client.create(new HttpBatchClient(url, { batchSizeLimit: 10, dispatchInterval: 5 })));
const ws = new WebsocketClient(url.replace("http", "ws"), (e) => { console.log(`FAIL websocket: ${e.message}`); failed++; });
const w = await Comet38Client.create(ws);
await calls("websocket", w);
await check("subscribeNewBlock", async () => assert((await first(w.subscribeNewBlock())).header.height > 0, "height"));
await check("subscribeNewBlockHeader", async () => assert((await first(w.subscribeNewBlockHeader())).height > 0, "height"));
await check("subscribeTx", async () => {
  const seen = first(w.subscribeTx());
  await sleep(100);
  const r = await w.broadcastTxCommit({ tx: text("seen=1") });
  const e = await seen;
  assert(e.height === r.height && new TextDecoder().decode(e.tx) === "seen=1" && e.result.events.length > 0, "event");
});
await check("subscribeTx with a query", async () => {
  const seen = first(w.subscribeTx("app.key='wanted'"));
  await sleep(100);
  await w.broadcastTxSync({ tx: text("other=1") });
  await w.broadcastTxSync({ tx: text("wanted=1") });
  assert(new TextDecoder().decode((await seen).tx) === "wanted=1", "event");
});
await check("three subscriptions at once", async () => {
  const all = [w.subscribeNewBlock(), w.subscribeNewBlockHeader(), w.subscribeTx()].map((s) => first(s));
  await sleep(100);
  await w.broadcastTxSync({ tx: text("three=1") });
  await Promise.all(all);
});
w.disconnect();
console.log(`${passed} calls, ${failed} failed`);
process.exit(failed ? 1 : 0);
