// SPDX-License-Identifier: Apache-2.0

// retry: grpc-go's side of what its interop programs do not have: streams tried again by policy (gRFC A6)
// and health watched by the client (A17), both ways. "retry serve" prints its address; "retry client ADDR".
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"google.golang.org/grpc/interop"
)

type server struct {
	pb.TestServiceServer
	health *health.Server
}

func first(md metadata.MD, name string) string {
	if v := md.Get(name); len(v) > 0 {
		return v[0]
	}
	return ""
}

func (s *server) EmptyCall(ctx context.Context, in *pb.Empty) (*pb.Empty, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	switch first(md, "x-health") {
	case "SERVING":
		s.health.SetServingStatus("watched", healthpb.HealthCheckResponse_SERVING)
	case "NOT_SERVING":
		s.health.SetServingStatus("watched", healthpb.HealthCheckResponse_NOT_SERVING)
	}
	return &pb.Empty{}, nil
}

func spoil(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	md, _ := metadata.FromIncomingContext(ss.Context())
	n, _ := strconv.Atoi(first(md, "x-spoil"))
	after, _ := strconv.Atoi(first(md, "x-after"))
	before, _ := strconv.Atoi(first(md, "grpc-previous-rpc-attempts"))
	if before >= n {
		return next(srv, ss)
	}
	for ; after > 0; after-- {
		if ss.RecvMsg(&pb.Empty{}) != nil {
			break
		}
	}
	return status.Error(codes.Unavailable, "spoiled")
}

func serve() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	h := health.NewServer()
	s := grpc.NewServer(grpc.StreamInterceptor(spoil))
	pb.RegisterTestServiceServer(s, &server{interop.NewTestServer(), h})
	healthpb.RegisterHealthServer(s, h)
	fmt.Println(l.Addr())
	check(s.Serve(l))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func dial(addr, config string) pb.TestServiceClient {
	c, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(config))
	check(err)
	return pb.NewTestServiceClient(c)
}

const policy = `{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":4,"initialBackoff":"0.01s",
"maxBackoff":"0.1s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}]}`

func streams(c pb.TestServiceClient, spoil, after string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "x-spoil", spoil, "x-after", after)
	up, err := c.StreamingInputCall(ctx)
	if err != nil {
		return err
	}
	for i := 1; i <= 4; i++ {
		if err := up.Send(&pb.StreamingInputCallRequest{Payload: &pb.Payload{Body: make([]byte, i)}}); err != nil && err != io.EOF {
			return err
		}
	}
	sum, err := up.CloseAndRecv()
	if err != nil {
		return err
	}
	if sum.AggregatedPayloadSize != 10 {
		return fmt.Errorf("sum %d", sum.AggregatedPayloadSize)
	}
	down, err := c.StreamingOutputCall(ctx, &pb.StreamingOutputCallRequest{
		ResponseParameters: []*pb.ResponseParameters{{Size: 1}, {Size: 2}, {Size: 3}}})
	if err != nil {
		return err
	}
	for i := 1; ; i++ {
		rep, err := down.Recv()
		if err == io.EOF && i == 4 {
			return nil
		}
		if err != nil {
			return err
		}
		if len(rep.Payload.Body) != i {
			return fmt.Errorf("answer %d has %d bytes", i, len(rep.Payload.Body))
		}
	}
}

func client(addr string) {
	c := dial(addr, policy)
	check(streams(c, "2", "0"))
	check(streams(c, "3", "1"))
	if err := streams(c, "4", "1"); status.Code(err) != codes.Unavailable {
		check(fmt.Errorf("more attempts than the policy has: %v", err))
	}
	fmt.Println("ok retry_streams")

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	plain := dial(addr, "{}")
	watched := dial(addr, `{"loadBalancingConfig":[{"round_robin":{}}],"healthCheckConfig":{"serviceName":"watched"}}`)
	for i := 0; i < 3; i++ {
		for state, code := range map[string]codes.Code{"SERVING": codes.OK, "NOT_SERVING": codes.Unavailable} {
			_, err := plain.EmptyCall(metadata.AppendToOutgoingContext(ctx, "x-health", state), &pb.Empty{})
			check(err)
			for {
				_, err := watched.EmptyCall(ctx, &pb.Empty{})
				if status.Code(err) == code {
					break
				}
				check(ctx.Err())
				time.Sleep(5 * time.Millisecond)
			}
		}
	}
	fmt.Println("ok health_watch")
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "client" {
		client(os.Args[2])
		return
	}
	serve()
}
