// SPDX-License-Identifier: Apache-2.0

// bench_evm CORPUS - go-ethereum's accounts/abi over the corpus, as the C program of that name.
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
	"syscall"

	"github.com/ethereum/go-ethereum/accounts/abi"
)

type row struct {
	args  abi.Arguments
	data  []byte
	value []any
}

func cpu() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

func measure(what string, rows []row, one func(*row) error) {
	begin, total, now := cpu(), 0, 0.0
	for now < 1 {
		for i := range rows {
			if err := one(&rows[i]); err != nil {
				log.Fatal(err)
			}
			total += len(rows[i].data)
		}
		now = cpu() - begin
	}
	fmt.Printf("geth %s %.1f\n", what, float64(total)/now/1e6)
}

func main() {
	f, err := os.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var rows []row
	in := bufio.NewScanner(f)
	in.Buffer(nil, 64<<20)
	for in.Scan() {
		var line struct{ Abi, Data string }
		if err := json.Unmarshal(in.Bytes(), &line); err != nil {
			log.Fatal(err)
		}
		a, err := abi.JSON(strings.NewReader(line.Abi))
		if err != nil {
			log.Fatal(err)
		}
		r := row{args: a.Methods["test"].Outputs}
		r.data, _ = hex.DecodeString(line.Data[2:])
		if r.value, err = r.args.Unpack(r.data); err != nil {
			log.Fatal(err)
		}
		if packed, err := r.args.Pack(r.value...); err != nil || !bytes.Equal(packed, r.data) {
			log.Fatal("geth disagrees ", err)
		}
		rows = append(rows, r)
	}
	measure("decode", rows, func(r *row) error { _, err := r.args.Unpack(r.data); return err })
	measure("encode", rows, func(r *row) error { _, err := r.args.Pack(r.value...); return err })
}
