// SPDX-License-Identifier: Apache-2.0
//! The gas check: what a transaction will use and what limit to give it, before it is sent. These are
//! different numbers: refunds come back only at the end, and a call keeps a 64th back from its callee.
//! What others may change first is simulated: the contract's recent transactions, and this call from
//! others and with other arguments, are put in front of it. The same algorithm, to the unit, runs in every language of sennit.

use crate::runtime::{CallBuilder, Error, Network, Provider, Result};
use alloy::contract::CallDecoder;
use alloy::primitives::{U256, hex::encode};
use alloy::providers::PendingTransactionBuilder;
use alloy::rpc::client::{BatchRequest, ClientRef};
use alloy::transports::{TransportError, TransportErrorKind};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// EIP-7825: no transaction may ask for more.
pub const TX_GAS_MAX: u64 = 16_777_216;

// Of history: blocks, a batch of them, transactions in them, those to the contract that are enough and kept.
const BLOCKS: u64 = 32;
const BATCH: u64 = 8;
const LOOK_MAX: usize = 1500;
const ENOUGH: usize = 16;
const KEPT: usize = 64;
// Calls that are tried first, argument words that are changed for it, times that each is repeated.
const NEIGHBOURS: usize = 23;
const WORDS: usize = 4;
const REPEAT_MAX: u64 = 6;
const LATER_S: u64 = 60;
const ROUNDS: u32 = 3;
const RETRIES: u32 = 3;
const SLOT_FIRST: u64 = 17_100;
const SLOT_REFUND: u64 = 4_800;
const UNSEEN_PERCENT: u64 = 3;
/// In per cent: a 64th for each nested call, a quarter for a refund at its cap, loops.
const LADDER: [u64; 17] = [0, 1, 2, 4, 6, 8, 12, 16, 20, 25, 28, 34, 50, 75, 100, 300, 1000];

/// How the node was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Simulate,
    Trace,
    /// Knows `used` as an upper bound only.
    Bisect,
}
/// All in units of gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GasReport {
    /// To put into the transaction: it suffices in every simulated order.
    pub limit: u64,
    /// Most likely the receipt's gasUsed.
    pub used: u64,
    /// Where gasUsed will be, whatever of the simulated comes first.
    pub interval: (u64, u64),
    pub method: Method,
    /// No simulated order moved `used` by more than 1.2 %.
    pub steady: bool,
}

/// An order of things: what comes before the call, or a later clock.
#[derive(Clone, Default)]
struct Scene {
    before: Option<Value>,
    repeat: u64,
    time: Option<u64>,
}
#[derive(Clone)]
struct Outcome {
    scene: Scene,
    ok: bool,
    used: u64,
}
struct Newest {
    number: u64,
    time: u64,
    cap: u64,
    state: Value,
}
enum Failed {
    NotOffered(TransportError),
    Other(TransportError),
}
impl From<TransportError> for Failed {
    fn from(e: TransportError) -> Self {
        Self::Other(e)
    }
}
impl From<Failed> for Error {
    fn from(e: Failed) -> Self {
        match e {
            Failed::NotOffered(e) | Failed::Other(e) => Self::TransportError(e),
        }
    }
}
type Checked<T> = std::result::Result<T, Failed>;

