// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/consensus"
	"github.com/cometbft/cometbft/crypto"
	"github.com/cometbft/cometbft/crypto/ed25519"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	cmtmath "github.com/cometbft/cometbft/libs/math"
	"github.com/cometbft/cometbft/privval"
	"github.com/cometbft/cometbft/types"
)

// commits prints random commits, many with a fault, and 1 or 0 for each rule that accepts them.
func commits() {
	r := rng(7)
	for i := 0; i < 120; i++ {
		keys := privKeys(&r, 1+int(r.below(4)), r.below(2) == 0)
		vals := setOf(&r, keys)
		id := r.blockID()
		height := int64(1 + r.below(5))
		c := signed(&r, keys, height, int32(r.below(3)), id, r.next()&r.next()&r.next(), r.next()&r.next()&r.next(), false).ToCommit()
		k := int(r.below(uint64(len(c.Signatures))))
		switch r.below(8) {
		case 0:
			if len(c.Signatures[k].Signature) > 0 {
				c.Signatures[k].Signature[5] ^= 1
			}
		case 1:
			c.Signatures = c.Signatures[:k]
		case 2:
			c.Signatures[k], c.Signatures[0] = c.Signatures[0], c.Signatures[k]
		case 3:
			height++
		case 4:
			c.Signatures[k].Timestamp = c.Signatures[k].Timestamp.Add(1)
		}
		if len(c.Signatures) == 0 || c.ValidateBasic() != nil {
			continue
		}
		trusted := vals
		if r.below(2) == 0 {
			more := append(privKeys(&r, int(1+r.below(2)), false), append([]crypto.PrivKey{}, keys[:1+int(r.below(uint64(len(keys))))]...)...)
			trusted = setOf(&r, more)
		}
		pv, err := vals.ToProto()
		must(err)
		tv, err := trusted.ToProto()
		must(err)
		line("case", pv, tv, c.ToProto(), height, id.Hash.Bytes(), id.PartSetHeader.Total, id.PartSetHeader.Hash.Bytes(),
			verdict(types.VerifyCommit(chain, vals, id, height, c)),
			verdict(types.VerifyCommitLight(chain, vals, id, height, c)),
			verdict(types.VerifyCommitLightAllSignatures(chain, vals, id, height, c)),
			verdict(types.VerifyCommitLightTrusting(chain, trusted, c, cmtmath.Fraction{Numerator: 1, Denominator: 3})),
			verdict(types.VerifyCommitLightTrustingAllSignatures(chain, trusted, c, cmtmath.Fraction{Numerator: 2, Denominator: 3})))
	}
}
func verdict(err error) int {
	if err != nil {
		return 0
	}
	return 1
}

// walWrite lets a node of one validator make n blocks and keeps its log and genesis.
func walWrite(dir string, n int) {
	testing.Init() // the generator asks the flags of a test
	must(flag.CommandLine.Parse(nil))
	config.EnsureRoot(dir)
	cfg := config.TestConfig()
	cfg.SetRoot(dir)
	pv := privval.NewFilePV(ed25519.GenPrivKeyFromSecret([]byte("wal")), cfg.PrivValidatorKeyFile(), cfg.PrivValidatorStateFile())
	pv.Save()
	key, err := pv.GetPubKey()
	must(err)
	doc := types.GenesisDoc{GenesisTime: times[2], ChainID: chain, Validators: []types.GenesisValidator{{PubKey: key, Power: 10}}}
	must(doc.ValidateAndComplete())
	must(doc.SaveAs(cfg.GenesisFile()))
	var buf bytes.Buffer
	must(consensus.WALGenerateNBlocks(&testing.T{}, &buf, n, cfg))
	must(os.WriteFile(filepath.Join(dir, "wal"), buf.Bytes(), 0o644))
}

func walRead(file string) {
	f, err := os.Open(file)
	must(err)
	dec, enc := consensus.NewWALDecoder(f), consensus.NewWALEncoder(os.Stdout)
	for {
		m, err := dec.Decode()
		if errors.Is(err, io.EOF) {
			return
		}
		must(err)
		must(enc.Encode(m))
	}
}

func genesisDoc() *types.GenesisDoc {
	r := rng(3)
	doc := &types.GenesisDoc{GenesisTime: times[2], ChainID: chain, InitialHeight: 3, ConsensusParams: types.DefaultConsensusParams(), AppHash: r.bytes(9),
		AppState: json.RawMessage(`{"b":[1, 2.50, "<&>"],"a":{"x":"}"}}`)}
	for i, k := range privKeys(&r, 4, true) {
		doc.Validators = append(doc.Validators, types.GenesisValidator{Address: k.PubKey().Address(), PubKey: k.PubKey(), Power: int64(10 + i), Name: fmt.Sprint("node", i)})
	}
	return doc
}
func genesis() {
	b, err := cmtjson.MarshalIndent(genesisDoc(), "", "  ")
	must(err)
	os.Stdout.Write(b)
}
