// SPDX-License-Identifier: Apache-2.0
// containerd/ttrpc as a peer: `server SOCKET` serves test.Text, `client SOCKET` calls it and prints "ok NAME".
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type text = wrapperspb.StringValue

func str(s string) *text { return wrapperspb.String(s) }

func echo(ctx context.Context, unmarshal func(any) error) (any, error) {
	var q text
	if err := unmarshal(&q); err != nil {
		return nil, err
	}
	switch q.Value {
	case "missing":
		return nil, status.Error(codes.NotFound, "process already finished")
	case "wait":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if who, ok := ttrpc.GetMetadataValue(ctx, "who"); ok {
		return str(who + " " + q.Value), nil
	}
	return &q, nil
}

func count(ctx context.Context, s ttrpc.StreamServer) (any, error) {
	var q text
	if err := s.RecvMsg(&q); err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(q.Value)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, "no number")
	}
	for i := 0; i < n; i++ {
		if err := s.SendMsg(str(strconv.Itoa(i))); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func both(ctx context.Context, s ttrpc.StreamServer) (any, error) {
	for {
		var q text
		if err := s.RecvMsg(&q); err == io.EOF {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		if err := s.SendMsg(&q); err != nil {
			return nil, err
		}
	}
}

func serve(path string) error {
	s, err := ttrpc.NewServer()
	if err != nil {
		return err
	}
	s.RegisterService("test.Text", &ttrpc.ServiceDesc{
		Methods: map[string]ttrpc.Method{"Echo": echo},
		Streams: map[string]ttrpc.Stream{
			"Count": {Handler: count, StreamingServer: true},
			"Both":  {Handler: both, StreamingClient: true, StreamingServer: true},
		},
	})
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	fmt.Println("serving")
	return s.Serve(context.Background(), l)
}

func check(name string, ok bool, what any) {
	if ok {
		fmt.Println("ok", name)
	} else {
		fmt.Printf("FAIL %s: %v\n", name, what)
	}
}

func client(path string) error {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	c := ttrpc.NewClient(conn)
	ctx := context.Background()
	var p text
	err = c.Call(ctx, "test.Text", "Echo", str("hello"), &p)
	check("echo", err == nil && p.Value == "hello", err)
	err = c.Call(ttrpc.WithMetadata(ctx, ttrpc.MD{"who": {"me"}}), "test.Text", "Echo", str("!"), &p)
	check("metadata", err == nil && p.Value == "me !", p.Value)
	err = c.Call(ctx, "test.Text", "Echo", str("missing"), &p)
	check("status", status.Code(err) == codes.NotFound && strings.Contains(err.Error(), "process already finished"), err)
	err = c.Call(ctx, "test.Text", "Nope", str(""), &p)
	check("no such method", status.Code(err) == codes.Unimplemented, err)
	err = c.Call(ctx, "test.Nope", "Echo", str(""), &p)
	check("no such service", status.Code(err) == codes.Unimplemented, err)
	big := strings.Repeat("x", 4<<20-200)
	err = c.Call(ctx, "test.Text", "Echo", str(big), &p)
	check("large", err == nil && p.Value == big, err)
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	err = c.Call(short, "test.Text", "Echo", str("wait"), &p)
	check("timeout", errors.Is(err, context.DeadlineExceeded) || status.Code(err) == codes.DeadlineExceeded, err)
	cancel()
	st, err := c.NewStream(ctx, &ttrpc.StreamDesc{StreamingServer: true}, "test.Text", "Count", str("30"))
	got := 0
	for err == nil {
		var m text
		if err = st.RecvMsg(&m); err == nil && m.Value == strconv.Itoa(got) {
			got++
		}
	}
	check("server streams", err == io.EOF && got == 30, err)
	st, err = c.NewStream(ctx, &ttrpc.StreamDesc{StreamingServer: true, StreamingClient: true}, "test.Text", "Both", nil)
	got = 0
	for i := 0; i < 200 && err == nil; i++ {
		var m text
		if err = st.SendMsg(str(strconv.Itoa(i))); err == nil {
			if err = st.RecvMsg(&m); err == nil && m.Value == strconv.Itoa(i) {
				got++
			}
		}
	}
	if err == nil {
		err = st.CloseSend()
	}
	var m text
	end := st.RecvMsg(&m)
	check("both stream", err == nil && got == 200 && end == io.EOF, fmt.Sprint(got, err, end))
	done := make(chan error)
	for i := 0; i < 100; i++ {
		go func() {
			var p text
			err := c.Call(ctx, "test.Text", "Echo", str(strconv.Itoa(i)), &p)
			if err == nil && p.Value != strconv.Itoa(i) {
				err = errors.New("mixed up")
			}
			done <- err
		}()
	}
	err = nil
	for i := 0; i < 100; i++ {
		if e := <-done; e != nil {
			err = e
		}
	}
	check("a hundred at once", err == nil, err)
	return c.Close()
}

func main() {
	var err error
	if os.Args[1] == "server" {
		err = serve(os.Args[2])
	} else {
		err = client(os.Args[2])
	}
	if err != nil {
		fmt.Println("FAIL", err)
		os.Exit(1)
	}
}
