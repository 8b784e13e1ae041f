# SPDX-License-Identifier: Apache-2.0
"""Google's Python gRPC beside ours.

peer.py client ADDR   every kind of call, metadata, deadlines, errors with details, compression
peer.py serve         a TestService for our client; prints its address
"""
import sys
from concurrent import futures

import grpc
from grpc_status import rpc_status

import messages_pb2 as m
import test_pb2_grpc as t


def check(cond, what):
    if not cond:
        raise SystemExit(f"FAIL {what}")


def expect(code, call, what):
    try:
        call()
    except grpc.RpcError as e:
        check(e.code() == code, f"{what}: {e.code()} {e.details()}")
        return e
    raise SystemExit(f"FAIL {what}: no error")


def client(addr):
    ch = grpc.insecure_channel(addr)
    s = t.TestServiceStub(ch)
    s.EmptyCall(m.Empty())
    rep = s.UnaryCall(m.SimpleRequest(response_size=314159, payload=m.Payload(body=bytes(271828))))
    check(len(rep.payload.body) == 314159, "unary")
    sizes = [31415, 9, 2653, 58979]
    ask = m.StreamingOutputCallRequest(response_parameters=[m.ResponseParameters(size=n) for n in sizes])
    got = [len(r.payload.body) for r in s.StreamingOutputCall(ask)]
    check(got == sizes, f"server stream {got}")
    rep = s.StreamingInputCall(m.StreamingInputCallRequest(payload=m.Payload(body=bytes(n))) for n in sizes)
    check(rep.aggregated_payload_size == sum(sizes), "client stream")
    one = m.StreamingOutputCallRequest(response_parameters=[m.ResponseParameters(size=7)])
    got = [len(r.payload.body) for r in s.FullDuplexCall(iter([one] * 20))]
    check(got == [7] * 20, "duplex")
    rep, call = s.UnaryCall.with_call(
        m.SimpleRequest(), metadata=[("x-grpc-test-echo-initial", "i"), ("x-grpc-test-echo-trailing-bin", b"\0\xff")])
    check(dict(call.initial_metadata())["x-grpc-test-echo-initial"] == "i", "initial metadata")
    check(dict(call.trailing_metadata())["x-grpc-test-echo-trailing-bin"] == b"\0\xff", "trailing metadata")
    slow = m.StreamingOutputCallRequest(response_parameters=[m.ResponseParameters(interval_us=10000000)])
    expect(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: list(s.FullDuplexCall(iter([slow]), timeout=0.2)), "deadline")
    bad = m.SimpleRequest(response_status=m.EchoStatus(code=9, message="no: é %"))
    e = expect(grpc.StatusCode.FAILED_PRECONDITION, lambda: s.UnaryCall(bad), "status")
    check(e.details() == "no: é %", f"message {e.details()}")
    status = rpc_status.from_call(e)
    back = m.EchoStatus()
    check(status.code == 9 and status.details[0].Unpack(back) and back.message == "no: é %", "details")
    yes, gzip = m.BoolValue(value=True), grpc.Compression.Gzip
    for comp in (gzip, grpc.Compression.Deflate):
        rep = s.UnaryCall(m.SimpleRequest(expect_compressed=yes, response_compressed=yes, response_size=99999,
                                          payload=m.Payload(body=bytes(50000))), compression=comp)
        check(len(rep.payload.body) == 99999, "compressed")
    expect(grpc.StatusCode.INVALID_ARGUMENT, lambda: s.UnaryCall(m.SimpleRequest(expect_compressed=yes)), "probe")
    print("ok python client")


class Service(t.TestServiceServicer):
    def EmptyCall(self, q, c):
        return m.Empty()

    def UnaryCall(self, q, c):
        md = dict(c.invocation_metadata())
        if "x-grpc-test-echo-initial" in md:
            c.send_initial_metadata([("x-grpc-test-echo-initial", md["x-grpc-test-echo-initial"])])
            c.set_trailing_metadata([("x-grpc-test-echo-trailing-bin", md["x-grpc-test-echo-trailing-bin"])])
        if q.response_status.code:
            c.abort(list(grpc.StatusCode)[q.response_status.code], q.response_status.message)
        return m.SimpleResponse(payload=m.Payload(body=bytes(q.response_size)))

    def StreamingOutputCall(self, q, c):
        for p in q.response_parameters:
            yield m.StreamingOutputCallResponse(payload=m.Payload(body=bytes(p.size)))

    def StreamingInputCall(self, it, c):
        return m.StreamingInputCallResponse(aggregated_payload_size=sum(len(q.payload.body) for q in it))

    def FullDuplexCall(self, it, c):
        md = dict(c.invocation_metadata())
        if "x-grpc-test-echo-initial" in md:
            c.send_initial_metadata([("x-grpc-test-echo-initial", md["x-grpc-test-echo-initial"])])
            c.set_trailing_metadata([("x-grpc-test-echo-trailing-bin", md["x-grpc-test-echo-trailing-bin"])])
        for q in it:
            if q.response_status.code:
                c.abort(list(grpc.StatusCode)[q.response_status.code], q.response_status.message)
            for p in q.response_parameters:
                yield m.StreamingOutputCallResponse(payload=m.Payload(body=bytes(p.size)))


def serve():
    s = grpc.server(futures.ThreadPoolExecutor(8), compression=grpc.Compression.Gzip)
    t.add_TestServiceServicer_to_server(Service(), s)
    port = s.add_insecure_port("127.0.0.1:0")
    s.start()
    print(f"127.0.0.1:{port}", flush=True)
    s.wait_for_termination()


client(sys.argv[2]) if sys.argv[1] == "client" else serve()
