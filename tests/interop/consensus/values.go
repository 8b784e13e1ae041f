// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"sort"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/crypto"
	"github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/crypto/secp256k1"
	cmtcons "github.com/cometbft/cometbft/proto/tendermint/consensus"
	cmtbits "github.com/cometbft/cometbft/proto/tendermint/libs/bits"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	cmtversion "github.com/cometbft/cometbft/proto/tendermint/version"
	sm "github.com/cometbft/cometbft/state"
	"github.com/cometbft/cometbft/types"
	"github.com/cometbft/cometbft/version"
)

var times = []time.Time{
	{},
	time.Unix(0, 0).UTC(),
	time.Date(2026, 11, 30, 5, 40, 41, 123456789, time.UTC),
	time.Date(1969, 12, 31, 23, 59, 59, 999999999, time.UTC),
	time.Date(9999, 12, 31, 23, 59, 59, 1, time.UTC),
}

func (r *rng) time() time.Time { return times[r.below(uint64(len(times)))] }
func (r *rng) blockID() types.BlockID {
	return types.BlockID{Hash: r.bytes(32), PartSetHeader: types.PartSetHeader{Total: uint32(1 + r.below(1600)), Hash: r.bytes(32)}}
}
func (r *rng) height() int64 { return int64(1 + r.next()>>(1+r.below(62))&(1<<62-1)) }
func (r *rng) round() int32  { return int32(r.next() >> (33 + r.below(31))) }

func privKeys(r *rng, n int, secp bool) []crypto.PrivKey {
	keys := make([]crypto.PrivKey, n)
	for i := range keys {
		seed := r.bytes(32)
		if secp && i%2 == 1 {
			keys[i] = secp256k1.GenPrivKeySecp256k1(seed)
		} else {
			keys[i] = ed25519.GenPrivKeyFromSecret(seed)
		}
	}
	return keys
}

// setOf makes a validator set and sorts the keys like it.
func setOf(r *rng, keys []crypto.PrivKey) *types.ValidatorSet {
	list := make([]*types.Validator, len(keys))
	for i, k := range keys {
		list[i] = types.NewValidator(k.PubKey(), int64(1+r.below(50)))
	}
	vals := types.NewValidatorSet(list)
	sort.Slice(keys, func(i, j int) bool {
		a, _ := vals.GetByAddress(keys[i].PubKey().Address())
		b, _ := vals.GetByAddress(keys[j].PubKey().Address())
		return a < b
	})
	return vals
}

const chain = "golden-chain"

// signed is a commit by all keys: the i-th absent or for nil where the masks say so.
func signed(r *rng, keys []crypto.PrivKey, height int64, round int32, id types.BlockID, absent, nilMask uint64, ext bool) *types.ExtendedCommit {
	c := &types.ExtendedCommit{Height: height, Round: round, BlockID: id}
	for i, k := range keys {
		if absent>>i&1 == 1 {
			c.ExtendedSignatures = append(c.ExtendedSignatures, types.NewExtendedCommitSigAbsent())
			continue
		}
		v := &types.Vote{Type: cmtproto.PrecommitType, Height: height, Round: round, BlockID: id, Timestamp: times[2].Add(time.Duration(r.below(1e9))),
			ValidatorAddress: k.PubKey().Address(), ValidatorIndex: int32(i)}
		if nilMask>>i&1 == 1 {
			v.BlockID = types.BlockID{}
		} else if ext {
			v.Extension = r.bytes(int(r.below(40)))
		}
		pv := v.ToProto()
		var err error
		v.Signature, err = k.Sign(types.VoteSignBytes(chain, pv))
		must(err)
		if ext && nilMask>>i&1 == 0 {
			v.ExtensionSignature, err = k.Sign(types.VoteExtensionSignBytes(chain, pv))
			must(err)
		}
		c.ExtendedSignatures = append(c.ExtendedSignatures, v.ExtendedCommitSig())
	}
	return c
}

func votes(r *rng) {
	for i := 0; i < 40; i++ {
		v := &types.Vote{Type: cmtproto.SignedMsgType(1 + i%2), Height: r.height(), Round: r.round(), BlockID: r.blockID(), Timestamp: r.time(),
			ValidatorAddress: r.bytes(20), ValidatorIndex: int32(r.below(200)), Signature: r.bytes(64)}
		if i%5 == 0 {
			v.BlockID = types.BlockID{}
		} else if i%2 == 1 {
			v.Extension = r.bytes(int(r.below(300)))
			v.ExtensionSignature = r.bytes(64)
		}
		p := v.ToProto()
		line("vote", p, types.VoteSignBytes("c"+fmt.Sprint(i), p), types.VoteExtensionSignBytes("c"+fmt.Sprint(i), p))
	}
	for i := 0; i < 20; i++ {
		p := &types.Proposal{Type: cmtproto.ProposalType, Height: r.height(), Round: r.round(), POLRound: int32(i%3) - 1, BlockID: r.blockID(), Timestamp: r.time(), Signature: r.bytes(64)}
		pp := p.ToProto()
		line("proposal", pp, types.ProposalSignBytes("c"+fmt.Sprint(i), pp))
	}
}

