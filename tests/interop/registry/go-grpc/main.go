// SPDX-License-Identifier: Apache-2.0
// Unmodified Go clients that speak gRPC against the registry server: etcd's client/v3 with its concurrency
// package, and Nacos' SDK v2. Each line printed is a check that held.
// usage: peer ETCD_PORT NACOS_PORT CONSUL_PORT
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/clients"
	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

func must(what string, err error) {
	if err != nil {
		fmt.Println("FAIL", what+":", err)
		os.Exit(1)
	}
}
func hold(what string, good bool, seen ...any) {
	if !good {
		fmt.Println("FAIL", what, seen)
		os.Exit(1)
	}
	fmt.Println("ok", what)
}
func until(what string, f func() bool) {
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		if f() {
			fmt.Println("ok", what)
			return
		}
	}
	hold(what, false, "not in time")
}
func ports(consul, service string) []int {
	r, err := http.Get("http://127.0.0.1:" + consul + "/v1/health/service/" + service)
	must("consul", err)
	defer r.Body.Close()
	var list []struct{ Service struct{ Port int } }
	must("consul", json.NewDecoder(r.Body).Decode(&list))
	out := []int{}
	for _, e := range list {
		out = append(out, e.Service.Port)
	}
	return out
}

func etcd(port, consul string) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{"127.0.0.1:" + port}, DialTimeout: 5 * time.Second})
	must("client", err)
	defer c.Close()
	must("sync", c.Sync(ctx)) // goes on with the endpoints the server names
	_, err = c.Delete(ctx, "go/", clientv3.WithPrefix())
	must("delete", err)
	first, err := c.Put(ctx, "go/a", "1")
	must("put", err)
	second, err := c.Put(ctx, "go/a", "2", clientv3.WithPrevKV())
	must("put", err)
	hold("client/v3: previous value", string(second.PrevKv.Value) == "1", second)
	old, err := c.Get(ctx, "go/a", clientv3.WithRev(first.Header.Revision))
	must("get", err)
	hold("client/v3: a key at a revision", string(old.Kvs[0].Value) == "1" && old.Kvs[0].Version == 1, old)
	_, err = c.Get(ctx, "go/a", clientv3.WithRev(second.Header.Revision+1000))
	hold("client/v3: a future revision", err == rpctypes.ErrFutureRev, err)
	for i := 0; i < 20; i++ {
		_, err = c.Put(ctx, fmt.Sprintf("go/p/%02d", i), strconv.Itoa(19-i))
		must("put", err)
	}
	page, err := c.Get(ctx, "go/p/", clientv3.WithPrefix(), clientv3.WithLimit(5), clientv3.WithKeysOnly())
	must("page", err)
	hold("client/v3: pages", len(page.Kvs) == 5 && page.More && page.Count == 20 && page.Kvs[4].Value == nil, page)
	latest, err := c.Get(ctx, "go/p/", clientv3.WithLastRev()...)
	must("last", err)
	hold("client/v3: the last changed", len(latest.Kvs) == 1 && string(latest.Kvs[0].Key) == "go/p/19", latest)
	from, err := c.Get(ctx, "go/p/18", clientv3.WithRange("go/p/\xff"))
	must("range", err)
	hold("client/v3: a range", from.Count == 2, from)
	_, err = c.Txn(ctx).Then(clientv3.OpPut("go/d", "1"), clientv3.OpPut("go/d", "2")).Commit()
	hold("client/v3: a key twice in a transaction", err == rpctypes.ErrDuplicateKey, err)
	w := c.Watch(ctx, "go/t/", clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithCreatedNotify(), clientv3.WithFragment())
	hold("client/v3: watch created", (<-w).Created)
	tr, err := c.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision("go/t/1"), "=", 0)).
		Then(clientv3.OpPut("go/t/1", "a"), clientv3.OpPut("go/t/2", "b"), clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpPut("go/t/3", "c")}, nil), clientv3.OpGet("go/t/", clientv3.WithPrefix())).Commit()
	must("txn", err)
	hold("client/v3: a transaction reads what it wrote", tr.Succeeded && len(tr.Responses[3].GetResponseRange().Kvs) == 3, tr)
	ev := <-w
	hold("client/v3: a transaction is one revision", len(ev.Events) == 3 && ev.Events[0].Kv.ModRevision == ev.Events[2].Kv.ModRevision && ev.Events[0].IsCreate(), ev)
	must("progress", c.RequestProgress(ctx))
	must("delete", func() error { _, err := c.Delete(ctx, "go/t/", clientv3.WithPrefix()); return err }())
	for ev = <-w; ev.IsProgressNotify(); ev = <-w {
	}
	hold("client/v3: deletions with what was there", len(ev.Events) == 3 && string(ev.Events[1].PrevKv.Value) == "b", ev)
	big := strings.Repeat("x", 900<<10)
	ops := []clientv3.Op{}
	for i := 0; i < 8; i++ {
		_, err = c.Put(ctx, fmt.Sprintf("go/big/%d", i), big)
		must("big", err)
		ops = append(ops, clientv3.OpDelete(fmt.Sprintf("go/big/%d", i)))
	}
	bw := c.Watch(ctx, "go/big/", clientv3.WithPrefix(), clientv3.WithRev(second.Header.Revision), clientv3.WithFragment())
	seen := 0
	for seen < 8 {
		r := <-bw
		must("big watch", r.Err())
		seen += len(r.Events)
	}
	hold("client/v3: large history comes in pieces", seen == 8)
	pw := c.Watch(ctx, "go/big/", clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithFragment())
	time.Sleep(200 * time.Millisecond)
	_, err = c.Txn(ctx).Then(ops...).Commit()
	must("txn", err)
	one := <-pw
	must("big txn", one.Err())
	hold("client/v3: a revision too large for a message comes in fragments", len(one.Events) == 8 && len(one.Events[7].PrevKv.Value) == len(big), len(one.Events))
	now, err := c.Get(ctx, "go/a")
	must("get", err)
	_, err = c.Compact(ctx, now.Header.Revision)
	must("compact", err)
	_, err = c.Get(ctx, "go/a", clientv3.WithRev(first.Header.Revision))
	hold("client/v3: compacted", err == rpctypes.ErrCompacted, err)
	cw := <-c.Watch(ctx, "go/a", clientv3.WithRev(first.Header.Revision))
	hold("client/v3: a watch behind the compaction is told from where", cw.Err() == rpctypes.ErrCompacted && cw.CompactRevision == now.Header.Revision, cw)
	from0 := c.Watch(ctx, "go/a", clientv3.WithRev(cw.CompactRevision))
	_, err = c.Put(ctx, "go/a", "3")
	must("put", err)
	hold("client/v3: and can go on from there", string((<-from0).Events[0].Kv.Value) == "3")

	lease, err := c.Grant(ctx, 2)
	must("grant", err)
	_, err = c.Put(ctx, fmt.Sprintf("go.rpc/%d", lease.ID), "10.8.1.1:81", clientv3.WithLease(lease.ID))
	must("put", err)
	alive, err := c.KeepAlive(ctx, lease.ID)
	must("keepalive", err)
	for i := 0; i < 4; i++ {
		hold("client/v3: kept alive", (<-alive).TTL == 2)
	}
	ttl, err := c.TimeToLive(ctx, lease.ID, clientv3.WithAttachedKeys())
	must("ttl", err)
	hold("client/v3: time to live and keys", ttl.GrantedTTL == 2 && len(ttl.Keys) == 1, ttl)
	hold("client/v3: go-zero's key is an instance", fmt.Sprint(ports(consul, "go.rpc")) == "[81]")
	_, err = c.Revoke(ctx, lease.ID)
	must("revoke", err)
	hold("client/v3: and goes with the lease", len(ports(consul, "go.rpc")) == 0)
	_, err = c.Put(ctx, "go/x", "1", clientv3.WithLease(lease.ID))
	hold("client/v3: a lease that is gone", err == rpctypes.ErrLeaseNotFound, err)
	_, err = c.Put(ctx, "", "1")
	hold("client/v3: an empty key", err == rpctypes.ErrEmptyKey, err)

	s1, err := concurrency.NewSession(c, concurrency.WithTTL(5))
	must("session", err)
	s2, err := concurrency.NewSession(c, concurrency.WithTTL(5))
	must("session", err)
	m1, m2 := concurrency.NewMutex(s1, "go/lock"), concurrency.NewMutex(s2, "go/lock")
	must("lock", m1.Lock(ctx))
	hold("concurrency: a mutex excludes", m2.TryLock(ctx) == concurrency.ErrLocked)
	got := make(chan error, 1)
	go func() { got <- m2.Lock(ctx) }()
	must("unlock", m1.Unlock(ctx))
	must("lock", <-got)
	hold("concurrency: and is handed on", true)
	e := concurrency.NewElection(s1, "go/election")
	must("campaign", e.Campaign(ctx, "one"))
	l, err := e.Leader(ctx)
	must("leader", err)
	hold("concurrency: an election", string(l.Kvs[0].Value) == "one")
	_, err = concurrency.NewSTM(c, func(s concurrency.STM) error { s.Put("go/stm", s.Get("go/a")+"!"); return nil })
	must("stm", err)
	stm, err := c.Get(ctx, "go/stm")
	must("get", err)
	hold("concurrency: software transactions", string(stm.Kvs[0].Value) == "3!")
	must("close", s1.Close())
	must("close", s2.Close())
	st, err := c.Status(ctx, "127.0.0.1:"+port)
	must("status", err)
	members, err := c.MemberList(ctx)
	must("members", err)
	hold("client/v3: status and members", st.Leader == members.Members[0].ID, st, members)
}

