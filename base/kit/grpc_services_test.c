/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_services_test.c - health, reflection and channelz, called as a client calls them. */
#include "grpc/channelz/v1/channelz.grpc.h"
#include "grpc/health/v1/health.grpc.h"
#include "grpc/reflection/v1/reflection.grpc.h"
#include "kit/grpc_env_test.h"
#include "tests/harness/test.h"

static int health_of(struct grpc_env *e, const char *service)
{
    struct grpc_health_v1_health_check_request q = {.service = sn_str(service)};
    struct grpc_health_v1_health_check_response *rep;
    int r = grpc_health_v1_health_check_call(e->ch, &q, &e->a, &rep, NULL);
    return r < 0 ? r : rep->status;
}

static int health_body(struct grpc_env *e)
{
    struct grpc_health_v1_health_check_response *rep;
    struct sn_grpc_call *c;
    T_EQ(health_of(e, ""), SN_GRPC_SERVING);
    T_EQ(health_of(e, "x"), SN_E_NOT_FOUND);
    struct grpc_health_v1_health_check_request q = {.service = SN_STR("x")};
    T_OK(grpc_health_v1_health_watch_open(e->ch, &q, NULL, &c));
    T_EQ(grpc_health_v1_health_watch_recv(c, NULL, &rep), 1);
    T_EQ(rep->status, 3); /* SERVICE_UNKNOWN, and the watch goes on */
    T_OK(sn_grpc_health_set(e->grpc, SN_STR("x"), SN_GRPC_NOT_SERVING));
    T_EQ(grpc_health_v1_health_watch_recv(c, NULL, &rep), 1);
    T_EQ(rep->status, SN_GRPC_NOT_SERVING);
    T_OK(sn_grpc_health_set(e->grpc, SN_STR("x"), SN_GRPC_NOT_SERVING)); /* no news */
    T_OK(sn_grpc_health_set(e->grpc, SN_STR("x"), SN_GRPC_SERVING));
    T_EQ(grpc_health_v1_health_watch_recv(c, NULL, &rep), 1);
    T_EQ(rep->status, SN_GRPC_SERVING);
    sn_grpc_health_shutdown(e->grpc);
    T_EQ(grpc_health_v1_health_watch_recv(c, NULL, &rep), 1);
    T_EQ(rep->status, SN_GRPC_NOT_SERVING);
    T_OK(sn_grpc_health_set(e->grpc, SN_STR("x"), SN_GRPC_SERVING)); /* shut down is for good */
    T_EQ(health_of(e, "x"), SN_GRPC_NOT_SERVING);
    T_EQ(health_of(e, ""), SN_GRPC_NOT_SERVING);
    T_EQ(sn_grpc_close(c), SN_E_CANCELLED);
    return 0;
}
SN_TEST(grpc_health)
{
    struct grpc_env e = {.body = health_body, .rt = {.workers = 1}};
    grpc_env_run(&e);
}

typedef struct grpc_reflection_v1_server_reflection_request refl_q;
typedef struct grpc_reflection_v1_server_reflection_response refl_r;

static refl_r *reflect(struct grpc_env *e, const refl_q *q)
{
    struct sn_grpc_call *c;
    refl_r *rep;
    T_OK(grpc_reflection_v1_server_reflection_server_reflection_info_open(e->ch, NULL, &c));
    T_OK(grpc_reflection_v1_server_reflection_server_reflection_info_send(c, q));
    T_OK(sn_grpc_close_send(c));
    T_EQ(grpc_reflection_v1_server_reflection_server_reflection_info_recv(c, &e->a, &rep), 1);
    T_EQ(sn_grpc_recv(c, NULL, &(void *){NULL}), 0);
    T_EQ(sn_grpc_close(c), 0);
    return rep;
}

