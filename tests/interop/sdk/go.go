// SPDX-License-Identifier: Apache-2.0

// The scenario of tests/interop/sdk.sh, in Go.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"reflect"
	"strings"

	"example.com/kitchen/abirt"
	"example.com/kitchen/kitchen"
	"example.com/kitchen/shelf"
	ethereum "github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
func n(v int64) *big.Int { return big.NewInt(v) }
func pow(bits uint, minus int64) *big.Int {
	return new(big.Int).Sub(new(big.Int).Lsh(n(1), bits), n(minus))
}
func order(id int64, mood uint8) kitchen.Order {
	return kitchen.Order{Id: n(id), Price: n(5), Mood: mood, Route: []kitchen.Point{{X: 1, Y: -2}, {X: 3, Y: 4}},
		Note: []byte{1, 2, 3}, Type: [2]string{"soup", "ünïcode"}, Self: true}
}

func main() {
	client := must(ethclient.Dial(os.Args[1]))
	key := must(crypto.HexToECDSA(strings.TrimPrefix(os.Args[3], "0x")))
	chain := must(client.ChainID(context.Background()))
	auth := bind.NewKeyedTransactor(key, chain)
	mined := func(tx *types.Transaction, err error) *types.Receipt {
		if err != nil {
			panic(err)
		}
		return must(bind.WaitMined(context.Background(), client, tx.Hash()))
	}
	k := kitchen.NewKitchen()
	var f [24]byte
	copy(f[:], common.FromHex(strings.Repeat("11", 20)+"a1b2c3d4"))
	two := common.HexToAddress(strings.Repeat("22", 20))
	rows := [][3]uint16{{1, 2, 3}, {4, 5, 65535}}
	tags := [2][][32]byte{{[32]byte(common.FromHex(strings.Repeat("ab", 32)))}, {}}
	fmt.Printf("encode take 0x%x\n", k.PackTake(order(7, 1)))
	fmt.Printf("encode grid 0x%x\n", k.PackGrid(rows, tags))
	fmt.Printf("encode numbers 0x%x\n", k.PackNumbers(255, -128, pow(48, 1), new(big.Int).Neg(pow(47, 0)),
		1<<64-1, -1<<63, pow(128, 1), n(-1)))
	fmt.Printf("encode pass 0x%x\n", k.PackPass(f))
	fmt.Printf("encode find 0x%x 0x%x 0x%x 0x%x\n", k.PackFind(), k.PackFindUint256(n(1)), k.PackFindAddress(two),
		k.PackFindUint256Bool(n(1), true))
	fmt.Printf("selectors 0x%x 0x%x 0x%x 0x%x\n", shelf.PutSelector, kitchen.FooBar90c0414dSelector,
		kitchen.FooBar77550349Selector, kitchen.FooBar70015845Selector)

	shelfAt := mined(second(shelf.Deploy(auth, client))).ContractAddress
	at := mined(second(kitchen.Deploy(auth, client, kitchen.Libraries{Shelf: shelfAt}, "hi",
		kitchen.Point{X: 1, Y: -2}))).ContractAddress
	b := kitchen.At(client, at)
	fmt.Println("greeting", must(b.Greeting(nil)))
	fmt.Println("echo", reflect.DeepEqual(must(b.Echo(nil, order(9, 2))), order(9, 2)))
	v := must(b.Numbers(nil, 255, -128, pow(48, 1), new(big.Int).Neg(pow(47, 0)), 1<<64-1, -1<<63, pow(128, 1), n(-1)))
	fmt.Println("numbers", v.Ret0, v.Ret1, v.Ret2, v.Ret3, v.Ret4, v.Ret5, v.Ret6, v.Ret7)
	fmt.Println("grid", string(must(json.Marshal(must(b.Grid(nil, rows, tags)).Ret0))))
	fmt.Println("find", must(b.Find(nil)), must(b.FindUint256(nil, n(0))), must(b.FindAddress(nil, two)),
		must(b.FindUint256Bool(nil, n(0), true)))
	fmt.Println("names", must(b.Match(nil, n(1), n(2), n(3))), must(b.FooBar90c0414d(nil)),
		must(b.FooBar77550349(nil)), must(b.FooBar70015845(nil)))
	sim := must(b.SimulateTake(nil, order(7, 1)))
	fmt.Println("simulate take", sim.Id, sim.Mood)

	paying := *auth
	paying.Value = n(3)
	report := must(abirt.GasCheck(context.Background(), client, msg(auth.From, at, k.PackTake(order(7, 1)))))
	receipt := mined(b.Take(&paying, order(7, 1)))
	predicted := report.Method == "simulate" && report.Interval[0] <= receipt.GasUsed &&
		receipt.GasUsed <= report.Interval[1]
	fmt.Println("take", map[uint64]string{0: "failed", 1: "success"}[receipt.Status], "gas",
		map[bool]string{true: "as predicted", false: "other"}[predicted])
	fmt.Println("total", must(b.Total(nil)))
	for _, e := range must(b.FilterOrderedAddressStringOrder(nil, []*big.Int{n(7)}, []common.Address{auth.From}, []string{"soup"})) {
		fmt.Printf("event Ordered %v %v %v 0x%x %v\n", e.Id, e.From == auth.From,
			e.Topic == crypto.Keccak256Hash([]byte("soup")), e.Order.Note, e.Order.Route[1].Y)
	}
	var ids []string
	for _, e := range must(b.FilterOrdered(nil)) {
		ids = append(ids, e.Id.String())
	}
	fmt.Println("events", strings.Join(ids, ","), len(must(b.FilterOrderedAddressStringOrder(nil, []*big.Int{n(8), n(9)}, nil, nil))))
	mined(b.Silent(auth, n(5), []byte{0xbe, 0xef}))
	for _, e := range must(b.FilterSilent(nil, []*big.Int{n(5)})) {
		fmt.Printf("silent %v 0x%x\n", e.A, e.B)
	}
	mined(b.Routed(auth, []kitchen.Point{{X: 1, Y: 2}}))
	for _, e := range must(b.FilterRouted(nil, nil)) {
		fmt.Println("routed", e.Route, e.At.Y)
	}
	fmt.Printf("pass 0x%x\n", must(b.SimulatePass(nil, f)))
	mined(b.Pass(auth, f))
	fmt.Println("called", len(must(b.FilterCalled(nil, [][24]byte{f}))))
	fmt.Println("stock", must(b.SimulateStock(nil, n(4))))

	for how := int64(0); how < 7; how++ {
		_, err := b.Fail(nil, n(how))
		var (
			reason  *abirt.RevertError
			panics  *abirt.PanicError
			closed  *kitchen.ClosedError
			much    *kitchen.TooMuchError
			typed   *kitchen.TypeError
			unknown *abirt.UnknownError
		)
		switch {
		case errors.As(err, &reason):
			fmt.Println("fail", how, "Error", reason.Reason)
		case errors.As(err, &panics):
			fmt.Println("fail", how, "Panic", panics.Code)
		case errors.As(err, &closed):
			fmt.Println("fail", how, "Closed")
		case errors.As(err, &much):
			fmt.Println("fail", how, "TooMuch", much.Asked, much.Max, much.At.Y)
		case errors.As(err, &typed):
			fmt.Println("fail", how, "type_", typed.Match)
		case errors.As(err, &unknown):
			fmt.Printf("fail %d unknown 0x%x\n", how, unknown.Data)
		default:
			fmt.Println("fail", how, err)
		}
	}
	_, err := b.Take(auth, order(2000, 0))
	var much *kitchen.TooMuchError
	if errors.As(err, &much) {
		fmt.Println("refused", much.Asked)
	} else {
		fmt.Println("refused", err)
	}
	if _, err = kitchen.At(client, common.HexToAddress(strings.Repeat("33", 20))).Total(nil); err != nil {
		fmt.Println("empty error")
	}
	gasChecks(os.Args[4], os.Args[5])
}

// gasChecks asks the node of gas.json.
func gasChecks(file, url string) {
	var cases []struct {
		Name  string
		Data  hexutil.Bytes
		Drift uint64
	}
	if err := json.Unmarshal(must(os.ReadFile(file)), &cases); err != nil {
		panic(err)
	}
	to := common.HexToAddress(strings.Repeat("aa", 20))
	for _, c := range cases {
		client := must(rpc.Dial(url + "/go/" + c.Name))
		msg := ethereum.CallMsg{From: common.HexToAddress(strings.Repeat("01", 20)), To: &to, Data: c.Data}
		g := must(abirt.GasCheckAfter(context.Background(), client, msg, c.Drift))
		fmt.Println("gas", c.Name, g.Limit, g.Used, g.Interval[0], g.Interval[1], g.Method, map[bool]string{true: "steady", false: "moves"}[g.Steady])
		client.Close()
	}
}
func second(_ any, tx *types.Transaction, err error) (*types.Transaction, error) { return tx, err }
func msg(from, to common.Address, data []byte) ethereum.CallMsg {
	return ethereum.CallMsg{From: from, To: &to, Data: data, Value: n(3)}
}
