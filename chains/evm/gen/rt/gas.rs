// SPDX-License-Identifier: Apache-2.0
//! The gas check: what a transaction will use and what limit to give it, before it is sent.

use crate::runtime::{CallBuilder, Network, Provider, Result};
use alloy::contract::CallDecoder;
use alloy::providers::PendingTransactionBuilder;

/// All in units of gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GasReport {
    pub limit: u64,
    pub used: u64,
    pub interval: (u64, u64),
}

/// Asks the node what the call would use if it were sent.
///
/// # Errors
/// What the node answers, among it the contract's refusal.
pub async fn check<P, D, N>(call: &CallBuilder<P, D, N>) -> Result<GasReport>
where
    P: Provider<N>,
    D: CallDecoder,
    N: Network,
{
    let limit = call.estimate_gas().await?;
    Ok(GasReport { limit, used: limit, interval: (limit, limit) })
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
