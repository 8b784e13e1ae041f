// SPDX-License-Identifier: Apache-2.0

package abirt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"

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
// What others may change first is simulated: the contract's recent transactions, and this call from
// others and with other arguments, are put in front of it. The same algorithm, to the unit, runs in every
// language of sennit.
type GasReport struct {
	Limit    uint64    // to put into the transaction: it suffices in every simulated order
	Used     uint64    // most likely the receipt's gasUsed
	Interval [2]uint64 // where gasUsed will be, whatever of the simulated comes first
	Method   string    // how the node was asked: simulate, trace, or bisect, which knows Used as an upper bound only
	Steady   bool      // no simulated order moved Used by more than 1.2 %
}

const (
	// Of history: blocks, a batch of them, transactions in them, those to the contract that are enough
	// and kept.
	gasBlocks, gasBatch, gasLookMax, gasEnough, gasKept = 32, 8, 1500, 16, 64
	// Calls that are tried first, argument words that are changed for it, times that each is repeated.
	gasNeighbours, gasWords, gasRepeatMax         = 23, 4, 6
	gasLaterS, gasRounds, gasRetries              = 60, 3, 3
	gasSlotFirst, gasSlotRefund, gasUnseenPercent = 17_100, 4_800, 3
)

var (
	// In per cent: a 64th for each nested call, a quarter for a refund at its cap, loops.
	gasLadder  = []uint64{0, 1, 2, 4, 6, 8, 12, 16, 20, 25, 28, 34, 50, 75, 100, 300, 1000}
	gasLimited = regexp.MustCompile(`(?i)rate limit|too many requests`)
	gasFailed  = regexp.MustCompile(`(?i)revert|execution failed|out ?of ?gas|OOG|EVM error|gas too low|gas required exceeds|gas floor`)

	errNotOffered = errors.New("the node has no such method")
	errGasFails   = errors.New("gas check: the transaction would fail")
)

type gasCall map[string]any

func (c gasCall) text(key string) string { s, _ := c[key].(string); return s }
func (c gasCall) kind() string {
	in := c.text("input")
	return strings.ToLower(in[:min(len(in), 10)]) + " " + strconv.Itoa(len(in))
}
func (c gasCall) with(key string, value any) gasCall {
	changed := gasCall{key: value}
	for k, v := range c {
		if k != key {
			changed[k] = v
		}
	}
	return changed
}

// A gasScene is an order of things: what comes before the call, or a later clock.
type gasScene struct {
	before gasCall
	repeat int
	time   uint64
}
type gasTry struct {
	scene gasScene
	gas   uint64 // 0: the node's
	ok    bool
	used  uint64
}
type gasNewest struct {
	number, time, cap uint64
	state             string
}
type gasChecker struct {
	client           *rpc.Client
	call             gasCall
	drift            uint64
	floor, intrinsic uint64
}

func gasQuantity(text, what string) (uint64, error) {
	if len(text) > 2 && len(text) <= 16 && (text[:2] == "0x" || text[:2] == "0X") {
		if v, err := strconv.ParseUint(text[2:], 16, 64); err == nil {
			return v, nil
		}
	}
	return 0, fmt.Errorf(`gas check: %s: "0x..." of at most 56 bits expected, the node said %q`, what, text)
}

func (g *gasChecker) question(how string, t gasTry) rpc.BatchElem {
	call, overrides := g.call, map[string]any{}
	if t.gas != 0 {
		call = call.with("gas", hexutil.Uint64(t.gas))
	}
	if t.scene.time != 0 {
		overrides["blockOverrides"] = map[string]any{"time": hexutil.Uint64(t.scene.time)}
	}
	e := rpc.BatchElem{Result: new(json.RawMessage)}
	switch how {
	case "simulate":
		var blocks []any
		if t.scene.before != nil {
			var first []any
			for range t.scene.repeat {
				first = append(first, t.scene.before)
			}
			blocks = append(blocks, map[string]any{"calls": first})
		}
		overrides["calls"] = []any{call}
		blocks = append(blocks, overrides)
		e.Method, e.Args = "eth_simulateV1", []any{map[string]any{"blockStateCalls": blocks, "validation": false}, "pending"}
	case "trace":
		overrides["tracer"] = "callTracer"
		e.Method, e.Args = "debug_traceCall", []any{call, "pending", overrides}
	default:
		e.Method, e.Args = "eth_call", []any{call, "pending"}
	}
	return e
}

