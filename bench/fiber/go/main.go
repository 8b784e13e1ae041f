// SPDX-License-Identifier: Apache-2.0

// The cases of bench_fiber in Go, with the standard library only.
//
//	bench_go [CASE...]	(GOMAXPROCS sets the cores)
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

type benchCase struct {
	name string
	n    int
	fn   func(n int)
}

func yieldPair(n int) {
	var wg sync.WaitGroup
	wg.Add(2)
	for i := 0; i < 2; i++ {
		go func() {
			for k := 0; k < n; k++ {
				runtime.Gosched()
			}
			wg.Done()
		}()
	}
	wg.Wait()
}

func spawn(n int) {
	for done := 0; done < n; done += 1000 {
		var wg sync.WaitGroup
		wg.Add(1000)
		for i := 0; i < 1000; i++ {
			go wg.Done()
		}
		wg.Wait()
	}
}

func spawnJoin1(n int) {
	for i := 0; i < n; i++ {
		var wg sync.WaitGroup
		wg.Add(1)
		go wg.Done()
		wg.Wait()
	}
}

func park100k(n int) {
	var wg sync.WaitGroup
	wg.Add(n)
	gate := make(chan struct{})
	for i := 0; i < n; i++ {
		go func() { <-gate; wg.Done() }()
	}
	for i := 0; i < n; i++ {
		gate <- struct{}{}
	}
	wg.Wait()
}

func timer(n int) {
	for i := 0; i < n; i++ {
		time.NewTimer(time.Hour).Stop()
	}
}

var million [1000000]*time.Timer

func timers1m(n int) {
	for done := 0; done < n; done += 1000000 {
		for i := range million {
			million[i] = time.NewTimer(time.Second + time.Duration(i*7919%3600000)*time.Millisecond)
		}
		for i := range million {
			million[i].Stop()
		}
	}
}

var cases = []benchCase{
	{"yield_pair", 3000000, yieldPair},
	{"spawn", 2000000, spawn},
	{"spawn_join1", 1000000, spawnJoin1},
	{"park_100k", 100000, park100k},
	{"timer", 3000000, timer},
	{"timers_1m", 1000000, timers1m},
	{"chan_ping_pong", 1000000, chanPingPong},
	{"chan_unbuffered", 1000000, chanUnbuffered},
	{"chan_buffered", 5000000, chanBuffered},
	{"chan_solo", 5000000, chanSolo},
	{"select_wait", 1000000, selectWait},
	{"select_ready", 3000000, selectReady},
	{"mutex", 10000000, mutexSolo},
	{"mutex_shared", 2000000, mutexShared},
	{"waitgroup", 5000000, waitGroup},
	{"cond_turns", 500000, condTurns},
	{"queue_spsc", 5000000, chanBuffered1024},
}

func main() {
	wanted := map[string]bool{}
	for _, a := range os.Args[1:] {
		wanted[a] = true
	}
	for _, c := range cases {
		if len(wanted) > 0 && !wanted[c.name] {
			continue
		}
		c.fn(c.n/10 + 1)
		t0 := time.Now()
		c.fn(c.n)
		fmt.Printf("%s %.2f\n", c.name, float64(time.Since(t0).Nanoseconds())/float64(c.n))
	}
}