func nacos(port, consul string) {
	p, _ := strconv.ParseUint(port, 10, 64)
	dir, _ := os.MkdirTemp("", "nacos")
	defer os.RemoveAll(dir)
	param := func() vo.NacosClientParam {
		return vo.NacosClientParam{
			ClientConfig:  &constant.ClientConfig{NotLoadCacheAtStart: true, LogDir: dir, CacheDir: dir, LogLevel: "error", TimeoutMs: 5000},
			ServerConfigs: []constant.ServerConfig{{IpAddr: "127.0.0.1", Port: p, ContextPath: "/nacos"}},
		}
	}
	a, err := clients.NewNamingClient(param())
	must("naming client", err)
	b, err := clients.NewNamingClient(param())
	must("naming client", err)
	add := func(port uint64, ephemeral bool) {
		ok, err := a.RegisterInstance(vo.RegisterInstanceParam{Ip: "10.4.1.1", Port: port, ServiceName: "go-grpc", Weight: 10, Enable: true,
			Healthy: true, Ephemeral: ephemeral, Metadata: map[string]string{"v": "4"}})
		hold("nacos-sdk-go/v2: registered", ok && err == nil, err)
	}
	add(85, true)
	l, err := b.SelectInstances(vo.SelectInstancesParam{ServiceName: "go-grpc", HealthyOnly: true})
	hold("nacos-sdk-go/v2: selected", err == nil && len(l) == 1 && l[0].Weight == 10 && l[0].Metadata["v"] == "4", l, err)
	seen := make(chan int, 100)
	must("subscribe", b.Subscribe(&vo.SubscribeParam{ServiceName: "go-grpc", SubscribeCallback: func(s []model.Instance, err error) {
		if err == nil {
			seen <- len(s)
		}
	}}))
	wait := func(what string, n int) {
		for end := time.After(15 * time.Second); ; {
			select {
			case k := <-seen:
				if k == n {
					fmt.Println("ok", what)
					return
				}
			case <-end:
				hold(what, false)
			}
		}
	}
	add(86, true)
	wait("nacos-sdk-go/v2: a subscriber is pushed the second", 2)
	_, err = a.DeregisterInstance(vo.DeregisterInstanceParam{Ip: "10.4.1.1", Port: 86, ServiceName: "go-grpc", Ephemeral: true})
	must("deregister", err)
	wait("nacos-sdk-go/v2: a subscriber is pushed the loss", 1)
	ok, err := a.BatchRegisterInstance(vo.BatchRegisterInstanceParam{ServiceName: "go-batch", Instances: []vo.RegisterInstanceParam{
		{Ip: "10.4.2.1", Port: 91, Weight: 1, Enable: true, Healthy: true, Ephemeral: true}, {Ip: "10.4.2.1", Port: 92, Weight: 1, Enable: true, Healthy: true, Ephemeral: true}}})
	hold("nacos-sdk-go/v2: batch", ok && err == nil, err)
	hold("nacos-sdk-go/v2: seen by Consul's clients", len(ports(consul, "go-batch")) == 2)
	list, err := b.GetAllServicesInfo(vo.GetAllServiceInfoParam{PageNo: 1, PageSize: 100})
	hold("nacos-sdk-go/v2: services", err == nil && strings.Contains(strings.Join(list.Doms, " "), "go-batch"), list, err)
	a.CloseClient()
	until("nacos-sdk-go/v2: a closed client's instances go", func() bool { return len(ports(consul, "go-batch")) == 0 && len(ports(consul, "go-grpc")) == 0 })

	c, err := clients.NewConfigClient(param())
	must("config client", err)
	_, err = c.PublishConfig(vo.ConfigParam{DataId: "go2.json", Group: "G", Content: `{"a":1}`})
	must("publish", err)
	text, err := c.GetConfig(vo.ConfigParam{DataId: "go2.json", Group: "G"})
	hold("nacos-sdk-go/v2: configuration read", err == nil && text == `{"a":1}`, text, err)
	got := make(chan string, 10)
	must("listen", c.ListenConfig(vo.ConfigParam{DataId: "go2.json", Group: "G", OnChange: func(_, _, _, data string) { got <- data }}))
	time.Sleep(time.Second)
	_, err = c.PublishConfig(vo.ConfigParam{DataId: "go2.json", Group: "G", Content: `{"a":2}`})
	must("publish", err)
	for end := time.After(20 * time.Second); ; {
		select {
		case v := <-got:
			if v == `{"a":2}` {
				fmt.Println("ok nacos-sdk-go/v2: a listener is told")
				ok, err := c.DeleteConfig(vo.ConfigParam{DataId: "go2.json", Group: "G"})
				hold("nacos-sdk-go/v2: configuration removed", ok && err == nil, err)
				return
			}
		case <-end:
			hold("nacos-sdk-go/v2: a listener is told", false)
		}
	}
}

func main() {
	etcd(os.Args[1], os.Args[3])
	nacos(os.Args[2], os.Args[3])
}