fn quantity(value: &Value, what: &str) -> Checked<u64> {
    value
        .as_str()
        .and_then(|s| s.strip_prefix("0x").or_else(|| s.strip_prefix("0X")))
        .filter(|digits| digits.len() <= 14 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or_else(|| {
            let text = format!("gas check: {what}: \"0x...\" of at most 56 bits expected, the node said {value}");
            Failed::Other(TransportErrorKind::custom_str(&text))
        })
}
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("")
}
fn hex(n: u64) -> String {
    format!("{n:#x}")
}
/// Selector and length of the data.
fn kind(call: &Value) -> (String, usize) {
    let input = text(call, "input");
    (input.get(..10).unwrap_or(input).to_lowercase(), input.len())
}
fn changed(call: &Value, key: &str, value: Value) -> Value {
    let mut call = call.clone();
    call[key] = value;
    call
}
/// The call with one of its first words one more, one less or 0: what others of its sender may have asked for.
fn variants(call: &Value) -> Vec<Value> {
    let (data, mut all) = (text(call, "input"), Vec::new());
    for at in (10..).step_by(64).take(WORDS) {
        let Some(v) = data.get(at..at + 64).and_then(|word| U256::from_str_radix(word, 16).ok()) else {
            break;
        };
        let to = [
            Some(v.wrapping_add(U256::ONE)),
            (v > U256::ONE).then(|| v - U256::ONE),
            (!v.is_zero()).then_some(U256::ZERO),
        ];
        for word in to.into_iter().flatten().map(|x| encode(x.to_be_bytes::<32>())) {
            let input = format!("{}{word}{}", &data[..at], &data[at + 64..]);
            all.push(changed(call, "input", input.into()));
        }
    }
    all
}
/// The first from which on all succeed.
fn first_good(outcomes: &[Outcome]) -> usize {
    outcomes.len() - outcomes.iter().rev().take_while(|o| o.ok).count()
}
/// The first of those that used the most.
fn dearest(outcomes: &[Outcome]) -> &Outcome {
    outcomes.iter().fold(&outcomes[0], |most, o| if o.used > most.used { o } else { most })
}

struct Checker<'a> {
    client: ClientRef<'a>,
    call: Value,
    drift: u64,
    floor: u64,
    intrinsic: u64,
}

