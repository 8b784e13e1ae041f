// SPDX-License-Identifier: Apache-2.0

// go-zero's breaker, shedder and p2c: what a decision costs, and how they behave in the model of bench_govern.c.
// Built inside a copy of go-zero's module (bench/govern.sh), because its p2c is internal; with -tags virtual its clock
// (core/timex) is the model's. Prints "NAME VALUE" lines.
package main

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"syscall"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"

	"github.com/zeromicro/go-zero/core/breaker"
	"github.com/zeromicro/go-zero/core/load"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/stat"
	"github.com/zeromicro/go-zero/core/timex"
	"github.com/zeromicro/go-zero/zrpc/internal/balancer/p2c"
)

type conn struct {
	balancer.SubConn
	id int
}

func picker(n int) balancer.Picker {
	ready := map[balancer.SubConn]base.SubConnInfo{}
	for i := 0; i < n; i++ {
		ready[&conn{id: i}] = base.SubConnInfo{Address: resolver.Address{Addr: strconv.Itoa(i)}}
	}
	return p2c.BenchPicker(base.PickerBuildInfo{ReadySCs: ready})
}

// cpuNs is the CPU time of the process: the machine may be shared.
func cpuNs() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func cost(name string, fn func()) {
	const n = 500000
	best := 1e9
	for i := 0; i < 5; i++ {
		t0 := cpuNs()
		for k := 0; k < n; k++ {
			fn()
		}
		best = min(best, float64(cpuNs()-t0)/n)
	}
	fmt.Printf("cost_%s %.1f\n", name, best)
}

func costs() {
	b := breaker.NewBreaker()
	cost("breaker", func() {
		if p, err := b.Allow(); err == nil {
			p.Accept()
		}
	})
	s := load.NewAdaptiveShedder()
	cost("shedder", func() {
		if p, err := s.Allow(); err == nil {
			p.Pass()
		}
	})
	p := picker(10)
	info := balancer.PickInfo{FullMethodName: "/x", Ctx: context.Background()}
	cost("p2c", func() {
		if r, err := p.Pick(info); err == nil {
			r.Done(balancer.DoneInfo{})
		}
	})
}

// ---- the model

const (
	arrive = iota
	finish
	expire
	tick
)
const (
	well = iota
	stuck
	refusing
)

type event struct {
	at, start int64
	kind      int
	server    int
	done      func(error)
	promise   load.Promise
	bp        breaker.Promise
}
type events []*event

func (h events) Len() int           { return len(h) }
func (h events) Less(i, j int) bool { return h[i].at < h[j].at }
func (h events) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *events) Push(x any)        { *h = append(*h, x.(*event)) }
func (h *events) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

type server struct {
	mood, busy, processors int
	busyNs, serviceNs      int64
	queue                  []*event
}
type model struct {
	h       events
	r       *rand.Rand
	now     int64
	servers []server
}

const sec = int64(time.Second)

func newModel(seed int64, n, processors int, service int64) *model {
	m := &model{r: rand.New(rand.NewSource(seed)), now: timex.BenchReset()}
	for i := 0; i < n; i++ {
		m.servers = append(m.servers, server{processors: processors, serviceNs: service})
	}
	return m
}
func (m *model) exp(mean float64) int64 { return int64(m.r.ExpFloat64() * mean) }
func (m *model) push(e *event)          { heap.Push(&m.h, e) }
func (m *model) pop() *event {
	e := heap.Pop(&m.h).(*event)
	m.now = e.at
	timex.BenchSet(m.now)
	return e
}
func (m *model) begin(s *server, e *event) {
	took := m.exp(float64(s.serviceNs))
	s.busy++
	s.busyNs += took
	e.kind, e.at = finish, m.now+took
	m.push(e)
}
func (m *model) arrive(s *server, e *event) {
	if s.busy < s.processors {
		m.begin(s, e)
	} else {
		s.queue = append(s.queue, e)
	}
}

// leave begins the next in line; expired (or nil) takes those that waited longer than the handler's deadline.
func (m *model) leave(s *server, expired func(*event)) {
	s.busy--
	for len(s.queue) > 0 {
		e := s.queue[0]
		s.queue = s.queue[1:]
		if expired == nil || m.now-e.start <= 3*sec {
			m.begin(s, e)
			return
		}
		expired(e)
	}
}

