// SPDX-License-Identifier: Apache-2.0

// CometBFT's own ends of a remote signer for tests/interop/chain_home.sh.
//
//	peer sign ADDR CHAIN KEY STATE     a SignerServer with these files, until it is killed
//	peer ask ADDR CHAIN                a SignerClient: asks whoever dials ADDR for a key, a proposal and votes, and
//	                                   prints "ok ..." or "FAIL ..."
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/libs/log"
	"github.com/cometbft/cometbft/privval"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"
)

func must(err error, what string) {
	if err != nil {
		fmt.Printf("FAIL %s: %v\n", what, err)
		os.Exit(1)
	}
}

func sign(addr, chain, key, state string) {
	pv := privval.LoadOrGenFilePV(key, state)
	var dialer privval.SocketDialer
	if strings.HasPrefix(addr, "unix://") {
		dialer = privval.DialUnixFn(strings.TrimPrefix(addr, "unix://"))
	} else {
		dialer = privval.DialTCPFn(addr, 5*time.Second, ed25519.GenPrivKey())
	}
	logger := log.NewTMLogger(log.NewSyncWriter(os.Stderr))
	ep := privval.NewSignerDialerEndpoint(logger, dialer, privval.SignerDialerEndpointConnRetries(100))
	must(privval.NewSignerServer(ep, chain, pv).Start(), "signer")
	fmt.Println("started")
	select {}
}

func vote(t cmtproto.SignedMsgType, height int64, block byte) *cmtproto.Vote {
	v := &cmtproto.Vote{Type: t, Height: height, Timestamp: time.Unix(1700000000, 5).UTC(), ValidatorAddress: make([]byte, 20)}
	if block != 0 {
		v.BlockID = cmtproto.BlockID{Hash: bytes.Repeat([]byte{block}, 32),
			PartSetHeader: cmtproto.PartSetHeader{Total: 1, Hash: bytes.Repeat([]byte{block + 1}, 32)}}
	}
	return v
}

func ask(addr, chain string) {
	ep, err := privval.NewSignerListener(addr, log.NewNopLogger())
	must(err, "listen")
	sc, err := privval.NewSignerClient(ep, chain)
	must(err, "client")
	fmt.Println("listening")
	must(sc.WaitForConnection(20*time.Second), "connection")
	key, err := sc.GetPubKey()
	must(err, "key")
	fmt.Println("ok key", strings.ToUpper(key.Address().String()))

	prop := &cmtproto.Proposal{Type: cmtproto.ProposalType, Height: 3, PolRound: -1, Timestamp: time.Unix(1700000000, 0).UTC(),
		BlockID: vote(cmtproto.PrevoteType, 1, 7).BlockID}
	must(sc.SignProposal(chain, prop), "proposal")
	if !key.VerifySignature(types.ProposalSignBytes(chain, prop), prop.Signature) {
		fmt.Println("FAIL proposal: signature")
	} else {
		fmt.Println("ok proposal")
	}
	for _, t := range []cmtproto.SignedMsgType{cmtproto.PrevoteType, cmtproto.PrecommitType} {
		v := vote(t, 3, 7)
		if t == cmtproto.PrecommitType {
			v.Extension = []byte("extension")
		}
		must(sc.SignVote(chain, v), "vote")
		good := key.VerifySignature(types.VoteSignBytes(chain, v), v.Signature)
		if t == cmtproto.PrecommitType {
			good = good && key.VerifySignature(types.VoteExtensionSignBytes(chain, v), v.ExtensionSignature)
		}
		if good {
			fmt.Println("ok", t)
		} else {
			fmt.Println("FAIL", t, "signature")
		}
	}
	if err := sc.SignVote(chain, vote(cmtproto.PrecommitType, 3, 9)); err != nil && strings.Contains(err.Error(), "conflicting data") {
		fmt.Println("ok two votes for one place are refused")
	} else {
		fmt.Println("FAIL two votes for one place:", err)
	}
	if err := sc.SignVote(chain, vote(cmtproto.PrevoteType, 2, 9)); err != nil {
		fmt.Println("ok a vote for an earlier height is refused")
	} else {
		fmt.Println("FAIL a vote for an earlier height")
	}
	if err := sc.SignVote("other", vote(cmtproto.PrevoteType, 9, 9)); err != nil {
		fmt.Println("ok another chain is refused")
	} else {
		fmt.Println("FAIL another chain")
	}
	must(sc.Ping(), "ping")
	fmt.Println("ok ping")
}

func main() {
	if len(os.Args) == 6 && os.Args[1] == "sign" {
		sign(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	} else if len(os.Args) == 4 && os.Args[1] == "ask" {
		ask(os.Args[2], os.Args[3])
	} else {
		os.Exit(2)
	}
}
