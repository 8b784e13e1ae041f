// SPDX-License-Identifier: Apache-2.0

// The same work as bench/json/main.c in Go: encoding/json into interface{} and back.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const seconds = 0.4

// CPU time of the whole process: the collector works beside the program.
func now() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func show(file, what string, bytes, d float64) {
	name := strings.TrimSuffix(filepath.Base(file), ".json")
	fmt.Printf("go %s %s %.0f\n", name, what, bytes/d/1e6)
}

func main() {
	for _, file := range os.Args[1:] {
		text, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		var v interface{}
		bytes, t := 0.0, now()
		for now()-t < seconds {
			v = nil
			if err := json.Unmarshal(text, &v); err != nil {
				panic(err)
			}
			bytes += float64(len(text))
		}
		show(file, "parse", bytes, now()-t)
		bytes, t = 0, now()
		for now()-t < seconds {
			out, err := json.Marshal(v)
			if err != nil {
				panic(err)
			}
			bytes += float64(len(out))
		}
		show(file, "write", bytes, now()-t)
	}
}
