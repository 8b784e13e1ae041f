// SPDX-License-Identifier: Apache-2.0
// goleveldb's side of tests/interop/kv.sh.  kv write FOLDER SEED: puts, overwrites and deletes;
// kv dump FOLDER: every pair, in order, as hex; kv sum FOLDER: each value's length and CRC-32C in its place.
package main

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"math/rand"
	"os"
	"strconv"

	"github.com/syndtr/goleveldb/leveldb"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	db, err := leveldb.OpenFile(os.Args[2], nil)
	check(err)
	if os.Args[1] == "write" {
		seed, _ := strconv.ParseInt(os.Args[3], 10, 64)
		r := rand.New(rand.NewSource(seed))
		for i := 0; i < 20000; i++ {
			b := new(leveldb.Batch)
			for n := r.Intn(4); n >= 0; n-- {
				key := []byte(fmt.Sprintf("key:%d", r.Intn(30000)))
				if r.Intn(4) == 0 {
					b.Delete(key)
					continue
				}
				value := make([]byte, r.Intn(600))
				r.Read(value[:len(value)/2]) // half of it packs well
				b.Put(key, value)
			}
			check(db.Write(b, nil))
		}
	} else {
		out := bufio.NewWriter(os.Stdout)
		it := db.NewIterator(nil, nil)
		for it.Next() {
			if os.Args[1] == "sum" {
				fmt.Fprintf(out, "%x %d %08x\n", it.Key(), len(it.Value()), crc32.Checksum(it.Value(), castagnoli))
			} else {
				fmt.Fprintf(out, "%x %x\n", it.Key(), it.Value())
			}
		}
		check(it.Error())
		it.Release()
		check(out.Flush())
	}
	check(db.Close())
}
