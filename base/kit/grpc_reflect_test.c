/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_reflect_test.c - the client's half of reflection against our server's half: the tables that
 * come out are those the server has; and against servers that leave things out or repeat themselves. */
#include "core/torture.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "kit/grpc_env_test.h"
#include "kit/grpc_reflect.h"
#include "kit/pb_load.h"
#include "tests/harness/test.h"

static int rounds(struct grpc_env *e, const char *path, struct sn_reflect *x)
{
    struct sn_buf body = {0};
    int r, n = 0;
    while ((r = sn_reflect_ask(x, &body)) == 1) {
        struct sn_grpc_call *c;
        struct sn_grpc_in in;
        struct sn_str m;
        uint8_t flags;
        size_t cap;
        n++;
        T_OK(sn_grpc_open(e->ch, NULL, sn_str(path), NULL, &c));
        sn_grpc_in_init(&in, 1 << 20, 0);
        uint8_t *to = sn_grpc_in_room(&in, body.len, &cap);
        memcpy(to, body.ptr, body.len);
        sn_grpc_in_add(&in, body.len);
        while (sn_grpc_in_next(&in, &flags, &m) == 1) T_OK(sn_grpc_send_raw(c, m));
        sn_grpc_in_done(&in);
        T_OK(sn_grpc_close_send(c));
        while ((r = sn_grpc_recv_raw(c, &m)) == 1) T_OK(sn_reflect_answer(x, m));
        T_EQ(sn_grpc_close(c), 0);
        sn_buf_reset(&body);
    }
    T_EQ(r, 0);
    sn_buf_done(&body);
    return n;
}
static int ask_body(struct grpc_env *e)
{
    static const char *const paths[] = {SN_REFLECT_V1, SN_REFLECT_V1ALPHA};
    struct sn_buf sets[2] = {{0}, {0}};
    for (int i = 0; i < 2; i++) {
        static struct sn_reflect x;
        struct sn_pb_set *set;
        struct sn_arena a;
        sn_reflect_init(&x);
        T_ASSERT(rounds(e, paths[i], &x) >= 2);
        T_EQ(x.missing, 0);
        T_OK(sn_reflect_set(&x, &sets[i]));
        sn_arena_init(&a, NULL, 0);
        int r = sn_pb_load(sn_buf_view(&sets[i]), &a, &set);
        T_ASSERTF(r == 0, "%s", sn_diag_str(r));
        const struct sn_pb_service *s = sn_pb_set_service(set, SN_STR("sennit.grpctest.Echo"));
        T_ASSERT(s && s->n_methods == sennit_grpctest_echo_service.n_methods);
        T_ASSERT(sn_pb_set_find(set, SN_STR("sennit.grpctest.Ask.Inner")));
        T_ASSERT(sn_pb_set_service(set, SN_STR("grpc.health.v1.Health")));
        T_ASSERT(!sn_pb_set_service(set, SN_STR("grpc.reflection.v1.ServerReflection")));
        sn_pb_set_done(set);
        sn_arena_done(&a);
        sn_reflect_done(&x);
    }
    T_ASSERT(sn_str_eq(sn_buf_view(&sets[0]), sn_buf_view(&sets[1])));
    sn_buf_done(&sets[0]);
    sn_buf_done(&sets[1]);
    return 0;
}
SN_TEST(reflect_asks_our_server)
{
    struct grpc_env e = {.body = ask_body, .rt = {.workers = 1}};
    grpc_env_run(&e);
}

/* ---- servers of another kind ------------------------------------------------------------------ */

