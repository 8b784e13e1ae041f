// SPDX-License-Identifier: Apache-2.0

// The Go peer of bench/trace.sh: the handler of examples/profiled under net/http, and net/http/pprof.
package main

import (
	"net/http"
	_ "net/http/pprof"
	"os"
)

func main() {
	body := []byte("Hello, World!")
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/plain")
		h.Set("Content-Length", "13")
		w.Write(body)
	})
	if err := http.ListenAndServe(os.Args[1], nil); err != nil {
		println(err.Error())
		os.Exit(1)
	}
}
