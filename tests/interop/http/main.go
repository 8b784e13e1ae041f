// SPDX-License-Identifier: Apache-2.0

// The Go peer of tests/interop/http.sh: `serve` prints its address, `get URL [-k]` checks /echo,
// /chunked (with its trailer) and / of a server.
package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

func die(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func serve() {
	http.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	http.HandleFunc("/chunked", func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < 3; i++ {
			io.WriteString(w, "piece,")
			w.(http.Flusher).Flush()
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		die(err)
	}
	fmt.Println(l.Addr())
	die(http.Serve(l, nil))
}

func get(base string) {
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	c := &http.Client{Transport: tr}
	for _, n := range []int{0, 1, 5000, 300000} {
		body := bytes.Repeat([]byte("x"), n)
		// A reader of unknown length goes chunked.
		for _, rd := range []io.Reader{bytes.NewReader(body), io.MultiReader(bytes.NewReader(body))} {
			resp, err := c.Post(base+"/echo", "text/plain", rd)
			if err != nil {
				die(err)
			}
			got, err := io.ReadAll(resp.Body)
			if err != nil || !bytes.Equal(got, body) {
				die(fmt.Errorf("echo of %d bytes: %d back, %v", n, len(got), err))
			}
			resp.Body.Close()
		}
	}
	resp, err := c.Get(base + "/chunked")
	if err != nil {
		die(err)
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil || len(got) != 10000 || resp.Trailer.Get("X-Sum") != "10000" {
		die(fmt.Errorf("chunked: %d bytes, trailer %v, %v", len(got), resp.Trailer, err))
	}
	fmt.Println("ok", resp.Proto)
}

func main() {
	if os.Args[1] == "serve" {
		serve()
	}
	get(os.Args[2])
}