/* An answer with files of a name and one import each, both of one letter; '-' is no import. */
static int give(struct sn_reflect *x, const char *files)
{
    struct grpc_reflection_v1_file_descriptor_response f = {0};
    struct grpc_reflection_v1_server_reflection_response rep = {.message_response_case = 4,
                                                                .file_descriptor_response = &f};
    char bytes[16][8];
    struct sn_str list[16];
    unsigned n = 0;
    for (const char *p = files; *p; p += 2, n++) {
        size_t len = p[1] == '-' ? 3 : 6;
        memcpy(bytes[n], (char[]){0x0a, 1, p[0], 0x1a, 1, p[1]}, 6);
        list[n] = sn_str_of(bytes[n], len);
    }
    f.file_descriptor_proto.ptr = list;
    f.file_descriptor_proto.len = n;
    struct sn_buf b = {0};
    ssize_t k = grpc_reflection_v1_server_reflection_response_encode(&rep, &b);
    int r = k < 0 ? (int)k : sn_reflect_answer(x, sn_buf_view(&b));
    sn_buf_done(&b);
    return r;
}
static int give_services(struct sn_reflect *x)
{
    return sn_reflect_answer(x, SN_STR("\x32\x0a\x0a\x03\x0a\x01s\x0a\x03\x0a\x01t"));
}
static struct sn_str set_of(struct sn_reflect *x, struct sn_buf *b)
{
    struct sn_buf names = {0};
    sn_buf_reset(b);
    T_OK(sn_reflect_set(x, b));
    for (size_t i = 0; i < b->len; i += 2 + b->ptr[i + 1]) sn_buf_byte(&names, b->ptr[i + 4]);
    sn_buf_reset(b);
    sn_buf_put(b, names.ptr, names.len);
    sn_buf_done(&names);
    return sn_buf_view(b);
}
SN_TEST(reflect_rounds)
{
    static struct sn_reflect x;
    struct sn_buf b = {0};
    sn_reflect_init(&x);
    T_EQ(sn_reflect_ask(&x, &b), 1);
    T_OK(give_services(&x));
    T_EQ(x.n_services, 2);
    sn_buf_reset(&b);
    T_EQ(sn_reflect_ask(&x, &b), 1);
    T_EQ(b.len, 2 * (5 + 3));
    T_OK(give(&x, "cba-")); /* c imports b, which did not come; a imports nothing */
    T_OK(give(&x, "cb"));   /* again */
    sn_buf_reset(&b);
    T_EQ(sn_reflect_ask(&x, &b), 1);
    T_ASSERT(sn_str_eq(sn_buf_view(&b), sn_str_of("\0\0\0\0\x03\x1a\x01" "b", 8)));
    T_OK(give(&x, "bd"));
    T_EQ(sn_reflect_ask(&x, &b), 1);
    T_OK(sn_reflect_answer(&x, SN_STR("\x3a\x02\x08\x05"))); /* d is not found */
    T_EQ(x.missing, 1);
    T_EQ(sn_reflect_ask(&x, &b), 0);
    struct sn_str names = set_of(&x, &b);
    T_ASSERTF(sn_str_eqc(names, "a"), "%.*s", SN_STR_ARG(names)); /* c and b lead to d */
    sn_reflect_done(&x);
    sn_reflect_init(&x);
    T_EQ(sn_reflect_ask(&x, &b), 1);
    T_EQ(sn_reflect_answer(&x, SN_STR("\xff")), SN_E_SYNTAX);
    T_EQ(sn_reflect_answer(&x, SN_STR("\x22\x05\x0a\x03\x0a\x05" "a")), SN_E_SYNTAX);
    T_EQ(sn_reflect_answer(&x, SN_STR("\x22\x05\x0a\x03\x1a\x01" "a")), SN_E_SYNTAX); /* no name */
    sn_reflect_done(&x);
    sn_buf_done(&b);
}
SN_TEST(reflect_imports_have_an_end)
{
    static struct sn_reflect x;
    struct sn_buf b = {0};
    sn_reflect_init(&x);
    int r;
    T_EQ(sn_reflect_ask(&x, &b), 1);
    T_OK(give_services(&x));
    for (char c = 65; (r = sn_reflect_ask(&x, &b)) == 1; c++) T_OK(give(&x, (char[]){c, c + 1, 0}));
    T_EQ(r, SN_E_TOO_LARGE);
    sn_reflect_done(&x);
    sn_buf_done(&b);
}
static int torture_body(void *arg)
{
    static struct sn_reflect x;
    struct sn_buf b = {0};
    sn_reflect_init(&x);
    int r = sn_reflect_ask(&x, &b);
    if (r == 1) r = give_services(&x);
    if (r == 0) r = sn_reflect_ask(&x, &b);
    if (r == 1) r = give(&x, "cba-");
    if (r == 0) r = sn_reflect_ask(&x, &b);
    if (r == 1) r = give(&x, "b-");
    sn_buf_reset(&b);
    if (r == 0) r = sn_reflect_set(&x, &b);
    sn_reflect_done(&x);
    sn_buf_done(&b);
    return r;
}
SN_TEST(reflect_torture)
{
    int r = sn_torture(torture_body, NULL);
    T_ASSERTF(r >= 0, "%s", sn_diag_str(r));
}