static int reflection_body(struct grpc_env *e)
{
    static const char *const found[] = {
        "sennit.grpctest.Echo",     "sennit.grpctest.Echo.Unary", "sennit.grpctest.Ask",
        "sennit.grpctest.Ask.text", "sennit.grpctest.Ask.Inner",  "google.api.HttpRule",
        "grpc.health.v1.Health",    "google.protobuf.FieldDescriptorProto.Type"};
    for (size_t i = 0; i < SN_COUNT_OF(found); i++) {
        sn_test_row("%s", found[i]);
        refl_q q = {.message_request_case = 4, .file_containing_symbol = sn_str(found[i])};
        T_EQ(reflect(e, &q)->message_response_case, 4);
    }
    static const char *const none[] = {"", "x", "sennit.grpctest", "sennit.grpctest.Ask.nope",
                                       "sennit.grpctest.Echo.Unary.x"};
    for (size_t i = 0; i < SN_COUNT_OF(none); i++) {
        sn_test_row("\"%s\"", none[i]);
        refl_q q = {.message_request_case = 4, .file_containing_symbol = sn_str(none[i])};
        refl_r *r = reflect(e, &q);
        T_EQ(r->message_response_case, 7);
        T_EQ(r->error_response->error_code, 5);
    }
    refl_q list = {.message_request_case = 7, .host = SN_STR("h")};
    refl_r *r = reflect(e, &list);
    T_STR(r->valid_host, "h");
    T_EQ(r->list_services_response->service.len, 5);
    refl_q file = {.message_request_case = 3, .file_by_filename = SN_STR("google/api/http.proto")};
    T_EQ(reflect(e, &file)->file_descriptor_response->file_descriptor_proto.len, 1);
    return 0;
}
SN_TEST(grpc_reflection)
{
    struct grpc_env e = {.body = reflection_body, .rt = {.workers = 1}};
    grpc_env_run(&e);
}

static int channelz_body(struct grpc_env *e)
{
    said_t *s;
    for (int i = 0; i < 5; i++) T_OK(grpc_env_ask(e, &(ask_t){.n = i}, &s, NULL));
    T_EQ(grpc_env_ask(e, &(ask_t){.code = 5}, &s, NULL), SN_E_NOT_FOUND);
    struct grpc_channelz_v1_get_servers_request sq = {0};
    struct grpc_channelz_v1_get_servers_response *sr;
    T_OK(grpc_channelz_v1_channelz_get_servers_call(e->ch, &sq, &e->a, &sr, NULL));
    T_EQ(sr->server.len, 1);
    T_EQ(sr->server.ptr[0]->data->calls_succeeded, 5);
    T_EQ(sr->server.ptr[0]->data->calls_failed, 1);
    struct grpc_channelz_v1_get_top_channels_request cq = {0};
    struct grpc_channelz_v1_get_top_channels_response *cr;
    T_OK(grpc_channelz_v1_channelz_get_top_channels_call(e->ch, &cq, &e->a, &cr, NULL));
    T_EQ(cr->channel.len, 1);
    T_ASSERT(cr->end);
    const struct grpc_channelz_v1_channel *ch = cr->channel.ptr[0];
    T_EQ(ch->data->state->state, SN_GRPC_READY);
    T_STR(ch->data->target, e->addr);
    T_EQ(ch->data->calls_failed, 1);
    T_EQ(ch->subchannel_ref.len, 1);
    struct grpc_channelz_v1_get_subchannel_request bq = {.subchannel_id =
                                                             ch->subchannel_ref.ptr[0]->subchannel_id};
    struct grpc_channelz_v1_get_subchannel_response *br;
    T_OK(grpc_channelz_v1_channelz_get_subchannel_call(e->ch, &bq, &e->a, &br, NULL));
    T_EQ(br->subchannel->socket_ref.len, 1);
    struct grpc_channelz_v1_get_socket_request kq = {.socket_id =
                                                         br->subchannel->socket_ref.ptr[0]->socket_id};
    struct grpc_channelz_v1_get_socket_response *kr;
    T_OK(grpc_channelz_v1_channelz_get_socket_call(e->ch, &kq, &e->a, &kr, NULL));
    T_ASSERT(kr->socket->data->streams_started >= 9);
    kq.socket_id = 1 << 30;
    T_EQ(grpc_channelz_v1_channelz_get_socket_call(e->ch, &kq, &e->a, &kr, NULL), SN_E_NOT_FOUND);
    return 0;
}
SN_TEST(grpc_channelz)
{
    struct grpc_env e = {.body = channelz_body, .rt = {.workers = 2}};
    grpc_env_run(&e);
}
