// SPDX-License-Identifier: Apache-2.0
// overload PORT TURNS - the peer in bench/overload.sh: a go-zero REST service with its defaults (shedder,
// breaker, timeout, limits), whose calls compute so many turns of a loop.
package main

import (
	"fmt"
	"net/http"
	"os"
	"strconv"

	"github.com/zeromicro/go-zero/core/conf"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/rest"
)

func spin(turns uint64) uint64 {
	x := uint64(88172645463325252)
	for i := uint64(0); i < turns; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

func main() {
	turns, err := strconv.ParseUint(os.Args[2], 10, 64)
	if err != nil {
		panic(err)
	}
	var c rest.RestConf
	if err := conf.LoadFromYamlBytes([]byte(fmt.Sprintf("Name: overload\nHost: 127.0.0.1\nPort: %s\nLog: {Level: severe, Stat: false}\n",
		os.Args[1])), &c); err != nil {
		panic(err)
	}
	logx.Disable()
	s := rest.MustNewServer(c)
	s.AddRoute(rest.Route{Method: http.MethodGet, Path: "/", Handler: func(w http.ResponseWriter, r *http.Request) {
		if spin(turns) == 0 {
			w.Write([]byte("none\n"))
			return
		}
		w.Write([]byte("done\n"))
	}})
	fmt.Println("ready")
	s.Start()
}
