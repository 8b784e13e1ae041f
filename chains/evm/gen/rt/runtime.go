// SPDX-License-Identifier: Apache-2.0

// Package abirt is what every package of this module shares: parameter lists, logs, and reverts as
// errors.
package abirt

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"

	ethereum "github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Field describes one parameter or one field of a tuple.
type Field = abi.ArgumentMarshaling

// Args makes a parameter list.
func Args(fields ...Field) abi.Arguments {
	args := make(abi.Arguments, len(fields))
	for i, f := range fields {
		t, err := abi.NewType(f.Type, "", f.Components)
		if err != nil {
			panic(fmt.Sprintf("abirt: type %q: %v", f.Type, err)) // generated, so never
		}
		args[i] = abi.Argument{Name: f.Name, Type: t, Indexed: f.Indexed}
	}
	return args
}

// Pack encodes a call.
func Pack(selector [4]byte, args abi.Arguments, values ...any) ([]byte, error) {
	data, err := args.Pack(values...)
	if err != nil {
		return nil, err
	}
	return append(selector[:], data...), nil
}

// ErrEmptyReturn is what comes of return data without a byte where values are due: most often no
// contract is at that address.
var ErrEmptyReturn = errors.New("the call returned no data")

// Unpack decodes return data, event data or an error's arguments.
func Unpack(args abi.Arguments, data []byte) ([]any, error) {
	if len(args) > 0 && len(data) == 0 {
		return nil, ErrEmptyReturn
	}
	return args.UnpackValues(data)
}

// Unpack1 decodes one value.
func Unpack1[T any](args abi.Arguments, data []byte) (T, error) {
	values, err := Unpack(args, data)
	if err != nil {
		var zero T
		return zero, err
	}
	return Convert[T](values[0]), nil
}

// Convert turns a value of the codec into its generated type.
func Convert[T any](value any) T {
	if t, ok := value.(T); ok {
		return t
	}
	return *abi.ConvertType(value, new(T)).(*T)
}

// Topics decodes the indexed values of a log. Topics are 32-byte words: side by side they are the
// encoding of a tuple without dynamic parts.
func Topics(log *types.Log, id *common.Hash, args abi.Arguments) ([]any, error) {
	words := log.Topics
	if id != nil {
		if len(words) == 0 {
			return nil, bind.ErrNoEventSignature
		}
		if words[0] != *id {
			return nil, bind.ErrEventSignatureMismatch
		}
		words = words[1:]
	}
	if len(words) != len(args) {
		return nil, fmt.Errorf("expected %d indexed values, got %d", len(args), len(words))
	}
	data := make([]byte, 0, 32*len(words))
	for _, w := range words {
		data = append(data, w[:]...)
	}
	return Unpack(args, data)
}

// Rule is what one topic of a filter may be: no value at all matches every one.
func Rule[T any](values []T) []any {
	rule := make([]any, len(values))
	for i, v := range values {
		rule[i] = v
	}
	return rule
}

// Logs asks for the logs of a range of blocks.
func Logs(backend bind.ContractFilterer, opts *bind.FilterOpts, at common.Address, id *common.Hash,
	rules ...[]any) ([]types.Log, error) {
	topics, err := abi.MakeTopics(rules...)
	if err != nil {
		return nil, err
	}
	if id != nil {
		topics = append([][]common.Hash{{*id}}, topics...)
	}
	for len(topics) > 0 && len(topics[len(topics)-1]) == 0 {
		topics = topics[:len(topics)-1]
	}
	query := ethereum.FilterQuery{Addresses: []common.Address{at}, Topics: topics}
	ctx := context.Background()
	if opts != nil {
		query.FromBlock = new(big.Int).SetUint64(opts.Start)
		if opts.End != nil {
			query.ToBlock = new(big.Int).SetUint64(*opts.End)
		}
		if opts.Context != nil {
			ctx = opts.Context
		}
	}
	return backend.FilterLogs(ctx, query)
}

// Link puts the addresses of libraries in place of their placeholders.
func Link(code string, libraries map[string]common.Address) ([]byte, error) {
	for placeholder, at := range libraries {
		code = strings.ReplaceAll(code, placeholder, hex.EncodeToString(at[:]))
	}
	return hex.DecodeString(code)
}

// RevertError is require(false, reason).
type RevertError struct{ Reason string }

func (e *RevertError) Error() string { return "reverted: " + e.Reason }

// PanicError is assert(false), an overflow, an index out of bounds and the like.
type PanicError struct{ Code *big.Int }

func (e *PanicError) Error() string { return fmt.Sprintf("reverted: panic 0x%x", e.Code) }

// UnknownError is revert data that is no error of the contract: perhaps nothing at all.
type UnknownError struct{ Data []byte }

func (e *UnknownError) Error() string {
	if len(e.Data) == 0 {
		return "reverted without data"
	}
	return fmt.Sprintf("reverted with 0x%x", e.Data)
}

var (
	reason = Args(Field{Name: "reason", Type: "string"})
	code   = Args(Field{Name: "code", Type: "uint256"})
)

// Builtin is the error in revert data that every contract may raise, or an UnknownError.
func Builtin(data []byte) error {
	if len(data) >= 4 {
		switch [4]byte(data) {
		case [4]byte{0x08, 0xc3, 0x79, 0xa0}:
			if s, err := Unpack1[string](reason, data[4:]); err == nil {
				return &RevertError{Reason: s}
			}
		case [4]byte{0x4e, 0x48, 0x7b, 0x71}:
			if n, err := Unpack1[*big.Int](code, data[4:]); err == nil {
				return &PanicError{Code: n}
			}
		}
	}
	return &UnknownError{Data: data}
}

// RevertData is what a node says a call reverted with; false where the error is no revert.
func RevertData(err error) ([]byte, bool) {
	var withData interface{ ErrorData() any }
	if !errors.As(err, &withData) {
		return nil, false
	}
	text, ok := withData.ErrorData().(string)
	if !ok {
		return nil, false
	}
	data, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	return data, err == nil
}
