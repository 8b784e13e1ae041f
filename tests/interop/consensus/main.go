// SPDX-License-Identifier: Apache-2.0

// The consensus library of CometBFT behind a command line: what chains/consensus is compared with.
//
//	consensus_peer values            lines of encodings, hashes and sign bytes
//	consensus_peer valsets FROM TO   one digest per seed: a random life of a validator set
//	consensus_peer commits           commits with faults, and which rule accepts them
//	consensus_peer wal-write DIR N   a log of N blocks, by a node of one validator
//	consensus_peer wal-read FILE     decodes a log and encodes it again, to standard output
//	consensus_peer genesis           a genesis file
package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/cometbft/cometbft/crypto"
)

// rng is splitmix64: the C side draws the same numbers.
type rng uint64

func (r *rng) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}
func (r *rng) below(n uint64) uint64 { return r.next() % n }
func (r *rng) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.next())
	}
	return b
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "consensus_peer:", err)
		os.Exit(1)
	}
}

type marshaler interface{ Marshal() ([]byte, error) }

// line prints a kind and its fields: messages and bytes as hex ("-" where empty), the rest as text.
func line(kind string, fields ...any) {
	out := []string{kind}
	for _, f := range fields {
		switch v := f.(type) {
		case marshaler:
			b, err := v.Marshal()
			must(err)
			out = append(out, hexOf(b))
		case []byte:
			out = append(out, hexOf(v))
		case crypto.Address:
			out = append(out, hexOf(v))
		default:
			out = append(out, fmt.Sprint(v))
		}
	}
	fmt.Println(strings.Join(out, " "))
}
func hexOf(b []byte) string {
	if len(b) == 0 {
		return "-"
	}
	return hex.EncodeToString(b)
}

func arg(i int) string {
	if i >= len(os.Args) {
		must(fmt.Errorf("an argument is missing"))
	}
	return os.Args[i]
}

func main() {
	switch arg(1) {
	case "values":
		values()
	case "valsets":
		from, err := strconv.ParseUint(arg(2), 10, 64)
		must(err)
		to, err := strconv.ParseUint(arg(3), 10, 64)
		must(err)
		valsets(from, to)
	case "commits":
		commits()
	case "wal-write":
		n, err := strconv.Atoi(arg(3))
		must(err)
		walWrite(arg(2), n)
	case "wal-read":
		walRead(arg(2))
	case "genesis":
		genesis()
	default:
		must(fmt.Errorf("unknown command %q", os.Args[1]))
	}
}
