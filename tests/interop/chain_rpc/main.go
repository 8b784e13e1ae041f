// SPDX-License-Identifier: Apache-2.0
// CometBFT's side of tests/interop/chain_rpc.sh.
//
//	chain_rpc node HOME BLOCKS   a validator with an application whose events try everything; what its event bus says goes
//	                             to HOME/events.jsonl, as subscribers over the RPC would get it
//	chain_rpc search HOME QUERY  heights and hashes that Go's indexers find in HOME/data/tx_index.db
//	chain_rpc grpc ADDRESS TX    a transaction by the gRPC broadcast service: the codes of CheckTx and of its result
//	chain_rpc keys FOLDER        every key of a LevelDB folder, in hex, without events' numbers; values of 32 bytes and more as hash
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	dbm "github.com/cometbft/cometbft-db"
	abci "github.com/cometbft/cometbft/abci/types"
	cfg "github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/crypto/ed25519"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	"github.com/cometbft/cometbft/libs/log"
	"github.com/cometbft/cometbft/libs/pubsub/query"
	"github.com/cometbft/cometbft/mempool"
	"github.com/cometbft/cometbft/node"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/proxy"
	ctypes "github.com/cometbft/cometbft/rpc/core/types"
	coregrpc "github.com/cometbft/cometbft/rpc/grpc"
	blockkv "github.com/cometbft/cometbft/state/indexer/block/kv"
	txkv "github.com/cometbft/cometbft/state/txindex/kv"
	"github.com/google/orderedcode"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type app struct {
	abci.BaseApplication
	height, txs int64
}

func attr(key, value string, index bool) abci.EventAttribute {
	return abci.EventAttribute{Key: key, Value: value, Index: index}
}

func (a *app) Info(context.Context, *abci.RequestInfo) (*abci.ResponseInfo, error) {
	return &abci.ResponseInfo{Data: "odd <app>", Version: "1&2", AppVersion: 3, LastBlockHeight: a.height}, nil
}

func (a *app) FinalizeBlock(_ context.Context, r *abci.RequestFinalizeBlock) (*abci.ResponseFinalizeBlock, error) {
	a.height = r.Height
	a.txs += int64(len(r.Txs))
	res := &abci.ResponseFinalizeBlock{AppHash: []byte(fmt.Sprintf("hash %d", a.txs))}
	for i, tx := range r.Txs {
		k, v, _ := strings.Cut(string(tx), "=")
		t := &abci.ExecTxResult{GasWanted: int64(len(tx)), GasUsed: int64(i)}
		if strings.HasPrefix(k, "bad") {
			t.Code, t.Log, t.Codespace, t.Info = 7, "no <b>"+v+"</b>\t\x01\n", "odd", "\xff\xfe"
		} else {
			// What is empty comes back from the store as nil, so it is that at once.
			if v != "" {
				t.Data = []byte(v)
			}
			t.Events = []abci.Event{
				{Type: "transfer", Attributes: []abci.EventAttribute{
					attr("sender", k, true), attr("amount", fmt.Sprint(len(v)), true), attr("note", v, false)}},
				{Type: "transfer", Attributes: []abci.EventAttribute{
					attr("sender", "x/"+k, true), attr("amount", fmt.Sprintf("-%d.5", len(v)), true), attr("amount", "77", true)}},
				{Type: "", Attributes: []abci.EventAttribute{attr("lost", "1", true)}},
				{Type: "odd", Attributes: []abci.EventAttribute{
					attr("", "x", true), attr("html", "<a href=\"&\">\u2028\u00e9\U0001F600", true), attr("bytes", "\xff\xfe\x00", true),
					attr("spaced", "  s p  ", true), attr("coins", fmt.Sprintf("%dstake", i), true), attr("empty", "", true)}},
				{Type: "bare"},
			}
		}
		res.TxResults = append(res.TxResults, t)
	}
	res.Events = []abci.Event{
		{Type: "block_end", Attributes: []abci.EventAttribute{
			attr("height", fmt.Sprint(r.Height), true), attr("parity", []string{"even", "odd"}[r.Height%2], true),
			attr("quarter", fmt.Sprintf("%d.25", r.Height/4), true), attr("raw", "\x00\xff/\x01", true)}},
		{Type: "block_end", Attributes: []abci.EventAttribute{attr("parity", "none", true), attr("hidden", "1", false)}},
	}
	if r.Height%10 == 4 {
		res.Events = nil
	}
	if r.Height == 5 || r.Height == 9 {
		k := sha256.Sum256([]byte("a validator that is never there"))
		res.ValidatorUpdates = []abci.ValidatorUpdate{
			abci.UpdateValidator(ed25519.GenPrivKeyFromSecret(k[:]).PubKey().Bytes(), 9-r.Height, "")}
	}
	if r.Height == 7 {
		res.ConsensusParamUpdates = &cmtproto.ConsensusParams{
			Block:    &cmtproto.BlockParams{MaxBytes: 2000000, MaxGas: -1},
			Evidence: &cmtproto.EvidenceParams{MaxAgeNumBlocks: 9, MaxAgeDuration: time.Hour + 1, MaxBytes: 5000},
		}
	}
	if r.Height == 8 {
		res.ConsensusParamUpdates = &cmtproto.ConsensusParams{Version: &cmtproto.VersionParams{App: 5},
			Validator: &cmtproto.ValidatorParams{PubKeyTypes: []string{"ed25519"}}}
	}
	return res, nil
}