func (t *gasTry) read(how string, e rpc.BatchElem) (err error) {
	t.ok, t.used = false, 0
	if e.Error != nil {
		var coded rpc.Error
		code := 0
		if errors.As(e.Error, &coded) {
			code = coded.ErrorCode()
		}
		if code == 0 || code == -32005 || gasLimited.MatchString(e.Error.Error()) {
			return fmt.Errorf("gas check: %s: %w", e.Method, e.Error)
		}
		if code != 3 && !gasFailed.MatchString(e.Error.Error()) && t.scene.before == nil && t.scene.time == 0 {
			return fmt.Errorf("gas check: %s: %w: %w", e.Method, errNotOffered, e.Error)
		}
		return nil
	}
	raw := *e.Result.(*json.RawMessage)
	switch how {
	case "simulate":
		var blocks []struct {
			Calls []struct{ Status, GasUsed string }
		}
		at := 0
		if t.scene.before != nil {
			at = 1
		}
		if err = json.Unmarshal(raw, &blocks); err != nil || len(blocks) <= at || len(blocks[at].Calls) == 0 {
			return fmt.Errorf("gas check: eth_simulateV1 answered with no result of the call")
		}
		mine := blocks[at].Calls[0]
		t.ok = mine.Status == "0x1"
		t.used, err = gasQuantity(mine.GasUsed, "gasUsed")
	case "trace":
		var trace struct{ GasUsed, Error string }
		if err = json.Unmarshal(raw, &trace); err != nil {
			return fmt.Errorf("gas check: debug_traceCall: %w", err)
		}
		t.ok = trace.Error == ""
		t.used, err = gasQuantity(trace.GasUsed, "gasUsed")
	default:
		t.ok = true
	}
	return err
}

// probe tries the call in each scene with its limit, in one batch.
func (g *gasChecker) probe(ctx context.Context, how string, tries []gasTry) error {
	batch := make([]rpc.BatchElem, len(tries))
	for i, t := range tries {
		batch[i] = g.question(how, t)
	}
	if err := g.client.BatchCallContext(ctx, batch); err != nil {
		return err
	}
	for i := range tries {
		if err := tries[i].read(how, batch[i]); err != nil {
			return err
		}
	}
	return nil
}

func (g *gasChecker) newest(ctx context.Context) (n gasNewest, err error) {
	var b struct{ Number, Timestamp, GasLimit, StateRoot string }
	if err = g.client.CallContext(ctx, &b, "eth_getBlockByNumber", "latest", false); err != nil {
		return n, err
	}
	n.state = b.StateRoot
	if n.number, err = gasQuantity(b.Number, "block number"); err != nil {
		return n, err
	}
	if n.time, err = gasQuantity(b.Timestamp, "timestamp"); err != nil {
		return n, err
	}
	n.cap, err = gasQuantity(b.GasLimit, "gasLimit")
	n.cap = min(n.cap, TxGasMax)
	return n, err
}

// pasts finds the newest transactions to the contract, newest first.
func (g *gasChecker) pasts(ctx context.Context, newest uint64) (found []gasCall, err error) {
	type tx struct {
		From, To, Input, Value string
		AccessList             []any
	}
	to, looked := g.call.text("to"), 0
	if to == "" || g.drift == 0 {
		return nil, nil
	}
	for from := uint64(0); from < gasBlocks && from <= newest && len(found) < gasEnough && looked < gasLookMax; from += gasBatch {
		var batch []rpc.BatchElem
		for n := from; n < from+gasBatch && n <= newest; n++ {
			batch = append(batch, rpc.BatchElem{Method: "eth_getBlockByNumber", Args: []any{hexutil.Uint64(newest - n), true},
				Result: new(struct{ Transactions []tx })})
		}
		if err = g.client.BatchCallContext(ctx, batch); err != nil {
			return nil, err
		}
		for _, e := range batch {
			if e.Error != nil {
				continue
			}
			txs := e.Result.(*struct{ Transactions []tx }).Transactions
			looked += len(txs)
			for i := len(txs) - 1; i >= 0 && len(found) < gasKept; i-- {
				// Lists change what is warm: not a likely neighbour.
				if t := txs[i]; strings.EqualFold(t.To, to) && len(t.AccessList) == 0 && t.From != "" {
					past := gasCall{"from": t.From, "to": to, "input": t.Input}
					if t.Value != "" {
						past["value"] = t.Value
					}
					found = append(found, past)
				}
			}
		}
	}
	return found, nil
}

// variants are the call with one of its first words one more, one less or 0: what others of its sender
// may have asked for.
func (c gasCall) variants() (all []gasCall) {
	data, one, zero := c.text("input"), big.NewInt(1), new(big.Int)
	for at := 10; at < 10+64*gasWords && len(data) >= at+64; at += 64 {
		v, ok := new(big.Int).SetString(data[at:at+64], 16)
		if !ok {
			break
		}
		to := []*big.Int{new(big.Int).Add(v, one)}
		if v.Cmp(one) > 0 {
			to = append(to, new(big.Int).Sub(v, one))
		}
		if v.Sign() > 0 {
			to = append(to, zero)
		}
		for _, x := range to {
			word := common.BigToHash(x).Hex()[2:] // modulo 2^256
			all = append(all, c.with("input", data[:at]+word+data[at+64:]))
		}
	}
	return all
}

