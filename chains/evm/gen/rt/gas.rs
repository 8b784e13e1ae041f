// SPDX-License-Identifier: Apache-2.0
//! The gas check: what a transaction will use and what limit to give it, before it is sent. These are
//! different numbers: refunds come back only at the end, and a call keeps a 64th back from its callee.

use crate::runtime::{CallBuilder, Network, Provider, Result, U256};
use alloy::contract::CallDecoder;
use alloy::providers::PendingTransactionBuilder;
use serde_json::{Value, json};

/// EIP-7825: no transaction may ask for more.
pub const TX_GAS_MAX: u64 = 16_777_216;

/// Where `used` comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Simulate,
    Trace,
    /// An upper bound only.
    Estimate,
}
/// All in units of gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GasReport {
    /// To put into the transaction.
    pub limit: u64,
    /// Most likely the receipt's gasUsed.
    pub used: u64,
    /// Where gasUsed will be if nobody touches the same state before.
    pub interval: (u64, u64),
    pub method: Method,
}

fn quantity(value: &Value) -> Option<u64> {
    value.as_str()?.parse::<U256>().ok()?.try_into().ok()
}
/// Not every node has these methods: without an answer the next one is asked.
async fn used<P, D, N>(call: &CallBuilder<P, D, N>) -> Option<(u64, Method)>
where
    P: Provider<N>,
    D: CallDecoder,
    N: Network,
{
    let request = serde_json::to_value(call.as_ref()).ok()?;
    let params = json!([{ "blockStateCalls": [{ "calls": [request] }] }, "pending"]);
    let client = call.provider.client();
    if let Ok(blocks) = client.request::<_, Value>("eth_simulateV1", params).await {
        let simulated = &blocks[0]["calls"][0];
        if simulated["status"] == "0x1" {
            return quantity(&simulated["gasUsed"]).map(|used| (used, Method::Simulate));
        }
    }
    let params = json!([request, "pending", { "tracer": "callTracer" }]);
    let trace = client.request::<_, Value>("debug_traceCall", params).await.ok()?;
    if !trace["error"].is_null() {
        return None;
    }
    quantity(&trace["gasUsed"]).map(|used| (used, Method::Trace))
}

/// Asks the node what the call would use if it were sent now.
///
/// # Errors
/// What the node answers, among it the contract's refusal.
pub async fn check<P, D, N>(call: &CallBuilder<P, D, N>) -> Result<GasReport>
where
    P: Provider<N>,
    D: CallDecoder,
    N: Network,
{
    let estimate = call.estimate_gas().await?;
    let (used, method) = used(call).await.unwrap_or((estimate, Method::Estimate));
    // 2 % above what is enough now; a refund is at most a fifth, a 64th stays behind at nested calls.
    let need = estimate.max(used);
    let limit = (need + need.div_ceil(50)).min(need.max(TX_GAS_MAX));
    let interval = match method {
        Method::Estimate => (used - used / 5 - used / 32, used),
        _ => (used - used * 12 / 1000, used + (used * 12).div_ceil(1000)),
    };
    Ok(GasReport { limit, used, interval, method })
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