// What the node's subscribers get.
func record(n *node.Node, out *bufio.Writer, done chan struct{}) {
	all := query.MustCompile("tm.event EXISTS")
	sub, err := n.EventBus().Subscribe(context.Background(), "recorder", all, 100000)
	check(err)
	go func() {
		defer close(done)
		for {
			select {
			case m := <-sub.Out():
				b, err := cmtjson.Marshal(&ctypes.ResultEvent{Query: "q", Data: m.Data(), Events: m.Events()})
				check(err)
				// The envelope's encoder goes over it once more.
				b, err = json.Marshal(json.RawMessage(b))
				check(err)
				fmt.Fprintf(out, "%s\n", b)
			case <-sub.Canceled():
				return
			}
		}
	}()
}

func run(home string, blocks int64) {
	c := cfg.DefaultConfig()
	c.SetRoot(home)
	c.P2P.ListenAddress = "tcp://127.0.0.1:0"
	c.RPC.ListenAddress = ""
	c.Consensus.TimeoutCommit = 20 * time.Millisecond
	// No blocks without transactions, so that the index is complete a moment after the last.
	c.Consensus.CreateEmptyBlocks = false
	nk, err := p2p.LoadNodeKey(c.NodeKeyFile())
	check(err)
	a := &app{}
	n, err := node.NewNode(c, privval.LoadFilePV(c.PrivValidatorKeyFile(), c.PrivValidatorStateFile()), nk,
		proxy.NewLocalClientCreator(a), node.DefaultGenesisDocProviderFunc(c), cfg.DefaultDBProvider,
		node.DefaultMetricsProvider(c.Instrumentation), log.NewNopLogger())
	check(err)
	f, err := os.Create(filepath.Join(home, "events.jsonl"))
	check(err)
	out := bufio.NewWriter(f)
	done := make(chan struct{})
	record(n, out, done)
	check(n.Start())
	for i, last := 0, int64(0); n.BlockStore().Height() < blocks; i++ {
		tx := fmt.Sprintf("key%d=%s", i, strings.Repeat("v", i%40))
		if i%7 == 3 {
			tx = fmt.Sprintf("bad%d=<%d>", i, i)
		}
		if i%50 == 49 {
			tx = fmt.Sprintf("long%d=%s", i, strings.Repeat("w", 70000))
		}
		_ = n.Mempool().CheckTx([]byte(tx), nil, mempool.TxInfo{})
		if i%5 == 4 {
			for h := last; n.BlockStore().Height() == h; {
				time.Sleep(2 * time.Millisecond)
			}
			last = n.BlockStore().Height()
		}
	}
	time.Sleep(time.Second)
	check(n.Stop())
	n.Wait()
	<-done
	check(out.Flush())
}

func main() {
	switch os.Args[1] {
	case "node":
		var blocks int64
		fmt.Sscan(os.Args[3], &blocks)
		run(os.Args[2], blocks)
	case "search":
		db, err := dbm.NewGoLevelDB("tx_index", filepath.Join(os.Args[2], "data"))
		check(err)
		q, err := query.New(os.Args[3])
		check(err)
		txs := txkv.NewTxIndex(db)
		txs.SetLogger(log.NewNopLogger())
		found, err := txs.Search(context.Background(), q)
		check(err)
		for _, r := range found {
			fmt.Printf("tx %d %d %x\n", r.Height, r.Index, sha256.Sum256(r.Tx))
		}
		bs := blockkv.New(dbm.NewPrefixDB(db, []byte("block_events")))
		bs.SetLogger(log.NewNopLogger())
		heights, err := bs.Search(context.Background(), q)
		check(err)
		for _, h := range heights {
			fmt.Printf("block %d\n", h)
		}
		check(db.Close())
	case "grpc":
		c := coregrpc.StartGRPCClient("tcp://" + os.Args[2])
		_, err := c.Ping(context.Background(), &coregrpc.RequestPing{})
		check(err)
		r, err := c.BroadcastTx(context.Background(), &coregrpc.RequestBroadcastTx{Tx: []byte(os.Args[3])})
		check(err)
		fmt.Println(r.CheckTx.Code, r.TxResult.Code)
	case "keys":
		db, err := dbm.NewGoLevelDB(strings.TrimSuffix(filepath.Base(os.Args[2]), ".db"), filepath.Dir(os.Args[2]))
		check(err)
		it, err := db.Iterator(nil, nil)
		check(err)
		seq := regexp.MustCompile(`\$es\$[0-9]+$`)
		for ; it.Valid(); it.Next() {
			key := seq.ReplaceAll(it.Key(), []byte("$$es$$N"))
			var tag, value string
			var height, number int64
			if of, is := bytes.CutPrefix(key, []byte("block_events")); is {
				if rest, err := orderedcode.Parse(string(of), &tag, &value, &height, &number); err == nil && rest == "" {
					key = []byte(fmt.Sprintf("block_events %q %q %d", tag, value, height))
				}
			}
			fmt.Printf("%x %x\n", key, sha256.Sum256(it.Value()))
		}
		check(it.Close())
		check(db.Close())
	}
}