// scenes says what others may do first, likeliest first.
func (g *gasChecker) scenes(history []gasCall, time uint64) []gasTry {
	all := []gasTry{{}, {scene: gasScene{time: time + gasLaterS}}}
	if g.drift == 0 || g.call.text("to") == "" {
		return all
	}
	first, kinds := []gasCall{g.call}, map[string]bool{}
	for _, past := range history {
		if !strings.EqualFold(past.text("from"), g.call.text("from")) {
			first = append(first, g.call.with("from", past["from"]))
			break
		}
	}
	first = append(first, g.call.variants()...)
	var more []gasCall // of the same kinds, with other arguments
	for _, past := range history {
		if kinds[past.kind()] {
			more = append(more, past)
			continue
		}
		kinds[past.kind()] = true
		first = append(first, past)
	}
	first = append(first, more...)
	for _, before := range first[:min(len(first), gasNeighbours)] {
		all = append(all, gasTry{scene: gasScene{before: before, repeat: 1}})
		if g.drift > 1 {
			all = append(all, gasTry{scene: gasScene{before: before, repeat: int(min(g.drift, gasRepeatMax))}})
		}
	}
	return all
}

// rungs tries limits: the first from which on all succeed.
func (g *gasChecker) rungs(ctx context.Context, how string, scene gasScene, gas []uint64) (int, error) {
	tries := make([]gasTry, len(gas))
	for i := range gas {
		tries[i] = gasTry{scene: scene, gas: gas[i]}
	}
	err := g.probe(ctx, how, tries)
	first := len(gas)
	for first > 0 && tries[first-1].ok {
		first--
	}
	return first, err
}

// least finds the least limit at which the try succeeds; cap where none does.
func (g *gasChecker) least(ctx context.Context, how string, t gasTry, cap uint64) (uint64, error) {
	base := max(t.used, g.floor)
	if how == "bisect" {
		base = max(g.intrinsic, g.floor)
	}
	base = min(base, cap)
	var gas []uint64
	for _, l := range gasLadder {
		gas = append(gas, min(base+base*l/100, cap))
	}
	gas = append(gas, cap)
	first, err := g.rungs(ctx, how, t.scene, gas)
	if err != nil || first == len(gas) {
		return cap, err
	}
	low, high := gas[max(first-1, 0)], gas[first]
	for high-low > 1 {
		gas = gas[:0]
		for i := uint64(1); i < 16; i++ {
			gas = append(gas, low+(high-low)*i/16)
		}
		if first, err = g.rungs(ctx, how, t.scene, gas); err != nil {
			return 0, err
		}
		if first > 0 {
			low = gas[first-1]
		}
		if first < len(gas) {
			high = gas[first]
		}
	}
	return high, nil
}
func gasDearest(tries []gasTry) gasTry {
	most := tries[0]
	for _, t := range tries {
		if t.used > most.used {
			most = t
		}
	}
	return most
}

// tryScenes asks by the best method that the node has.
func (g *gasChecker) tryScenes(ctx context.Context, scenes []gasTry, cap uint64) (string, []gasTry, error) {
	for _, how := range []string{"simulate", "trace"} {
		tries := scenes
		if how == "trace" {
			tries = scenes[:2]
		}
		err := g.probe(ctx, how, tries)
		if !errors.Is(err, errNotOffered) {
			return how, tries, err
		}
	}
	tries := []gasTry{{gas: cap}}
	err := g.probe(ctx, "bisect", tries)
	return "bisect", tries, err
}

func (g *gasChecker) once(ctx context.Context, scenes []gasTry, cap uint64) (r GasReport, err error) {
	how, tries, err := g.tryScenes(ctx, scenes, cap)
	if err != nil {
		return r, err
	}
	if !tries[0].ok {
		return r, errGasFails
	}
	var good []gasTry
	for _, t := range tries {
		if t.ok {
			good = append(good, t)
		}
	}
	limit, err := g.least(ctx, how, gasDearest(good), cap)
	for round := 0; round < gasRounds && err == nil; round++ {
		var failed []gasTry
		checked := make([]gasTry, len(good))
		for i, t := range good {
			checked[i] = gasTry{scene: t.scene, gas: limit}
		}
		if err = g.probe(ctx, how, checked); err != nil {
			break
		}
		for i, t := range checked {
			if !t.ok {
				failed = append(failed, good[i])
			}
		}
		if failed == nil {
			good = checked // a program may look at its gas: what it uses with this limit counts
			break
		}
		var need uint64
		need, err = g.least(ctx, how, gasDearest(failed), cap)
		limit = max(limit, need)
	}
	if err != nil {
		return r, err
	}
	return g.report(how, good, limit, cap), nil
}

