// SPDX-License-Identifier: Apache-2.0
// ginproxy LISTEN TARGET - a gateway as a Go team writes it: Gin's router in front of httputil.ReverseProxy.
// bench/takeover.sh builds it in a module of its own.
package main

import (
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"

	"github.com/gin-gonic/gin"
)

func main() {
	target, err := url.Parse(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = &http.Transport{MaxIdleConns: 1024, MaxIdleConnsPerHost: 1024}
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(gin.Recovery())
	r.Any("/*path", func(c *gin.Context) { proxy.ServeHTTP(c.Writer, c.Request) })
	log.Fatal(http.ListenAndServe(os.Args[1], r))
}
