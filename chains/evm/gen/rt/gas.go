// SPDX-License-Identifier: Apache-2.0

package abirt

import (
	"context"

	ethereum "github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
)

// GasReport says what a transaction will use and what limit to give it, in units of gas.
type GasReport struct {
	Limit, Used uint64
	Interval    [2]uint64
}

// GasCheck asks the node what a transaction would use if it were sent.
func GasCheck(ctx context.Context, backend bind.ContractBackend, msg ethereum.CallMsg) (GasReport, error) {
	limit, err := backend.EstimateGas(ctx, msg)
	if err != nil {
		return GasReport{}, err
	}
	return GasReport{Limit: limit, Used: limit, Interval: [2]uint64{limit, limit}}, nil
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
