// SPDX-License-Identifier: Apache-2.0

package main

import "sync"

// One operation is a round trip over two unbuffered channels.
func chanPingPong(n int) {
	a, b := make(chan uint64), make(chan uint64)
	go func() {
		for v := range a {
			b <- v + 1
		}
		close(b)
	}()
	v := uint64(0)
	for i := 0; i < n; i++ {
		a <- v
		v = <-b
	}
	close(a)
	<-b
}

// One operation is a value moved from a producer to a consumer.
func stream(n, capacity int) {
	c := make(chan uint64, capacity)
	go func() {
		for i := 0; i < n; i++ {
			c <- uint64(i)
		}
		close(c)
	}()
	for range c {
	}
}
func chanUnbuffered(n int)   { stream(n, 0) }
func chanBuffered(n int)     { stream(n, 128) }
func chanBuffered1024(n int) { stream(n, 1024) }

// One operation is a send and a receive by one goroutine.
func chanSolo(n int) {
	c := make(chan uint64, 1)
	for i := 0; i < n; i++ {
		c <- uint64(i)
		<-c
	}
}

// One operation is a select over two channels that has to wait.
func selectWait(n int) {
	a, b := make(chan uint64), make(chan uint64)
	feed := func(c chan uint64) {
		for i := 0; i < n/2; i++ {
			c <- uint64(i)
		}
	}
	go feed(a)
	go feed(b)
	for i := 0; i < n/2*2; i++ {
		select {
		case <-a:
		case <-b:
		}
	}
}

// One operation is a select over two channels of which one is ready.
func selectReady(n int) {
	a, b := make(chan uint64, 1), make(chan uint64, 1)
	for i := 0; i < n; i++ {
		select {
		case a <- 1:
		case <-b:
		}
		select {
		case <-a:
		case <-b:
		}
	}
}

func mutexSolo(n int) {
	var m sync.Mutex
	for i := 0; i < n; i++ {
		m.Lock()
		m.Unlock()
	}
}

// Eight goroutines take turns at a counter; one operation is one turn.
func mutexShared(n int) {
	var m sync.Mutex
	var wg sync.WaitGroup
	x := 0
	wg.Add(8)
	for f := 0; f < 8; f++ {
		go func() {
			for i := 0; i < n/8; i++ {
				m.Lock()
				x++
				m.Unlock()
			}
			wg.Done()
		}()
	}
	wg.Wait()
}

func waitGroup(n int) {
	var wg sync.WaitGroup
	for i := 0; i < n; i++ {
		wg.Add(1)
		wg.Done()
		wg.Wait()
	}
}

// Two goroutines hand a turn back and forth by condition variables; one operation is one turn.
func condTurns(n int) {
	var m sync.Mutex
	conds := [2]*sync.Cond{sync.NewCond(&m), sync.NewCond(&m)}
	turn := 0
	var wg sync.WaitGroup
	wg.Add(2)
	for me := 0; me < 2; me++ {
		go func(me int) {
			m.Lock()
			for i := 0; i < n/2; i++ {
				for turn != me {
					conds[me].Wait()
				}
				turn = 1 - me
				conds[1-me].Signal()
			}
			m.Unlock()
			wg.Done()
		}(me)
	}
	wg.Wait()
}
