// SPDX-License-Identifier: Apache-2.0
// CometBFT's evidence pool over a data folder, for tests/interop/evidence.sh.
//
//	peer show DATA               "pending HEIGHT ID" of what waits; "committed HEIGHT" of what its pool knows to be in a block
//	peer add DATA WHO HEIGHT     two votes of validator WHO (a key of our test chain) at HEIGHT as evidence
package main

import (
	stded "crypto/ed25519"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	dbm "github.com/cometbft/cometbft-db"

	"github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/evidence"
	"github.com/cometbft/cometbft/libs/log"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	sm "github.com/cometbft/cometbft/state"
	"github.com/cometbft/cometbft/store"
	"github.com/cometbft/cometbft/types"
)

func check(err error) {
	if err != nil {
		fmt.Println("FAIL", err)
		os.Exit(1)
	}
}

func open(dir, name string) dbm.DB {
	db, err := dbm.NewGoLevelDB(name, dir)
	check(err)
	return db
}

func vote(key ed25519.PrivKey, index int32, height int64, tag byte) *types.Vote {
	hash := make([]byte, 32)
	hash[0] = tag
	v := &types.Vote{
		Type: cmtproto.PrecommitType, Height: height, Round: 2, Timestamp: time.Unix(1767225600, 0).UTC(),
		BlockID:          types.BlockID{Hash: hash, PartSetHeader: types.PartSetHeader{Total: 1, Hash: hash}},
		ValidatorAddress: key.PubKey().Address(), ValidatorIndex: index,
	}
	sig, err := key.Sign(types.VoteSignBytes("evidence", v.ToProto()))
	check(err)
	v.Signature = sig
	return v
}

func main() {
	dir := os.Args[2]
	blocks := store.NewBlockStore(open(dir, "blockstore"))
	states := sm.NewStore(open(dir, "state"), sm.StoreOptions{})
	db := open(dir, "evidence")
	pool, err := evidence.NewPool(db, states, blocks)
	check(err)
	pool.SetLogger(log.NewNopLogger())
	if os.Args[1] == "add" {
		who, err := strconv.Atoi(os.Args[3])
		check(err)
		height, err := strconv.ParseInt(os.Args[4], 10, 64)
		check(err)
		seed := make([]byte, 32)
		seed[0] = byte(who + 1)
		key := ed25519.PrivKey(stded.NewKeyFromSeed(seed))
		vals, err := states.LoadValidators(height)
		check(err)
		index, _ := vals.GetByAddress(key.PubKey().Address())
		ev, err := types.NewDuplicateVoteEvidence(vote(key, index, height, 1), vote(key, index, height, 2),
			blocks.LoadBlockMeta(height).Header.Time, vals)
		check(err)
		check(pool.AddEvidence(ev))
	}
	list, _ := pool.PendingEvidence(-1)
	for _, ev := range list {
		fmt.Printf("pending %d %X\n", ev.Height(), ev.Hash())
	}
	for h := blocks.Base(); h <= blocks.Height(); h++ {
		in := blocks.LoadBlock(h).Evidence.Evidence
		if len(in) == 0 {
			continue
		}
		if err := pool.CheckEvidence(in); err != nil && strings.Contains(err.Error(), "already committed") {
			fmt.Printf("committed %d\n", in[0].Height())
		}
	}
	check(db.Close())
}
