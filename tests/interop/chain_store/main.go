// SPDX-License-Identifier: Apache-2.0
// What CometBFT's own stores say of a data folder, for tests/interop/chain_store.sh.
//
//	chain_store dump DATA    blocks, commits, validators, parameters, answers, states: a line each, in hex
//	chain_store keys FOLDER  every key and value of one LevelDB folder, in order, in hex
//	chain_store answer|last DATA HEIGHT  what the next state is made from, by a height's answer or by the last one
//	chain_store secp KEY STATE   a new validator's files with a secp256k1 key, which no command makes; prints its genesis entry
//	chain_store pv KEY STATE HEIGHT  a prevote by a validator's files: address, last height, signature or "refused"
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	dbm "github.com/cometbft/cometbft-db"
	"github.com/cosmos/gogoproto/proto"

	"github.com/cometbft/cometbft/crypto/secp256k1"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	"github.com/cometbft/cometbft/privval"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	sm "github.com/cometbft/cometbft/state"
	"github.com/cometbft/cometbft/store"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func open(path string) dbm.DB {
	db, err := dbm.NewGoLevelDB(strings.TrimSuffix(filepath.Base(path), ".db"), filepath.Dir(path))
	check(err)
	return db
}

func hex(m proto.Message) string {
	b, err := proto.Marshal(m)
	check(err)
	return fmt.Sprintf("%x", b)
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	if os.Args[1] == "keys" {
		db := open(os.Args[2])
		it, err := db.Iterator(nil, nil)
		check(err)
		for ; it.Valid(); it.Next() {
			fmt.Fprintf(out, "%q %x\n", it.Key(), it.Value())
		}
		check(it.Close())
		check(db.Close())
		return
	}
	if os.Args[1] == "secp" {
		pv := privval.NewFilePV(secp256k1.GenPrivKey(), os.Args[2], os.Args[3])
		pv.Save()
		key, err := cmtjson.Marshal(pv.Key.PubKey)
		check(err)
		fmt.Fprintf(out, `{"address": "%s", "pub_key": %s, "power": "10", "name": ""}`, pv.GetAddress(), key)
		return
	}
	if os.Args[1] == "pv" {
		if _, err := os.Stat(os.Args[2]); err != nil {
			privval.GenFilePV(os.Args[2], os.Args[3]).Save()
		}
		pv := privval.LoadFilePV(os.Args[2], os.Args[3])
		height, err := strconv.ParseInt(os.Args[4], 10, 64)
		check(err)
		fmt.Fprintf(out, "%s %d ", pv.GetAddress(), pv.LastSignState.Height)
		v := &cmtproto.Vote{Type: cmtproto.PrevoteType, Height: height, Timestamp: time.Unix(1700000000, 0).UTC()}
		if err := pv.SignVote("test", v); err != nil {
			fmt.Fprintln(out, "refused")
		} else {
			fmt.Fprintf(out, "%x\n", v.Signature)
		}
		return
	}
	if os.Args[1] == "answer" || os.Args[1] == "last" {
		states := sm.NewStore(open(filepath.Join(os.Args[2], "state.db")), sm.StoreOptions{})
		height, err := strconv.ParseInt(os.Args[3], 10, 64)
		check(err)
		load := states.LoadFinalizeBlockResponse
		if os.Args[1] == "last" {
			load = states.LoadLastFinalizeBlockResponse
		}
		a, err := load(height)
		check(err)
		fmt.Fprintf(out, "%d %X %X %v %v\n", len(a.TxResults), sm.TxResultsHash(a.TxResults), a.AppHash, a.ValidatorUpdates, a.ConsensusParamUpdates)
		return
	}
	blocks := store.NewBlockStore(open(filepath.Join(os.Args[2], "blockstore.db")))
	states := sm.NewStore(open(filepath.Join(os.Args[2], "state.db")), sm.StoreOptions{})
	fmt.Fprintf(out, "range %d %d\n", blocks.Base(), blocks.Height())
	for h := blocks.Base(); h <= blocks.Height(); h++ {
		b, err := blocks.LoadBlock(h).ToProto()
		check(err)
		meta := blocks.LoadBlockMeta(h)
		fmt.Fprintf(out, "block %d %s\n", h, hex(b))
		fmt.Fprintf(out, "meta %d %d %d %X %d\n", h, meta.BlockSize, meta.NumTxs, meta.BlockID.Hash, meta.BlockID.PartSetHeader.Total)
		if c := blocks.LoadBlockCommit(h); c != nil {
			fmt.Fprintf(out, "commit %d %s\n", h, hex(c.ToProto()))
		}
		fmt.Fprintf(out, "seen %d %s\n", h, hex(blocks.LoadSeenCommit(h).ToProto()))
		fmt.Fprintf(out, "find %d\n", blocks.LoadBlockByHash(meta.BlockID.Hash).Height)
		vals, err := states.LoadValidators(h + 1)
		check(err)
		pv, err := vals.ToProto()
		check(err)
		pv.TotalVotingPower = 0 // not stored, and only filled in when asked for
		fmt.Fprintf(out, "validators %d %s\n", h+1, hex(pv))
		params, err := states.LoadConsensusParams(h)
		check(err)
		fmt.Fprintf(out, "params %d %d %d %d\n", h, params.Block.MaxBytes, params.Block.MaxGas, params.Evidence.MaxAgeNumBlocks)
		answer, err := states.LoadFinalizeBlockResponse(h)
		check(err)
		fmt.Fprintf(out, "answer %d %s\n", h, hex(answer))
	}
	state, err := states.Load()
	check(err)
	ps, err := state.ToProto()
	check(err)
	fmt.Fprintf(out, "state %d %X %X\n", ps.LastBlockHeight, ps.AppHash, ps.LastResultsHash)
}
