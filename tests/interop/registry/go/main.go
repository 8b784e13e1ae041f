// SPDX-License-Identifier: Apache-2.0
// Unmodified Go clients against the registry server: HashiCorp's Consul API (services, blocking queries,
// keys, locks), Nacos' SDK (HTTP), agollo for Apollo. Each line printed is a check that held.
// usage: peer CONSUL_PORT NACOS_PORT APOLLO_PORT
package main

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/apolloconfig/agollo/v4"
	aconf "github.com/apolloconfig/agollo/v4/env/config"
	"github.com/hashicorp/consul/api"
	"github.com/nacos-group/nacos-sdk-go/clients"
	"github.com/nacos-group/nacos-sdk-go/common/constant"
	"github.com/nacos-group/nacos-sdk-go/vo"
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
	fmt.Println("FAIL", what, ": not in time")
	os.Exit(1)
}

func consul(port string) {
	c, err := api.NewClient(&api.Config{Address: "127.0.0.1:" + port})
	must("client", err)
	must("register", c.Agent().ServiceRegister(&api.AgentServiceRegistration{ID: "go-1", Name: "go-web", Port: 84,
		Address: "10.3.0.1", Tags: []string{"x"}, Meta: map[string]string{"v": "3"},
		Check: &api.AgentServiceCheck{TTL: "10s", Status: "passing", DeregisterCriticalServiceAfter: "1m"}}))
	list, meta, err := c.Health().Service("go-web", "x", true, nil)
	must("health", err)
	hold("consul/api: service registered", len(list) == 1 && list[0].Service.Port == 84 && list[0].Service.Meta["v"] == "3", list)
	done := make(chan int, 1)
	go func() {
		l, _, _ := c.Health().Service("go-web", "", true, &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: time.Minute})
		done <- len(l)
	}()
	time.Sleep(200 * time.Millisecond)
	must("fail", c.Agent().FailTTL("service:go-1", "down"))
	select {
	case n := <-done:
		hold("consul/api: blocking query returns on a failed check", n == 0, n)
	case <-time.After(5 * time.Second):
		hold("consul/api: blocking query returns on a failed check", false)
	}
	_, err = c.KV().Put(&api.KVPair{Key: "go/a", Value: []byte("1"), Flags: 42}, nil)
	must("put", err)
	kv, _, err := c.KV().Get("go/a", nil)
	must("get", err)
	hold("consul/api: key with flags", kv != nil && string(kv.Value) == "1" && kv.Flags == 42, kv)
	good, _, err := c.KV().CAS(&api.KVPair{Key: "go/a", Value: []byte("2"), ModifyIndex: kv.ModifyIndex}, nil)
	must("cas", err)
	bad, _, err := c.KV().CAS(&api.KVPair{Key: "go/a", Value: []byte("3"), ModifyIndex: kv.ModifyIndex}, nil)
	must("cas", err)
	hold("consul/api: check-and-set", good && !bad)
	one, err := c.LockOpts(&api.LockOptions{Key: "go/lock", SessionTTL: "10s"})
	must("lock", err)
	two, err := c.LockOpts(&api.LockOptions{Key: "go/lock", SessionTTL: "10s", LockTryOnce: true, LockWaitTime: 300 * time.Millisecond})
	must("lock", err)
	lost, err := one.Lock(nil)
	must("lock", err)
	held, err := two.Lock(nil)
	hold("consul/api: a lock excludes", lost != nil && held == nil && err == nil, held, err)
	must("unlock", one.Unlock())
	held, err = two.Lock(nil)
	hold("consul/api: an unlocked lock is taken", held != nil && err == nil, err)
	must("unlock", two.Unlock())
	must("deregister", c.Agent().ServiceDeregister("go-1"))
}

func nacos(port string) {
	p, _ := strconv.ParseUint(port, 10, 64)
	dir, _ := os.MkdirTemp("", "nacos")
	defer os.RemoveAll(dir)
	param := vo.NacosClientParam{
		ClientConfig:  &constant.ClientConfig{NotLoadCacheAtStart: true, LogDir: dir, CacheDir: dir, LogLevel: "error", TimeoutMs: 5000, BeatInterval: 5000},
		ServerConfigs: []constant.ServerConfig{{IpAddr: "127.0.0.1", Port: p, ContextPath: "/nacos"}},
	}
	n, err := clients.NewNamingClient(param)
	must("naming client", err)
	ok, err := n.RegisterInstance(vo.RegisterInstanceParam{Ip: "10.4.0.1", Port: 85, ServiceName: "go-pay", Weight: 10, Enable: true,
		Healthy: true, Ephemeral: true, Metadata: map[string]string{"v": "4"}})
	hold("nacos-sdk-go: registered", ok && err == nil, err)
	l, err := n.SelectInstances(vo.SelectInstancesParam{ServiceName: "go-pay", HealthyOnly: true})
	hold("nacos-sdk-go: selected", err == nil && len(l) == 1 && l[0].Weight == 10 && l[0].Metadata["v"] == "4", l, err)
	_, err = n.DeregisterInstance(vo.DeregisterInstanceParam{Ip: "10.4.0.1", Port: 85, ServiceName: "go-pay", Ephemeral: true})
	must("deregister", err)
	c, err := clients.NewConfigClient(param)
	must("config client", err)
	_, err = c.PublishConfig(vo.ConfigParam{DataId: "go.json", Group: "G", Content: `{"a":1}`})
	must("publish", err)
	got := make(chan string, 4)
	must("listen", c.ListenConfig(vo.ConfigParam{DataId: "go.json", Group: "G", OnChange: func(_, _, _, data string) { got <- data }}))
	time.Sleep(time.Second)
	_, err = c.PublishConfig(vo.ConfigParam{DataId: "go.json", Group: "G", Content: `{"a":2}`})
	must("publish", err)
	for end := time.After(20 * time.Second); ; {
		select {
		case v := <-got:
			if v == `{"a":2}` {
				fmt.Println("ok nacos-sdk-go: a listener is told")
				return
			}
		case <-end:
			hold("nacos-sdk-go: a listener is told", false)
		}
	}
}

func apollo(port string) {
	put := func(body string) {
		r, _ := http.NewRequest("PUT", "http://127.0.0.1:"+port+"/configs/go-app/default/application", strings.NewReader(body))
		a, err := http.DefaultClient.Do(r)
		must("publish", err)
		a.Body.Close()
	}
	put(`{"limit":"5"}`)
	dir, _ := os.MkdirTemp("", "apollo")
	defer os.RemoveAll(dir)
	c, err := agollo.StartWithConfig(func() (*aconf.AppConfig, error) {
		return &aconf.AppConfig{AppID: "go-app", Cluster: "default", IP: "http://127.0.0.1:" + port, NamespaceName: "application",
			IsBackupConfig: false, BackupConfigPath: dir}, nil
	})
	must("agollo", err)
	until("agollo: configuration read", func() bool { return c.GetConfig("application").GetValue("limit") == "5" })
	put(`{"limit":"6"}`)
	until("agollo: a notification brings the change", func() bool { return c.GetConfig("application").GetValue("limit") == "6" })
}

func main() {
	consul(os.Args[1])
	nacos(os.Args[2])
	apollo(os.Args[3])
}