func ejection(mood int, seed int64) (bad int) {
	m := newModel(seed, 10, 2, 5e6)
	p := picker(10)
	info := balancer.PickInfo{FullMethodName: "/x", Ctx: context.Background()}
	change := m.now + 5*sec
	end := change + 20*sec
	m.push(&event{kind: arrive, at: m.now})
	for len(m.h) > 0 {
		e := m.pop()
		if m.now >= change {
			m.servers[3].mood = mood
		}
		if e.kind == arrive {
			if m.now < end {
				m.push(&event{kind: arrive, at: m.now + m.exp(float64(sec)/500)})
			}
			r, err := p.Pick(info)
			if err != nil {
				panic(err)
			}
			id := r.SubConn.(*conn).id
			e.server, e.start = id, m.now
			e.done = func(err error) { r.Done(balancer.DoneInfo{Err: err}) }
			switch m.servers[id].mood {
			case stuck:
				e.kind, e.at = expire, m.now+sec
				m.push(e)
			case refusing:
				e.kind, e.at = expire, m.now+200000
				m.push(e)
			default:
				m.arrive(&m.servers[id], e)
			}
			continue
		}
		if e.kind == finish {
			e.done(nil)
			m.leave(&m.servers[e.server], nil)
		} else {
			code := codes.Unavailable
			if m.servers[e.server].mood == stuck {
				code = codes.DeadlineExceeded
			}
			e.done(status.Error(code, "x"))
			bad++
		}
	}
	return bad
}

func outage(fail int64, seed int64) (sent, backMs float64) {
	m := newModel(seed, 1, 64, 2e6)
	b := breaker.NewBreaker()
	from := m.now + 10*sec
	to := from + 60*sec
	end := to + 60*sec
	lastDrop := to
	m.push(&event{kind: arrive, at: m.now})
	for len(m.h) > 0 {
		e := m.pop()
		down := m.now >= from && m.now < to
		switch e.kind {
		case arrive:
			if m.now < end {
				m.push(&event{kind: arrive, at: m.now + m.exp(float64(sec)/300)})
			}
			pr, err := b.Allow()
			if err == nil {
				if down && m.now > from+12*sec {
					sent++
				}
				f := &event{kind: finish, at: m.now + m.exp(2e6), bp: pr}
				if down {
					f.kind, f.at = expire, m.now+fail
				}
				m.push(f)
			} else if m.now >= to {
				lastDrop = m.now
			}
		case finish:
			e.bp.Accept()
		default:
			e.bp.Reject("x")
		}
	}
	return sent, float64(lastDrop-to) / 1e6
}

func overload(service int64, processors int, seed int64) float64 {
	m := newModel(seed, 1, processors, service)
	stat.BenchSetCpu(0)
	shed := load.NewAdaptiveShedder()
	capacity := float64(processors) / (float64(service) / float64(sec))
	cpu, before, good := 0.0, int64(0), 0
	start := m.now
	hot := start + 10*sec
	end := hot + 40*sec
	m.push(&event{kind: arrive, at: m.now})
	m.push(&event{kind: tick, at: m.now + 250e6})
	for len(m.h) > 0 {
		e := m.pop()
		s := &m.servers[0]
		stat.BenchSetCpu(int64(cpu)) // against its own sampler, which sees the real machine
		switch e.kind {
		case tick:
			use := min(float64(s.busyNs-before)/(250e6*float64(processors)), 1)
			before = s.busyNs
			cpu = cpu*0.95 + use*1000*0.05
			if m.now < end {
				m.push(&event{kind: tick, at: m.now + 250e6})
			}
		case arrive:
			if m.now < end {
				rate := capacity * 5
				if m.now < hot {
					rate = capacity * 0.6
				}
				m.push(&event{kind: arrive, at: m.now + m.exp(float64(sec)/rate)})
			}
			if p, err := shed.Allow(); err == nil {
				e.promise, e.start = p, m.now
				m.arrive(s, e)
			}
		default:
			e.promise.Pass()
			m.leave(s, func(e *event) { e.promise.Fail() })
			if m.now >= end-20*sec && m.now < end && m.now-e.start <= 10*service {
				good++
			}
		}
	}
	return float64(good) / 20 / capacity
}

func main() {
	logx.Disable()
	if len(os.Args) < 2 {
		costs()
		return
	}
	seeds, err := strconv.Atoi(os.Args[1])
	if err != nil || seeds < 1 {
		panic(errors.New("usage: main [SEEDS]"))
	}
	var stuckBad, refusingBad int
	var sent, back [2]float64
	var slow, fast float64
	for i := 1; i <= seeds; i++ {
		stuckBad += ejection(stuck, int64(i))
		refusingBad += ejection(refusing, int64(i))
		for k, fail := range []int64{2e6, 2e9} {
			s, b := outage(fail, int64(i))
			sent[k] += s
			back[k] += b
		}
	}
	for i := int64(1); i <= 3; i++ {
		slow += overload(10e6, 4, i) / 3
		fast += overload(500e3, 2, i) / 3
	}
	n := float64(seeds)
	fmt.Printf("stuck_errors %.1f\nrefusing_errors %.1f\n", float64(stuckBad)/n, float64(refusingBad)/n)
	fmt.Printf("outage_sent_per_s %.2f\noutage_sent_timeouts_per_s %.2f\n", sent[0]/n/48, sent[1]/n/48)
	fmt.Printf("recovery_ms %.0f\nrecovery_timeouts_ms %.0f\n", back[0]/n, back[1]/n)
	fmt.Printf("goodput_10ms %.3f\ngoodput_500us %.3f\n", slow, fast)
}
