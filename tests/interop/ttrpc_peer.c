/* SPDX-License-Identifier: Apache-2.0 */
/* interop/ttrpc_peer.c - our side of tests/interop/ttrpc.sh:  ttrpc_peer server|client SOCKET */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clusters/ttrpc/ttrpc.h"
#include "google/protobuf/wrappers.pb.h"

typedef struct google_protobuf_string_value text_t;
#define TEXT &google_protobuf_string_value_desc

static int echo(struct sn_ttrpc_call *c, const void *req, void **rep)
{
    const text_t *q = req;
    text_t *p = google_protobuf_string_value_new(sn_ttrpc_arena(c));
    if (!p) return SN_E_NOMEM;
    if (sn_str_eqc(q->value, "missing")) return sn_fail(SN_E_NOT_FOUND, "process already finished");
    if (sn_str_eqc(q->value, "wait")) return sn_sleep(SN_HOUR);
    struct sn_str who = sn_ttrpc_metadata(c, "who");
    p->value = q->value;
    if (who.len)
        p->value =
            sn_arena_printf(sn_ttrpc_arena(c), "%.*s %.*s", SN_STR_ARG(who), SN_STR_ARG(q->value));
    *rep = p;
    return 0;
}

static int count(struct sn_ttrpc_call *c)
{
    text_t *q;
    int r = sn_ttrpc_recv(c, (void **)&q);
    uint64_t n = 0;
    if (r >= 0) r = sn_str_to_u64(q->value, &n);
    for (uint64_t i = 0; i < n && r >= 0; i++) {
        char t[24];
        snprintf(t, sizeof(t), "%llu", (unsigned long long)i);
        r = sn_ttrpc_send(c, &(text_t){.value = sn_str(t)});
    }
    return r < 0 ? sn_fail(SN_E_INVALID_ARGUMENT, "no number") : 0;
}

static int both(struct sn_ttrpc_call *c)
{
    text_t *q;
    int r;
    while ((r = sn_ttrpc_recv(c, (void **)&q)) == 0 && (r = sn_ttrpc_send(c, q)) == 0)
        sn_ttrpc_recv_reset(c);
    return r == SN_E_EOF ? 0 : r;
}

static const struct sn_ttrpc_method methods[] = {
    {.name = "Echo", .in = TEXT, .out = TEXT, .unary = echo},
    {.name = "Count", .in = TEXT, .out = TEXT, .server_streams = true, .stream = count},
    {.name = "Both",
     .in = TEXT,
     .out = TEXT,
     .client_streams = true,
     .server_streams = true,
     .stream = both},
};
static const struct sn_ttrpc_service service = {"test.Text", methods, 3};

static char addr[200];

static int server(void)
{
    struct sn_listener *l;
    struct sn_ttrpc_server *s;
    int r = sn_listen(addr, NULL, &l);
    if (r >= 0) r = sn_ttrpc_server_new(&s);
    if (r >= 0) r = sn_ttrpc_server_add(s, &service, NULL);
    if (r < 0) return r;
    puts("serving");
    fflush(stdout);
    return sn_ttrpc_server_run(s, l);
}

static void check(const char *name, bool ok, int r)
{
    if (ok)
        printf("ok %s\n", name);
    else
        printf("FAIL %s: %s\n", name, sn_diag_str(r));
}

static int say(struct sn_ttrpc_client *c, const char *text, struct sn_arena *a, struct sn_str *ret)
{
    text_t *p = NULL;
    struct sn_ttrpc_pair who = {SN_STR("who"), SN_STR("me")};
    int r =
        sn_ttrpc_invoke(c, "test.Text", &methods[0], &(text_t){.value = sn_str(text)}, a,
                        (void **)&p, *text == '!' ? &(struct sn_ttrpc_call_opts){&who, 1} : NULL);
    *ret = p ? p->value : (struct sn_str){0};
    return r;
}

static void streams(struct sn_ttrpc_client *c)
{
    struct sn_ttrpc_call *k;
    text_t *p;
    int n = 0,
        r = sn_ttrpc_open(c, "test.Text", &methods[1], &(text_t){.value = SN_STR("30")}, NULL, &k);
    while (r >= 0 && (r = sn_ttrpc_recv(k, (void **)&p)) == 0) n++;
    check("server streams", n == 30 && r == SN_E_EOF, r);
    sn_ttrpc_end(k);
    r = sn_ttrpc_open(c, "test.Text", &methods[2], NULL, NULL, &k);
    for (n = 0; n < 200 && r >= 0; n++) {
        r = sn_ttrpc_send(k, &(text_t){.value = SN_STR("again")});
        if (r >= 0) r = sn_ttrpc_recv(k, (void **)&p);
        if (r >= 0 && !sn_str_eqc(p->value, "again")) r = SN_E_DATA_LOSS;
    }
    if (r >= 0) r = sn_ttrpc_close_send(k);
    if (r >= 0) r = sn_ttrpc_recv(k, (void **)&p);
    check("both stream", n == 200 && r == SN_E_EOF, r);
    sn_ttrpc_end(k);
}

static int client(void)
{
    struct sn_ttrpc_client *c;
    struct sn_arena a;
    struct sn_str s;
    int r = sn_ttrpc_dial(addr, &c);
    if (r < 0) return r;
    sn_arena_init(&a, NULL, 0);
    r = say(c, "hello", &a, &s);
    check("echo", r == 0 && sn_str_eqc(s, "hello"), r);
    r = say(c, "!", &a, &s);
    check("metadata", r == 0 && sn_str_eqc(s, "me !"), r);
    r = say(c, "missing", &a, &s);
    check("status", r == SN_E_NOT_FOUND && strstr(sn_diag_str(r), "process already finished"), r);
    char *big = sn_arena_zalloc(&a, 4u << 20);
    memset(big, 'x', (4u << 20) - 200);
    r = say(c, big, &a, &s);
    check("large", r == 0 && sn_str_eqc(s, big), r);
    int64_t d = sn_deadline_tighten(sn_now() + 100 * SN_MS);
    r = say(c, "wait", &a, &s);
    check("timeout", r == SN_E_DEADLINE_EXCEEDED, r);
    sn_deadline_restore(d);
    streams(c);
    sn_arena_done(&a);
    sn_ttrpc_client_close(c);
    return 0;
}

static int run(void *arg) { return strcmp(arg, "server") == 0 ? server() : client(); }

int main(int argc, char **argv)
{
    if (argc != 3) return 2;
    snprintf(addr, sizeof(addr), "unix:%s", argv[2]);
    int r = sn_rt_run(&(struct sn_rt_opts){.workers = 1}, run, argv[1]);
    if (r < 0) printf("FAIL %s\n", sn_diag_str(r));
    return r < 0;
}
