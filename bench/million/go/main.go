// SPDX-License-Identifier: Apache-2.0
// The peer of bench/million.sh: "Hello, World!" on net/http.
package main

import (
	"io"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, "Hello, World!")
	})
	panic(http.ListenAndServe(os.Args[1], nil))
}
