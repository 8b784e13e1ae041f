// SPDX-License-Identifier: Apache-2.0

// Go's side of bench/ed25519.sh: lines of "WHO WHAT NANOSECONDS" of the process's CPU time, the best of
// seven. WHO is go (crypto/ed25519) or voi (curve25519-voi under ZIP-215, as CometBFT uses it).
package main

import (
	stdlib "crypto/ed25519"
	"fmt"
	"syscall"

	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519/extra/cache"
)

const sigs, keys, msgLen = 1024, 150, 122

func cpu() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

func best(who, what string, per int, body func()) {
	least := 1e18
	for i := 0; i < 7; i++ {
		t := cpu()
		body()
		if t = (cpu() - t) / float64(per); t < least {
			least = t
		}
	}
	fmt.Printf("%s %s %.4g\n", who, what, least)
}

func must(ok bool) {
	if !ok {
		panic("a good signature is refused")
	}
}

func main() {
	var pub [sigs][]byte
	var sig, msg [sigs][]byte
	for i := range sig {
		seed := make([]byte, 32)
		seed[0] = byte(i % keys)
		k := stdlib.NewKeyFromSeed(seed)
		pub[i] = k[32:]
		msg[i] = make([]byte, msgLen)
		for j := range msg[i] {
			msg[i][j] = byte(i>>(j%8) ^ j)
		}
		sig[i] = stdlib.Sign(k, msg[i])
	}
	opts := &voi.Options{Verify: voi.VerifyOptionsZIP_215}
	best("go", "single", 200, func() {
		for i := 0; i < 200; i++ {
			must(stdlib.Verify(pub[i], msg[i], sig[i]))
		}
	})
	best("voi", "single", 200, func() {
		for i := 0; i < 200; i++ {
			must(voi.VerifyWithOptions(pub[i], msg[i], sig[i], opts))
		}
	})
	cached := cache.NewVerifier(cache.NewLRUCache(4096))
	for i := 0; i < sigs; i++ {
		cached.AddPublicKey(pub[i])
	}
	best("voi", "kept", 200, func() {
		for i := 0; i < 200; i++ {
			must(cached.VerifyWithOptions(pub[i], msg[i], sig[i], opts))
		}
	})
	for _, n := range []int{4, 16, 64, 128, 150, 1024} {
		rounds := 1024 / n
		for _, kept := range []bool{false, true} {
			what := map[bool]string{false: "batch", true: "cached"}[kept]
			best("voi", fmt.Sprintf("%s_%d", what, n), n*rounds, func() {
				for r := 0; r < rounds; r++ {
					b := voi.NewBatchVerifierWithCapacity(n)
					at := r * n % (sigs - n + 1)
					for i := at; i < at+n; i++ {
						if kept {
							cached.AddWithOptions(b, pub[i], msg[i], sig[i], opts)
						} else {
							b.AddWithOptions(pub[i], msg[i], sig[i], opts)
						}
					}
					ok, _ := b.Verify(nil)
					must(ok)
				}
			})
		}
	}
}
