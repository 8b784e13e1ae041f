// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"

	"github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/types"
)

const poolSize = 24

func poolKey(i uint64) ed25519.PubKey {
	b := make([]byte, 32)
	binary.LittleEndian.PutUint64(b, i+1)
	return b
}

// power draws in one of four ranges, so that small chains and the limits both appear.
func power(r *rng, style uint64) int64 {
	switch style {
	case 0:
		return int64(1 + r.below(100))
	case 1:
		return int64(1 + r.below(1<<40))
	case 2:
		return int64(1 + r.below(uint64(types.MaxTotalVotingPower)/poolSize))
	}
	if r.below(4) == 0 {
		return int64(1 + r.below(uint64(types.MaxTotalVotingPower)))
	}
	return int64(1 + r.below(1000))
}

func digest(h hash.Hash, vals *types.ValidatorSet, err error) {
	var b [8]byte
	if err != nil {
		h.Write([]byte{1})
	} else {
		h.Write([]byte{0})
	}
	if vals == nil {
		return
	}
	for _, v := range vals.Validators {
		h.Write(v.Address)
		binary.BigEndian.PutUint64(b[:], uint64(v.VotingPower))
		h.Write(b[:])
		binary.BigEndian.PutUint64(b[:], uint64(v.ProposerPriority))
		h.Write(b[:])
	}
	if p := vals.GetProposer(); p != nil {
		h.Write(p.Address)
	}
}

// life makes a set and lets it live through updates and turns.
func life(seed uint64) string {
	r := rng(seed)
	h := sha256.New()
	style := r.below(4)
	n := 1 + r.below(12)
	start := make([]*types.Validator, n)
	for i := range start {
		start[i] = types.NewValidator(poolKey(uint64(i)), power(&r, style%2))
	}
	vals := types.NewValidatorSet(start)
	digest(h, vals, nil)
	for steps := 1 + r.below(30); steps > 0; steps-- {
		var err error
		switch r.below(4) {
		case 0:
			k := 1 + r.below(5)
			changes := make([]*types.Validator, k)
			for i := range changes {
				p := power(&r, style)
				if r.below(3) == 0 {
					p = 0
				}
				changes[i] = types.NewValidator(poolKey(r.below(poolSize)), p)
			}
			cp := vals.Copy()
			if err = cp.UpdateWithChangeSet(changes); err == nil {
				cp.IncrementProposerPriority(1)
				vals = cp
			}
		case 1:
			vals.IncrementProposerPriority(int32(1 + r.below(200)))
		default:
			vals.IncrementProposerPriority(1)
		}
		digest(h, vals, err)
	}
	h.Write(vals.Hash())
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}

func valsets(from, to uint64) {
	for seed := from; seed < to; seed++ {
		fmt.Println(seed, life(seed))
	}
}
