// SPDX-License-Identifier: Apache-2.0

// Stands in for go-zero's core/timex/relativetime.go in the model: the clock is the model's.
package timex

import (
	"sync/atomic"
	"time"
)

var now atomic.Int64

// BenchReset starts a new model's clock, later than any before.
func BenchReset() int64 { return now.Add(int64(10000 * time.Hour)) }

// BenchSet moves the clock.
func BenchSet(ns int64) { now.Store(ns) }

// Now returns the model's time.
func Now() time.Duration { return time.Duration(now.Load()) }

// Since returns a diff since given d.
func Since(d time.Duration) time.Duration { return Now() - d }
