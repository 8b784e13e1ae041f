// SPDX-License-Identifier: Apache-2.0

// gnark-crypto's side of bench/field.sh: lines of "gnark WHAT NANOSECONDS" of the process's CPU
// time, the best of five.
package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"github.com/consensys/gnark-crypto/ecc"
	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	blsfr "github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/fft"
)

func cpu() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

func best(what string, per float64, body func()) {
	least := 1e18
	for i := 0; i < 5; i++ {
		t := cpu()
		body()
		if ns := (cpu() - t) / per; ns < least {
			least = ns
		}
	}
	fmt.Printf("gnark %s %.4g\n", what, least)
}

func main() {
	logN := 16
	if len(os.Args) > 1 {
		logN, _ = strconv.Atoi(os.Args[1])
	}
	const N, rounds = 512, 2000
	a, b, r := make(fr.Vector, N), make(fr.Vector, N), make(fr.Vector, N)
	for i := range a {
		a[i].SetRandom()
		b[i].SetRandom()
	}
	best("mul_scalar", N*rounds, func() {
		for k := 0; k < rounds; k++ {
			for i := 0; i < N; i++ {
				r[i].Mul(&a[i], &b[i])
			}
		}
	})
	best("mul_ifma", N*rounds, func() {
		for k := 0; k < rounds; k++ {
			r.Mul(a, b)
		}
	})
	best("inverse", 2000, func() {
		for k := 0; k < 2000; k++ {
			a[0].Inverse(&a[0])
		}
	})
	n := 1 << logN
	v := make([]fr.Element, n)
	for i := range v {
		v[i].SetRandom()
	}
	d := fft.NewDomain(uint64(n))
	best("ntt", 1, func() { d.FFT(v, fft.DIF); fft.BitReverse(v) })
	best("ntt_to_coset", 1, func() { d.FFTInverse(v, fft.DIF); d.FFT(v, fft.DIT, fft.OnCoset()) })
	_, _, g1, g2 := bn254.Generators()
	points := bn254.BatchScalarMultiplicationG1(&g1, v)
	for i := range v {
		v[i].SetRandom()
	}
	best("msm_g1", 1, func() { new(bn254.G1Affine).MultiExp(points, v, ecc.MultiExpConfig{NbTasks: 1}) })
	points2 := bn254.BatchScalarMultiplicationG2(&g2, v[:n/4])
	best("msm_g2", 1, func() { new(bn254.G2Affine).MultiExp(points2, v[:n/4], ecc.MultiExpConfig{NbTasks: 1}) })
	_, _, h1, h2 := bls.Generators()
	w := make([]blsfr.Element, n/4)
	for i := range w {
		w[i].SetRandom()
	}
	points3 := bls.BatchScalarMultiplicationG1(&h1, w)
	best("msm_bls_g1", 1, func() { new(bls.G1Affine).MultiExp(points3, w, ecc.MultiExpConfig{NbTasks: 1}) })
	p, q := []bn254.G1Affine{g1, g1, g1, g1}, []bn254.G2Affine{g2, g2, g2, g2}
	best("pairing", 20, func() {
		for k := 0; k < 20; k++ {
			bn254.Pair(p[:1], q[:1])
		}
	})
	best("pairing4", 20, func() {
		for k := 0; k < 20; k++ {
			bn254.Pair(p, q)
		}
	})
	p3, q3 := []bls.G1Affine{h1, h1, h1, h1}, []bls.G2Affine{h2, h2, h2, h2}
	best("pairing_bls", 20, func() {
		for k := 0; k < 20; k++ {
			bls.Pair(p3[:1], q3[:1])
		}
	})
	best("pairing4_bls", 20, func() {
		for k := 0; k < 20; k++ {
			bls.Pair(p3, q3)
		}
	})
}
