// SPDX-License-Identifier: Apache-2.0

package timex

// BenchReset and BenchSet do nothing with the real clock.
func BenchReset() int64 { return 0 }

func BenchSet(ns int64) {}