impl Checker<'_> {
    /// Gas before the first instruction, and EIP-7623's least.
    fn set_costs(&mut self) {
        let data = alloy::hex::decode(text(&self.call, "input")).unwrap_or_default();
        let tokens: u64 = data.iter().map(|&b| if b == 0 { 1 } else { 4 }).sum();
        let words = (data.len() as u64).div_ceil(32);
        let creation = if self.to().is_empty() { 32_000 + 2 * words } else { 0 };
        self.floor = 21_000 + 10 * tokens;
        self.intrinsic = 21_000 + 4 * tokens + creation;
    }
    fn to(&self) -> &str {
        text(&self.call, "to")
    }
    fn question(&self, how: Method, scene: &Scene, gas: Option<u64>) -> (&'static str, Value) {
        let mut call = self.call.clone();
        let mut block = Map::new();
        if let Some(gas) = gas {
            call["gas"] = hex(gas).into();
        }
        if let Some(time) = scene.time {
            block.insert("blockOverrides".into(), json!({ "time": hex(time) }));
        }
        match how {
            Method::Simulate => {
                block.insert("calls".into(), json!([call]));
                let mut blocks = vec![Value::Object(block)];
                if let Some(before) = &scene.before {
                    let calls: Vec<&Value> = (0..scene.repeat).map(|_| before).collect();
                    blocks.insert(0, json!({ "calls": calls }));
                }
                ("eth_simulateV1", json!([{ "blockStateCalls": blocks, "validation": false }, "pending"]))
            }
            Method::Trace => {
                block.insert("tracer".into(), "callTracer".into());
                ("debug_traceCall", json!([call, "pending", block]))
            }
            Method::Bisect => ("eth_call", json!([call, "pending"])),
        }
    }
    fn outcome(how: Method, scene: &Scene, answer: std::result::Result<Value, TransportError>) -> Checked<Outcome> {
        let scene = scene.clone();
        let answer = match answer {
            Ok(answer) => answer,
            Err(e) => {
                let Some(said) = e.as_error_resp() else { return Err(e.into()) };
                let message = said.message.to_lowercase();
                let says = |texts: &[&str]| texts.iter().any(|t| message.contains(t));
                if said.code == -32005 || says(&["rate limit", "too many requests"]) {
                    return Err(e.into());
                }
                let own = said.code == 3
                    || says(&["revert", "execution failed", "out of gas", "outofgas", "out ofgas", "outof gas", "oog"])
                    || says(&["evm error", "gas too low", "gas required exceeds", "gas floor"]);
                if !own && scene.before.is_none() && scene.time.is_none() {
                    return Err(Failed::NotOffered(e));
                }
                return Ok(Outcome { scene, ok: false, used: 0 });
            }
        };
        let (ok, used) = match how {
            Method::Simulate => {
                let mine = &answer[usize::from(scene.before.is_some())]["calls"][0];
                (mine["status"] == "0x1", quantity(&mine["gasUsed"], "gasUsed")?)
            }
            Method::Trace => (text(&answer, "error").is_empty(), quantity(&answer["gasUsed"], "gasUsed")?),
            Method::Bisect => (true, 0),
        };
        Ok(Outcome { scene, ok, used })
    }
    /// Tries the call in each scene with its limit, in one batch.
    async fn probe(&self, how: Method, tries: &[(Scene, Option<u64>)]) -> Checked<Vec<Outcome>> {
        let mut batch = BatchRequest::new(self.client);
        let mut waiters = Vec::with_capacity(tries.len());
        for (scene, gas) in tries {
            let (method, params) = self.question(how, scene, *gas);
            waiters.push(batch.add_call::<_, Value>(method, &params)?);
        }
        batch.send().await?;
        let mut outcomes = Vec::with_capacity(tries.len());
        for ((scene, _), waiter) in tries.iter().zip(waiters) {
            outcomes.push(Self::outcome(how, scene, waiter.await)?);
        }
        Ok(outcomes)
    }
    async fn newest(&self) -> Checked<Newest> {
        let params = json!(["latest", false]);
        let block: Value = self.client.request("eth_getBlockByNumber", params).await?;
        Ok(Newest {
            number: quantity(&block["number"], "block number")?,
            time: quantity(&block["timestamp"], "timestamp")?,
            cap: quantity(&block["gasLimit"], "gasLimit")?.min(TX_GAS_MAX),
            state: block["stateRoot"].clone(),
        })
    }
    /// The newest transactions to the contract, newest first.
    async fn pasts(&self, newest: u64) -> Checked<Vec<Value>> {
        let (mut found, mut looked, mut from) = (Vec::new(), 0, 0);
        if self.drift == 0 || self.to().is_empty() {
            return Ok(found);
        }
        while from < BLOCKS && from <= newest && found.len() < ENOUGH && looked < LOOK_MAX {
            let mut batch = BatchRequest::new(self.client);
            let mut waiters = Vec::new();
            for n in (from..from + BATCH).take_while(|n| *n <= newest) {
                let params = json!([hex(newest - n), true]);
                waiters.push(batch.add_call::<_, Value>("eth_getBlockByNumber", &params)?);
            }
            from += BATCH;
            batch.send().await?;
            for waiter in waiters {
                let block = waiter.await.unwrap_or_default();
                let txs = block["transactions"].as_array().map_or(&[][..], Vec::as_slice);
                looked += txs.len();
                for tx in txs.iter().rev() {
                    // Lists change what is warm: not a likely neighbour.
                    let warm = tx["accessList"].as_array().is_some_and(|list| !list.is_empty());
                    let ours = text(tx, "to").eq_ignore_ascii_case(self.to()) && !text(tx, "from").is_empty();
                    if found.len() == KEPT || warm || !ours {
                        continue;
                    }
                    let mut past = json!({ "from": tx["from"], "to": self.to(), "input": text(tx, "input") });
                    if !text(tx, "value").is_empty() {
                        past["value"] = tx["value"].clone();
                    }
                    found.push(past);
                }
            }
        }
        Ok(found)
    }
    /// What others may do first, likeliest first.
    fn scenes(&self, history: &[Value], time: u64) -> Vec<Scene> {
        let later = Scene { time: Some(time + LATER_S), ..Scene::default() };
        let mut all = vec![Scene::default(), later];
        if self.drift == 0 || self.to().is_empty() {
            return all;
        }
        let (mut first, mut more, mut kinds) = (vec![self.call.clone()], Vec::new(), HashSet::new());
        let mine = text(&self.call, "from");
        if let Some(other) = history.iter().find(|p| !text(p, "from").eq_ignore_ascii_case(mine)) {
            first.push(changed(&self.call, "from", other["from"].clone()));
        }
        first.append(&mut variants(&self.call));
        for past in history {
            if !kinds.insert(kind(past)) {
                more.push(past.clone()); // of the same kinds, with other arguments
                continue;
            }
            first.push(past.clone());
        }
        first.append(&mut more);
        for before in first.into_iter().take(NEIGHBOURS) {
            all.push(Scene { before: Some(before.clone()), repeat: 1, time: None });
            if self.drift > 1 {
                all.push(Scene { before: Some(before), repeat: self.drift.min(REPEAT_MAX), time: None });
            }
        }
        all
    }
    /// The least limit at which the scene succeeds; `cap` where none does.
    async fn least(&self, how: Method, o: &Outcome, cap: u64) -> Checked<u64> {
        let base = self.floor.max(if how == Method::Bisect { self.intrinsic } else { o.used }).min(cap);
        let mut gas: Vec<u64> = LADDER.iter().map(|l| cap.min(base + base * l / 100)).collect();
        gas.push(cap);
        let tries = |gas: &[u64]| gas.iter().map(|g| (o.scene.clone(), Some(*g))).collect::<Vec<_>>();
        let mut first = first_good(&self.probe(how, &tries(&gas)).await?);
        if first == gas.len() {
            return Ok(cap);
        }
        let (mut low, mut high) = (gas[first.saturating_sub(1)], gas[first]);
        while high - low > 1 {
            gas = (1..16).map(|i| low + (high - low) * i / 16).collect();
            first = first_good(&self.probe(how, &tries(&gas)).await?);
            low = if first > 0 { gas[first - 1] } else { low };
            high = gas.get(first).copied().unwrap_or(high);
        }
        Ok(high)
    }
    /// The best method that the node has, and what it says of the scenes.
    async fn try_scenes(&self, scenes: &[Scene], cap: u64) -> Checked<(Method, Vec<Outcome>)> {
        for (how, n) in [(Method::Simulate, scenes.len()), (Method::Trace, 2)] {
            let tries: Vec<_> = scenes[..n].iter().map(|s| (s.clone(), None)).collect();
            match self.probe(how, &tries).await {
                Err(Failed::NotOffered(_)) => {}
                answered => return answered.map(|outcomes| (how, outcomes)),
            }
        }
        let outcomes = self.probe(Method::Bisect, &[(Scene::default(), Some(cap))]).await?;
        Ok((Method::Bisect, outcomes))
    }
    /// One round of questions; nothing where the call fails.
    async fn once(&self, scenes: &[Scene], cap: u64) -> Checked<Option<GasReport>> {
        let (how, tried) = self.try_scenes(scenes, cap).await?;
        if !tried[0].ok {
            return Ok(None);
        }
        let mut good: Vec<Outcome> = tried.into_iter().filter(|o| o.ok).collect();
        let mut limit = self.least(how, dearest(&good), cap).await?;
        for _ in 0..ROUNDS {
            let tries: Vec<_> = good.iter().map(|o| (o.scene.clone(), Some(limit))).collect();
            let checked = self.probe(how, &tries).await?;
            let failed: Vec<Outcome> =
                good.iter().zip(&checked).filter(|(_, c)| !c.ok).map(|(o, _)| o.clone()).collect();
            if failed.is_empty() {
                good = checked; // a program may look at its gas: what it uses with this limit counts
                break;
            }
            limit = limit.max(self.least(how, dearest(&failed), cap).await?);
        }
        Ok(Some(self.report(how, &good, limit, cap)))
    }
    fn report(&self, method: Method, good: &[Outcome], enough: u64, cap: u64) -> GasReport {
        let bisected = method == Method::Bisect;
        let (mut limit, mut used, mut high) = (enough, good[0].used, dearest(good).used);
        let mut low = good.iter().map(|o| o.used).min().unwrap_or(used);
        if bisected {
            (used, high, low) = (limit, limit, limit - limit / 5 - limit / 32);
        }
        let around = used * 12 / 1000;
        let mut steady = !bisected && low + around >= used && high <= used + around;
        if used == self.floor.max(self.intrinsic) && text(&self.call, "input").len() <= 2 {
            steady = true; // no instruction ran: nothing can move
        } else {
            low -= low * 12 / 1000;
            high += (high * 12).div_ceil(1000);
            if self.drift > 0 && method != Method::Simulate {
                // What others do first cannot be simulated: a slot's price for it (EIP-2200, 3529).
                low = low.saturating_sub(SLOT_FIRST + SLOT_REFUND);
                high += SLOT_FIRST;
                limit += SLOT_FIRST;
                steady = false;
            } else if self.drift > 0 {
                limit += used * UNSEEN_PERCENT / 100; // what none of the simulated orders shows
            }
        }
        limit = limit.min(cap).max(enough).max(self.floor);
        let interval = (low.max(self.floor).min(used), high.min(limit).max(used));
        GasReport { limit, used, interval, method, steady }
    }
}

