// SPDX-License-Identifier: Apache-2.0
// The same handler in Go, for bench/p99.sh: main ADDRESS DATASET
package main

import (
	"fmt"
	"math/rand"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	rows     = 1500
	rowMin   = 64
	rowMax   = 512
	keep     = 10
	sessions = 1 << 17
	reads    = 4
	page     = 4096
)

type row struct {
	next *row
	data []byte
}

var (
	mu    sync.Mutex
	table [sessions]*row
)

func main() {
	f, err := os.Open(os.Args[2])
	if err != nil {
		panic(err)
	}
	st, _ := f.Stat()
	pages := st.Size() / page
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		var head *row
		sum := uint64(0)
		for i := 0; i < rows; i++ {
			n := rowMin + rand.Intn(rowMax-rowMin)
			r := &row{next: head, data: make([]byte, n)}
			for k := range r.data {
				r.data[k] = byte(n)
			}
			sum += uint64(r.data[0])
			if i%keep == 0 {
				r.next = nil
				mu.Lock()
				table[rand.Intn(sessions)] = r
				mu.Unlock()
				continue
			}
			head = r
		}
		time.Sleep(2 * time.Millisecond)
		buf := make([]byte, page)
		for i := 0; i < reads; i++ {
			if _, err := f.ReadAt(buf, rand.Int63n(pages)*page); err != nil {
				panic(err)
			}
			sum += uint64(buf[0])
		}
		_ = head
		fmt.Fprintln(w, sum)
	})
	panic(http.ListenAndServe(os.Args[1], nil))
}