func header(r *rng, vals *types.ValidatorSet) types.Header {
	h := types.Header{Version: cmtversion.Consensus{Block: version.BlockProtocol, App: r.below(3)}, ChainID: chain, Height: r.height(), Time: r.time(), LastBlockID: r.blockID(),
		LastCommitHash: r.bytes(32), DataHash: r.bytes(32), ValidatorsHash: vals.Hash(), NextValidatorsHash: r.bytes(32), ConsensusHash: r.bytes(32),
		AppHash: r.bytes(int(r.below(40))), LastResultsHash: r.bytes(32), EvidenceHash: r.bytes(32), ProposerAddress: r.bytes(20)}
	if r.below(3) == 0 {
		h.LastBlockID = types.BlockID{}
		h.LastResultsHash = nil
	}
	return h
}

func lightBlock(r *rng, keys []crypto.PrivKey, vals *types.ValidatorSet) *types.LightBlock {
	h := header(r, vals)
	id := types.BlockID{Hash: h.Hash(), PartSetHeader: types.PartSetHeader{Total: 1, Hash: r.bytes(32)}}
	return &types.LightBlock{SignedHeader: &types.SignedHeader{Header: &h, Commit: signed(r, keys, h.Height, 1, id, 2, 4, false).ToCommit()}, ValidatorSet: vals}
}

func duplicate(r *rng, keys []crypto.PrivKey, vals *types.ValidatorSet, at time.Time) *types.DuplicateVoteEvidence {
	var two [2]*types.Vote
	for i := range two {
		v := &types.Vote{Type: cmtproto.PrecommitType, Height: 7, Round: 2, BlockID: r.blockID(), Timestamp: times[2], ValidatorAddress: keys[0].PubKey().Address()}
		var err error
		v.Signature, err = keys[0].Sign(types.VoteSignBytes(chain, v.ToProto()))
		must(err)
		two[i] = v
	}
	ev, err := types.NewDuplicateVoteEvidence(two[0], two[1], at, vals)
	must(err)
	return ev
}

func evidence(r *rng, keys []crypto.PrivKey, vals *types.ValidatorSet) types.EvidenceList {
	lb := lightBlock(r, keys, vals)
	attack := &types.LightClientAttackEvidence{ConflictingBlock: lb, CommonHeight: 1, ByzantineValidators: vals.Validators[:2], TotalVotingPower: vals.TotalVotingPower(), Timestamp: times[2]}
	return types.EvidenceList{duplicate(r, keys, vals, times[2]), attack, duplicate(r, keys, vals, times[1])}
}

func blocks(r *rng, keys []crypto.PrivKey, vals *types.ValidatorSet) {
	for i := 0; i < 6; i++ {
		var txs []types.Tx
		for k := uint64(0); k < r.below(9); k++ {
			txs = append(txs, r.bytes(int(r.below(200))))
		}
		if i == 5 {
			txs = append(txs, bytes.Repeat([]byte{7}, 66000))
		}
		commit, ev := &types.Commit{}, types.EvidenceList{}
		if i > 0 {
			commit = signed(r, keys, int64(i), 1, r.blockID(), 1, 2, false).ToCommit()
		}
		if i > 2 {
			ev = evidence(r, keys, vals)
		}
		b := types.MakeBlock(int64(i+1), txs, commit, ev)
		h := header(r, vals)
		b.Populate(h.Version, h.ChainID, h.Time, h.LastBlockID, h.ValidatorsHash, h.NextValidatorsHash, h.ConsensusHash, h.AppHash, h.LastResultsHash, h.ProposerAddress)
		parts, err := b.MakePartSet(types.BlockPartSizeBytes)
		must(err)
		pb, err := b.ToProto()
		must(err)
		if i < 5 {
			line("block", pb, []byte(b.Hash()), parts.Total(), []byte(parts.Hash()))
		} else { // too long to print: as its parts
			line("parts", []byte(b.Hash()), parts.Total(), []byte(parts.Hash()))
			for k := 0; k < int(parts.Total()); k++ {
				p, err := parts.GetPart(k).ToProto()
				must(err)
				line("msg", &cmtcons.Message{Sum: &cmtcons.Message_BlockPart{BlockPart: &cmtcons.BlockPart{Height: 6, Round: 1, Part: *p}}})
			}
		}
	}
}

