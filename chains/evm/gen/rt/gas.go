// SPDX-License-Identifier: Apache-2.0

package abirt

import (
	"context"

	ethereum "github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// TxGasMax is EIP-7825's: no transaction may ask for more.
const TxGasMax = 16_777_216

// GasReport says what a transaction will use and what limit to give it, in units of gas. These are
// different numbers: refunds come back only at the end, and a call keeps a 64th back from its callee.
type GasReport struct {
	Limit    uint64    // to put into the transaction
	Used     uint64    // most likely the receipt's gasUsed
	Interval [2]uint64 // where gasUsed will be if nobody touches the same state before
	Method   string    // where Used comes from: simulate, trace, or estimate, an upper bound only
}

// used asks the node to try the call. Not every node has these methods: without an answer the next
// one is asked.
func used(ctx context.Context, client *rpc.Client, msg ethereum.CallMsg) (uint64, string) {
	call := map[string]any{"from": msg.From, "input": hexutil.Bytes(msg.Data)}
	if msg.To != nil {
		call["to"] = msg.To
	}
	if msg.Value != nil {
		call["value"] = (*hexutil.Big)(msg.Value)
	}
	var blocks []struct {
		Calls []struct {
			Status, GasUsed hexutil.Uint64
		}
	}
	simulation := map[string]any{"blockStateCalls": []any{map[string]any{"calls": []any{call}}}}
	err := client.CallContext(ctx, &blocks, "eth_simulateV1", simulation, "pending")
	if err == nil && len(blocks) == 1 && len(blocks[0].Calls) == 1 && blocks[0].Calls[0].Status == 1 {
		return uint64(blocks[0].Calls[0].GasUsed), "simulate"
	}
	var trace struct {
		GasUsed hexutil.Uint64
		Error   string
	}
	tracer := map[string]any{"tracer": "callTracer"}
	if err = client.CallContext(ctx, &trace, "debug_traceCall", call, "pending", tracer); err == nil && trace.Error == "" {
		return uint64(trace.GasUsed), "trace"
	}
	return 0, "estimate"
}

// GasCheck asks the node what the transaction would use if it were sent now.
func GasCheck(ctx context.Context, backend bind.ContractBackend, msg ethereum.CallMsg) (GasReport, error) {
	estimate, err := backend.EstimateGas(ctx, msg)
	if err != nil {
		return GasReport{}, err
	}
	r := GasReport{Method: "estimate"}
	if raw, ok := backend.(interface{ Client() *rpc.Client }); ok {
		r.Used, r.Method = used(ctx, raw.Client(), msg)
	}
	if r.Method == "estimate" {
		r.Used = estimate
	}
	// 2 % above what is enough now; a refund is at most a fifth, a 64th stays behind at nested calls.
	need := max(estimate, r.Used)
	r.Limit = min(need+(need+49)/50, max(need, TxGasMax))
	r.Interval = [2]uint64{r.Used - r.Used*12/1000, r.Used + (r.Used*12+999)/1000}
	if r.Method == "estimate" {
		r.Interval = [2]uint64{r.Used - r.Used/5 - r.Used/32, r.Used}
	}
	return r, nil
}

// Checked gives the options a gas limit where they have none.
func Checked(opts *bind.TransactOpts, backend bind.ContractBackend, to *common.Address,
	data []byte) (*bind.TransactOpts, error) {
	if opts == nil || opts.GasLimit != 0 {
		return opts, nil
	}
	ctx := opts.Context
	if ctx == nil {
		ctx = context.Background()
	}
	report, err := GasCheck(ctx, backend, ethereum.CallMsg{From: opts.From, To: to, Value: opts.Value, Data: data})
	if err != nil {
		return nil, err
	}
	with := *opts
	with.GasLimit = report.Limit
	return &with, nil
}