/// Asks the node what the call will use if it is included after so many more blocks. A state that
/// moves meanwhile starts the questions again, three times at most.
///
/// # Errors
/// What the node answers, among it the contract's refusal.
pub async fn check_after<P, D, N>(call: &CallBuilder<P, D, N>, drift: u64) -> Result<GasReport>
where
    P: Provider<N>,
    D: CallDecoder,
    N: Network,
{
    let given = serde_json::to_value(call.as_ref()).map_err(TransportErrorKind::custom)?;
    let mut asked = json!({ "input": "0x" });
    for (key, from) in [("from", "from"), ("to", "to"), ("value", "value"), ("input", "data"), ("input", "input")] {
        if given[from].is_string() {
            asked[key] = given[from].clone();
        }
    }
    let client = call.provider.client();
    let mut checker = Checker { client, call: asked, drift, floor: 0, intrinsic: 0 };
    checker.set_costs();
    let mut newest = checker.newest().await?;
    let mut tries = 0;
    loop {
        let history = checker.pasts(newest.number).await?;
        let report = checker.once(&checker.scenes(&history, newest.time), newest.cap).await?;
        let Some(report) = report else {
            call.estimate_gas().await?; // with what the contract says
            return Err(TransportErrorKind::custom_str("gas check: the transaction would fail").into());
        };
        let before = newest.state;
        newest = checker.newest().await?;
        if newest.state == before || tries == RETRIES {
            return Ok(report);
        }
        tries += 1;
    }
}

/// Asks the node what the call will use if it is included after one more block.
///
/// # Errors
/// What the node answers, among it the contract's refusal.
pub async fn check<P, D, N>(call: &CallBuilder<P, D, N>) -> Result<GasReport>
where
    P: Provider<N>,
    D: CallDecoder,
    N: Network,
{
    check_after(call, 1).await
}

/// Sends the call with the limit that the check finds.
///
/// # Errors
/// What the node answers, among it the contract's refusal.
pub async fn send<P, D, N>(
    call: CallBuilder<P, D, N>,
) -> Result<(PendingTransactionBuilder<N>, GasReport)>
where
    P: Provider<N>,
    D: CallDecoder,
    N: Network,
{
    let report = check(&call).await?;
    let pending = call.gas(report.limit).send().await?;
    Ok((pending, report))
}