func messages(r *rng) {
	id := r.blockID()
	pid := id.ToProto()
	bits := cmtbits.BitArray{Bits: 70, Elems: []uint64{r.next(), r.next() & 63}}
	v := (&types.Vote{Type: cmtproto.PrevoteType, Height: 9, BlockID: id, Timestamp: times[2], ValidatorAddress: r.bytes(20), Signature: r.bytes(64)}).ToProto()
	p := (&types.Proposal{Type: cmtproto.ProposalType, Height: 9, Round: 2, POLRound: 1, BlockID: id, Timestamp: times[2], Signature: r.bytes(64)}).ToProto()
	psh := cmtproto.PartSetHeader{Total: 70, Hash: r.bytes(32)}
	for _, m := range []*cmtcons.Message{
		{Sum: &cmtcons.Message_NewRoundStep{NewRoundStep: &cmtcons.NewRoundStep{Height: 9, Round: 2, Step: 3, SecondsSinceStartTime: -4, LastCommitRound: -1}}},
		{Sum: &cmtcons.Message_NewValidBlock{NewValidBlock: &cmtcons.NewValidBlock{Height: 9, Round: 2, BlockPartSetHeader: psh, BlockParts: &bits, IsCommit: true}}},
		{Sum: &cmtcons.Message_Proposal{Proposal: &cmtcons.Proposal{Proposal: *p}}},
		{Sum: &cmtcons.Message_ProposalPol{ProposalPol: &cmtcons.ProposalPOL{Height: 9, ProposalPolRound: 1, ProposalPol: bits}}},
		{Sum: &cmtcons.Message_Vote{Vote: &cmtcons.Vote{Vote: v}}},
		{Sum: &cmtcons.Message_HasVote{HasVote: &cmtcons.HasVote{Height: 9, Round: 2, Type: cmtproto.PrecommitType, Index: 0}}},
		{Sum: &cmtcons.Message_VoteSetMaj23{VoteSetMaj23: &cmtcons.VoteSetMaj23{Height: 9, Type: cmtproto.PrevoteType, BlockID: pid}}},
		{Sum: &cmtcons.Message_VoteSetBits{VoteSetBits: &cmtcons.VoteSetBits{Height: 9, Round: 2, Type: cmtproto.PrevoteType, BlockID: pid, Votes: bits}}},
	} {
		line("msg", m)
	}
}

func values() {
	r := rng(1)
	for i := 0; i < 4; i++ {
		keys := privKeys(&r, 4, true)
		for _, k := range keys {
			sig, err := k.Sign([]byte("sennit"))
			must(err)
			line("key", k.PubKey().Type(), k.PubKey().Bytes(), k.PubKey().Address(), sig)
		}
	}
	votes(&r)
	keys := privKeys(&r, 5, true)
	vals := setOf(&r, keys)
	for i := 0; i < 8; i++ {
		c := signed(&r, keys, r.height(), r.round(), r.blockID(), r.below(32), r.below(32), true)
		line("commit", c.ToCommit().ToProto(), []byte(c.ToCommit().Hash()))
		line("ext_commit", c.ToProto())
		h := header(&r, vals)
		line("header", h.ToProto(), []byte(h.Hash()))
		pv, err := vals.ToProto()
		must(err)
		line("valset", pv, []byte(vals.Hash()))
		vals.IncrementProposerPriority(1)
		lb, err := lightBlock(&r, keys, vals).ToProto()
		must(err)
		line("light_block", lb)
	}
	for i := 0; i < 4; i++ {
		ev := evidence(&r, keys, vals)
		for _, e := range ev {
			p, err := types.EvidenceToProto(e)
			must(err)
			line("evidence", p, e.Hash(), types.EvidenceList{e}.Hash())
		}
	}
	for i := 0; i < 4; i++ {
		var txs []*abci.ExecTxResult
		flat := []any{}
		for k := 0; k < i*2; k++ {
			t := &abci.ExecTxResult{Code: uint32(r.below(3)), Data: r.bytes(int(r.below(9))), GasWanted: int64(r.below(1e9)), GasUsed: int64(r.below(1e9)), Log: "ignored", Info: "ignored"}
			txs = append(txs, t)
			flat = append(flat, t.Code, t.Data, t.GasWanted, t.GasUsed)
		}
		line("results", append([]any{sm.TxResultsHash(txs)}, flat...)...)
		p := types.DefaultConsensusParams()
		p.Block.MaxBytes, p.Block.MaxGas = int64(i)*1000-1, r.height()
		line("params", p.Block.MaxBytes, p.Block.MaxGas, p.Hash())
	}
	blocks(&r, keys, vals)
	messages(&r)
	states(&r, keys, vals)
}

func states(r *rng, keys []crypto.PrivKey, vals *types.ValidatorSet) {
	doc := genesisDoc()
	s, err := sm.MakeGenesisState(doc)
	must(err)
	line("state", s.Bytes())
	s.LastBlockHeight, s.LastBlockID, s.LastBlockTime = 12, r.blockID(), times[2]
	s.Validators, s.NextValidators, s.LastValidators = vals.Copy(), vals.CopyIncrementProposerPriority(1), vals.Copy()
	s.LastResultsHash, s.AppHash = r.bytes(32), r.bytes(8)
	s.ConsensusParams.ABCI.VoteExtensionsEnableHeight = 5
	line("state", s.Bytes())
	id := r.blockID()
	c := signed(r, keys, 12, 0, id, 1, 2, false).ToCommit()
	median, err := sm.MedianTime(c, vals)
	must(err)
	pv, err := vals.ToProto()
	must(err)
	line("median", pv, c.ToProto(), median.Unix(), median.Nanosecond())
}
