// SPDX-License-Identifier: Apache-2.0
// grpc C++ serving grpc.testing.TestService by its callback interface, as bench/grpc.sh's peer: ./cpppeer ADDR
#include <grpcpp/grpcpp.h>

#include "test.grpc.pb.h"

using namespace grpc;
using namespace grpc::testing;

struct Stream : ServerWriteReactor<StreamingOutputCallResponse> {
    explicit Stream(const StreamingOutputCallRequest *q) : q_(*q) { Next(); }
    void Next() {
        if (i_ == q_.response_parameters_size()) return Finish(Status::OK);
        rep_.mutable_payload()->mutable_body()->assign(q_.response_parameters(i_++).size(), '\0');
        StartWrite(&rep_);
    }
    void OnWriteDone(bool ok) override { ok ? Next() : Finish(Status::CANCELLED); }
    void OnDone() override { delete this; }
    StreamingOutputCallRequest q_;
    StreamingOutputCallResponse rep_;
    int i_ = 0;
};

struct Service : TestService::CallbackService {
    ServerUnaryReactor *EmptyCall(CallbackServerContext *c, const Empty *, Empty *) override {
        auto *r = c->DefaultReactor();
        r->Finish(Status::OK);
        return r;
    }
    ServerUnaryReactor *UnaryCall(CallbackServerContext *c, const SimpleRequest *q, SimpleResponse *rep) override {
        rep->mutable_payload()->mutable_body()->assign(q->response_size(), '\0');
        auto *r = c->DefaultReactor();
        r->Finish(Status::OK);
        return r;
    }
    ServerWriteReactor<StreamingOutputCallResponse> *StreamingOutputCall(CallbackServerContext *,
                                                                        const StreamingOutputCallRequest *q) override {
        return new Stream(q);
    }
};

int main(int, char **argv) {
    Service s;
    ServerBuilder b;
    b.AddListeningPort(argv[1], InsecureServerCredentials());
    b.RegisterService(&s);
    b.BuildAndStart()->Wait();
}
