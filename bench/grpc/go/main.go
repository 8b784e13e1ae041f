// SPDX-License-Identifier: Apache-2.0
// grpc-go serving grpc.testing.TestService, as bench/grpc.sh's peer: ./gopeer ADDR
package main

import (
	"context"
	"log"
	"net"
	"os"

	"google.golang.org/grpc"
	pb "google.golang.org/grpc/interop/grpc_testing"
)

type server struct{ pb.UnimplementedTestServiceServer }

func (server) EmptyCall(context.Context, *pb.Empty) (*pb.Empty, error) { return &pb.Empty{}, nil }

func (server) UnaryCall(_ context.Context, q *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	return &pb.SimpleResponse{Payload: &pb.Payload{Body: make([]byte, q.ResponseSize)}}, nil
}

func (server) StreamingOutputCall(q *pb.StreamingOutputCallRequest, s pb.TestService_StreamingOutputCallServer) error {
	for _, p := range q.ResponseParameters {
		r := &pb.StreamingOutputCallResponse{Payload: &pb.Payload{Body: make([]byte, p.Size)}}
		if err := s.Send(r); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	l, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	s := grpc.NewServer()
	pb.RegisterTestServiceServer(s, server{})
	log.Fatal(s.Serve(l))
}