func (g *gasChecker) report(how string, good []gasTry, enough, cap uint64) GasReport {
	r := GasReport{Limit: enough, Used: good[0].used, Method: how}
	low, high := r.Used, gasDearest(good).used
	for _, t := range good {
		low = min(low, t.used)
	}
	if how == "bisect" {
		r.Used, high, low = enough, enough, enough-enough/5-enough/32
	}
	around := r.Used * 12 / 1000
	r.Steady = how != "bisect" && low+around >= r.Used && high <= r.Used+around
	if r.Used == max(g.intrinsic, g.floor) && len(g.call.text("input")) <= 2 {
		r.Steady = true // no instruction ran: nothing can move
	} else {
		low -= low * 12 / 1000
		high += (high*12 + 999) / 1000
		if g.drift > 0 && how != "simulate" {
			// What others do first cannot be simulated: a slot's price for it (EIP-2200, 3529).
			low -= min(low, gasSlotFirst+gasSlotRefund)
			high += gasSlotFirst
			r.Limit += gasSlotFirst
			r.Steady = false
		} else if g.drift > 0 {
			r.Limit += r.Used * gasUnseenPercent / 100 // what none of the simulated orders shows
		}
	}
	r.Limit = max(min(r.Limit, cap), enough, g.floor)
	r.Interval = [2]uint64{min(max(low, g.floor), r.Used), max(min(high, r.Limit), r.Used)}
	return r
}

// gasCosts gives EIP-7623's least, and gas before the first instruction.
func gasCosts(msg ethereum.CallMsg) (floor, intrinsic uint64) {
	var tokens uint64
	for _, b := range msg.Data {
		if tokens++; b != 0 {
			tokens += 3
		}
	}
	floor, intrinsic = 21_000+10*tokens, 21_000+4*tokens
	if msg.To == nil {
		intrinsic += 32_000 + 2*((uint64(len(msg.Data))+31)/32)
	}
	return floor, intrinsic
}

// GasCheckAfter asks the node what the transaction will use if it is included after so many more
// blocks. A state that moves meanwhile starts the questions again, three times at most.
func GasCheckAfter(ctx context.Context, client *rpc.Client, msg ethereum.CallMsg, drift uint64) (GasReport, error) {
	g := gasChecker{client: client, drift: drift, call: gasCall{"from": msg.From.Hex(), "input": hexutil.Encode(msg.Data)}}
	if msg.To != nil {
		g.call["to"] = msg.To.Hex()
	}
	if msg.Value != nil {
		g.call["value"] = hexutil.EncodeBig(msg.Value)
	}
	g.floor, g.intrinsic = gasCosts(msg)
	newest, err := g.newest(ctx)
	for tries := 0; err == nil; tries++ {
		var history []gasCall
		var report GasReport
		if history, err = g.pasts(ctx, newest.number); err != nil {
			break
		}
		if report, err = g.once(ctx, g.scenes(history, newest.time), newest.cap); err != nil {
			break
		}
		before := newest.state
		if newest, err = g.newest(ctx); err == nil && (newest.state == before || tries == gasRetries) {
			return report, nil
		}
	}
	return GasReport{}, err
}

// GasCheck asks the node what the transaction will use if it is included after one more block.
func GasCheck(ctx context.Context, backend bind.ContractBackend, msg ethereum.CallMsg) (GasReport, error) {
	raw, ok := backend.(interface{ Client() *rpc.Client })
	if !ok {
		return GasReport{}, errors.New("gas check: a backend over JSON-RPC expected (ethclient.Client); set opts.GasLimit")
	}
	report, err := GasCheckAfter(ctx, raw.Client(), msg, 1)
	if errors.Is(err, errGasFails) {
		if _, said := backend.EstimateGas(ctx, msg); said != nil {
			return report, said // with what the contract says
		}
	}
	return report, err
}

// Checked gives the options a gas limit where they have none.
func Checked(opts *bind.TransactOpts, backend bind.ContractBackend, to *common.Address,
	data []byte) (*bind.TransactOpts, error) {
	if opts == nil || opts.GasLimit != 0 {
		return opts, nil
	}
	if _, ok := backend.(interface{ Client() *rpc.Client }); !ok {
		return opts, nil // bind asks such a backend for its own estimate
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
