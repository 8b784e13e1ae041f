// SPDX-License-Identifier: Apache-2.0
// CheckTx per second of CometBFT's client: gopeer ADDRESS|local async|sync CALLERS CALLS.
// async is how its mempool calls: CheckTxAsync with CALLERS outstanding; sync waits for each, in CALLERS goroutines.
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	abcicli "github.com/cometbft/cometbft/abci/client"
	"github.com/cometbft/cometbft/abci/example/kvstore"
	"github.com/cometbft/cometbft/abci/types"
)

func die(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	callers, _ := strconv.Atoi(os.Args[3])
	calls, _ := strconv.Atoi(os.Args[4])
	var c abcicli.Client
	if os.Args[1] == "local" {
		c = abcicli.NewLocalClient(nil, kvstore.NewInMemoryApplication())
	} else {
		c = abcicli.NewSocketClient(os.Args[1], true)
	}
	die(c.Start())
	c.SetResponseCallback(func(*types.Request, *types.Response) {})
	took := make([]time.Duration, calls)
	pad := strings.Repeat("v", 250)
	tx := func(i int) []byte { return []byte(fmt.Sprintf("key%d=%s", i, pad)[:250]) }
	ctx := context.Background()
	begin := time.Now()
	var wg sync.WaitGroup
	if os.Args[2] == "async" {
		room := make(chan struct{}, callers)
		wg.Add(calls)
		for i := 0; i < calls; i++ {
			room <- struct{}{}
			t := time.Now()
			rr, err := c.CheckTxAsync(ctx, &types.RequestCheckTx{Tx: tx(i)})
			die(err)
			rr.SetCallback(func(*types.Response) { took[i] = time.Since(t); <-room; wg.Done() })
		}
	} else {
		var next int64
		wg.Add(callers)
		for g := 0; g < callers; g++ {
			go func() {
				defer wg.Done()
				for {
					i := int(atomic.AddInt64(&next, 1)) - 1
					if i >= calls {
						return
					}
					t := time.Now()
					_, err := c.CheckTx(ctx, &types.RequestCheckTx{Tx: tx(i)})
					die(err)
					took[i] = time.Since(t)
				}
			}()
		}
	}
	wg.Wait()
	all := time.Since(begin)
	sort.Slice(took, func(a, b int) bool { return took[a] < took[b] })
	us := func(d time.Duration) float64 { return float64(d) / 1e3 }
	fmt.Printf("%.0f %.1f %.1f\n", float64(calls)/all.Seconds(), us(took[calls/2]), us(took[calls*99/100]))
}
