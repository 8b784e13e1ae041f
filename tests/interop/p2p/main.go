// SPDX-License-Identifier: Apache-2.0

// A node of CometBFT's own p2p package for tests/interop/p2p.sh. On channel 70 it sends every message back; on
// channel 71 it digests what it gets and answers "END" with the digest.
//
//	peer serve              prints "listening ID@HOST:PORT", then what happens to peers
//	peer dial ADDR MIB      talks to a peer that does the same; prints "ok ..." or "FAIL ..."
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"math/rand"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	gogotypes "github.com/cosmos/gogoproto/types"

	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/libs/log"
	"github.com/cometbft/cometbft/p2p"
)

const echoChannel, bulkChannel = 0x70, 0x71

type reactor struct {
	p2p.BaseReactor
	serves bool
	mutex  sync.Mutex
	digest hash.Hash
	echoes chan []byte
	answer chan []byte
	added  chan p2p.Peer
}

func newReactor(serves bool) *reactor {
	r := &reactor{serves: serves, digest: sha256.New(), echoes: make(chan []byte, 100), answer: make(chan []byte, 1),
		added: make(chan p2p.Peer, 1)}
	r.BaseReactor = *p2p.NewBaseReactor("interop", r)
	return r
}

func (r *reactor) GetChannels() []*p2p.ChannelDescriptor {
	t := &gogotypes.BytesValue{}
	return []*p2p.ChannelDescriptor{
		{ID: echoChannel, Priority: 5, SendQueueCapacity: 100, RecvMessageCapacity: 2 << 20, MessageType: t},
		{ID: bulkChannel, Priority: 1, SendQueueCapacity: 100, RecvMessageCapacity: 2 << 20, MessageType: t},
	}
}

func (r *reactor) AddPeer(peer p2p.Peer) {
	if r.serves {
		fmt.Println("peer added", peer.ID(), peer.NodeInfo().(p2p.DefaultNodeInfo).Moniker)
		return
	}
	r.added <- peer
}

func (r *reactor) RemovePeer(peer p2p.Peer, reason interface{}) {
	if r.serves {
		fmt.Println("peer removed", reason)
	}
}

func (r *reactor) Receive(e p2p.Envelope) {
	data := e.Message.(*gogotypes.BytesValue).Value
	if e.ChannelID == echoChannel {
		if r.serves {
			e.Src.Send(e)
		} else {
			r.echoes <- data
		}
		return
	}
	if !r.serves {
		r.answer <- data
		return
	}
	if string(data) == "END" {
		e.Src.Send(p2p.Envelope{ChannelID: bulkChannel, Message: &gogotypes.BytesValue{Value: r.digest.Sum(nil)}})
		r.digest.Reset()
		return
	}
	r.digest.Write(data)
}

func start(serves bool) (*p2p.Switch, *reactor, p2p.NetAddress) {
	key := p2p.NodeKey{PrivKey: ed25519.GenPrivKey()}
	cfg := config.DefaultP2PConfig()
	cfg.SendRate, cfg.RecvRate = 1<<40, 1<<40
	cfg.FlushThrottleTimeout = 10 * time.Millisecond
	cfg.AllowDuplicateIP = true
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	at := listener.Addr().String()
	listener.Close()
	info := p2p.DefaultNodeInfo{
		ProtocolVersion: p2p.NewProtocolVersion(8, 11, 0), DefaultNodeID: key.ID(), ListenAddr: at, Network: "interop",
		Version: "0.38.25", Channels: []byte{echoChannel, bulkChannel}, Moniker: "go",
		Other: p2p.DefaultNodeInfoOther{TxIndex: "on", RPCAddress: "tcp://127.0.0.1:26657"}}
	transport := p2p.NewMultiplexTransport(info, key, p2p.MConnConfig(cfg))
	addr, err := p2p.NewNetAddressString(p2p.IDAddressString(key.ID(), at))
	if err != nil {
		panic(err)
	}
	if err := transport.Listen(*addr); err != nil {
		panic(err)
	}
	sw := p2p.NewSwitch(cfg, transport)
	sw.SetLogger(log.NewNopLogger())
	sw.SetNodeInfo(info)
	sw.SetNodeKey(&key)
	r := newReactor(serves)
	sw.AddReactor("interop", r)
	if err := sw.Start(); err != nil {
		panic(err)
	}
	return sw, r, *addr
}

func send(p p2p.Peer, channel byte, data []byte) bool {
	for i := 0; i < 3; i++ {
		if p.Send(p2p.Envelope{ChannelID: channel, Message: &gogotypes.BytesValue{Value: data}}) {
			return true
		}
	}
	return false
}

func fail(format string, args ...interface{}) {
	fmt.Printf("FAIL "+format+"\n", args...)
	os.Exit(1)
}

func wait(c chan []byte, what string) []byte {
	select {
	case data := <-c:
		return data
	case <-time.After(30 * time.Second):
		fail("%s: nothing came", what)
	}
	return nil
}

func dial(to string, mib int) {
	sw, r, _ := start(false)
	addr, err := p2p.NewNetAddressString(to)
	if err != nil {
		fail("address: %v", err)
	}
	if err := sw.DialPeerWithAddress(addr); err != nil {
		fail("dial: %v", err)
	}
	peer := <-r.added
	fmt.Println("ok Go dials, the peer is", peer.NodeInfo().(p2p.DefaultNodeInfo).Moniker)
	rnd := rand.New(rand.NewSource(1))
	for i := 0; i < 200; i++ {
		data := make([]byte, rnd.Intn(3000))
		if i%20 == 0 {
			data = make([]byte, 1<<20)
		}
		rnd.Read(data)
		if !send(peer, echoChannel, data) {
			fail("echo %d: not sent", i)
		}
		if !bytes.Equal(wait(r.echoes, "echo"), data) {
			fail("echo %d: other bytes", i)
		}
	}
	fmt.Println("ok Go's 200 messages come back")
	digest, block := sha256.New(), make([]byte, 1<<20)
	began := time.Now()
	for i := 0; i < mib; i++ {
		rnd.Read(block)
		digest.Write(block)
		if !send(peer, bulkChannel, append([]byte(nil), block...)) {
			fail("block %d: not sent", i)
		}
	}
	send(peer, bulkChannel, []byte("END"))
	if got := wait(r.answer, "digest"); !bytes.Equal(got, digest.Sum(nil)) {
		fail("digest: got %s", hex.EncodeToString(got))
	}
	fmt.Printf("ok Go sends %d MiB (%.0f MiB/s)\n", mib, float64(mib)/time.Since(began).Seconds())
	sw.Stop()
}

func main() {
	if os.Args[1] == "dial" {
		mib, _ := strconv.Atoi(os.Args[3])
		dial(os.Args[2], mib)
		return
	}
	_, _, addr := start(true)
	fmt.Println("listening", addr.String())
	select {}
}
