// SPDX-License-Identifier: Apache-2.0

// CometBFT's verdict on signatures of every awkward kind: records of key, signature, length, message and
// verdict on standard output, for tests/interop/ed25519_peer.c.
package main

import (
	"bufio"
	"crypto/sha512"
	"encoding/binary"
	"math/rand"
	"os"
	"strconv"

	"github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
)

var rnd *rand.Rand

func randomScalar() *scalar.Scalar {
	wide := make([]byte, 64)
	rnd.Read(wide)
	s, err := scalar.NewFromBytesModOrderWide(wide)
	if err != nil {
		panic(err)
	}
	return s
}

// encode gives a point's bytes, sometimes in a form that is not the canonical one where there is another.
func encode(p *curve.EdwardsPoint) []byte {
	var c curve.CompressedEdwardsY
	c.SetEdwardsPoint(p)
	b := append([]byte(nil), c[:]...)
	small := b[0] < 19
	for i := 1; i < 32; i++ {
		v := b[i]
		if i == 31 {
			v &= 0x7f
		}
		small = small && v == 0
	}
	if small && rnd.Intn(2) == 0 {
		sign := b[31] & 0x80
		b[0] += 0xed
		for i := 1; i < 31; i++ {
			b[i] = 0xff
		}
		b[31] = 0x7f | sign
	}
	if rnd.Intn(40) == 0 {
		b[31] ^= 0x80
	}
	return b
}

func point(s *scalar.Scalar) *curve.EdwardsPoint {
	p := curve.NewEdwardsPoint()
	switch rnd.Intn(6) {
	case 0: // small order alone
		return p.Set(curve.EIGHT_TORSION[rnd.Intn(8)])
	case 1, 2: // with a part of small order
		p.MulBasepoint(curve.ED25519_BASEPOINT_TABLE, s)
		return p.Add(p, curve.EIGHT_TORSION[rnd.Intn(8)])
	}
	return p.MulBasepoint(curve.ED25519_BASEPOINT_TABLE, s)
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	seed, _ := strconv.ParseInt(os.Args[2], 10, 64)
	rnd = rand.New(rand.NewSource(seed))
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	var keys [64]*scalar.Scalar
	for i := range keys {
		keys[i] = randomScalar()
	}
	for i := 0; i < n; i++ {
		a, r := keys[rnd.Intn(len(keys))], randomScalar()
		key, R := encode(point(a)), encode(point(r))
		msg := make([]byte, rnd.Intn(260))
		rnd.Read(msg)
		h := sha512.New()
		h.Write(R)
		h.Write(key)
		h.Write(msg)
		k, err := scalar.NewFromBytesModOrderWide(h.Sum(nil))
		if err != nil {
			panic(err)
		}
		s := scalar.New().Mul(k, a)
		s.Add(s, r)
		sb := make([]byte, 32)
		if err := s.ToBytes(sb); err != nil {
			panic(err)
		}
		sig := append(append([]byte(nil), R...), sb...)
		switch rnd.Intn(12) {
		case 0:
			sig[rnd.Intn(64)] ^= 1 << rnd.Intn(8)
		case 1:
			key[rnd.Intn(32)] ^= 1 << rnd.Intn(8)
		case 2:
			if len(msg) > 0 {
				msg[rnd.Intn(len(msg))] ^= 1 << rnd.Intn(8)
			}
		case 3: // s plus the order, or anything above
			carry := 0
			order := [32]byte{0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 31: 0x10}
			for j := range order {
				carry += int(sig[32+j]) + int(order[j])
				sig[32+j] = byte(carry)
				carry >>= 8
			}
		case 4:
			for j := range sig[32:] {
				sig[32+j] = 0
			}
		case 5:
			rnd.Read(sig[:32])
		}
		good := ed25519.PubKey(key).VerifySignature(msg, sig)
		out.Write(key)
		out.Write(sig)
		binary.Write(out, binary.LittleEndian, uint16(len(msg)))
		out.Write(msg)
		if good {
			out.WriteByte(1)
		} else {
			out.WriteByte(0)
		}
	}
}
