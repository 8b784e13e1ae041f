/* SPDX-License-Identifier: Apache-2.0 */
/* interop/govern_peer.c - what tests/interop/govern.sh runs against real peers: tokens, span
 * export, Redis over TLS. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/status.h"
#include "fiber/fiber.h"
#include "fiber/os.h"
#include "govern/otlp.h"
#include "kit/http.h"
#include "kit/jwt.h"
#include "kit/redis.h"
#include "kit/tls.h"

static int argc_;
static char **argv_;
static struct sn_arena arena;

static int fail(int r)
{
    fprintf(stderr, "%s\n", sn_diag_str(r));
    return r;
}

static int stdin_read(struct sn_str *ret)
{
    char *buf = sn_arena_alloc(&arena, 65536);
    size_t n = buf ? fread(buf, 1, 65536, stdin) : 0;
    *ret = sn_str_trim(sn_str_of(buf, n));
    return n ? 0 : SN_E_EOF;
}

static int key_add(struct sn_jwt_keys *k, int alg, const char *path, const char *kid)
{
    struct sn_str text;
    int r = sn_file_read(&arena, path, 0, &text);
    if (r < 0) return r;
    return alg <= SN_JWT_HS512 ? sn_jwt_keys_add_secret(k, (enum sn_jwt_alg)alg, text, sn_str(kid))
                               : sn_jwt_keys_add_pem(k, (enum sn_jwt_alg)alg, text, sn_str(kid));
}

/* sign ALG KEYFILE KID CLAIMS | verify ALG KEYFILE <TOKEN | jwks FILE <TOKEN */
static int jwt_main(void *arg)
{
    struct sn_jwt_keys *k = sn_jwt_keys_new();
    struct sn_str token, text;
    struct sn_buf b = {0};
    struct sn_jwt j;
    const char *verb = argv_[1];
    int alg = sn_jwt_alg_find(sn_str(argv_[2])), r;
    if (strcmp(verb, "jwks") == 0) {
        r = sn_file_read(&arena, argv_[2], 0, &text);
        if (r == 0) r = sn_jwt_keys_add_jwks(k, text);
    } else {
        r = alg < 0 ? alg : key_add(k, alg, argv_[3], strcmp(verb, "sign") == 0 ? argv_[4] : "");
    }
    if (r >= 0 && strcmp(verb, "sign") == 0) {
        r = sn_jwt_sign(k, (enum sn_jwt_alg)alg, SN_STR(""), sn_str(argv_[5]), SN_STR(""), &b);
        if (r == 0) puts(sn_buf_cz(&b));
    } else if (r >= 0) {
        struct sn_jwt_check check = {.now_ns = sn_wall_now(),
                                     .issuer = SN_STR("issuer"),
                                     .audience = SN_STR("us")};
        r = stdin_read(&token);
        if (r == 0) r = sn_jwt_verify(k, token, &check, &arena, &j);
        if (r == 0) printf("%s %.*s\n", sn_jwt_alg_name(j.alg), SN_STR_ARG(j.subject));
    }
    sn_buf_done(&b);
    sn_jwt_keys_unref(k);
    return r < 0 ? fail(r) : 0;
}

static int exporter(void *arg) { return sn_otlp_run(arg); }
/* otlp URL N */
static int otlp_main(void *arg)
{
    struct sn_http_client *c;
    struct sn_otlp *o;
    struct sn_otlp_stats st;
    struct sn_scope_storage mem;
    long n = strtol(argv_[3], NULL, 10);
    int r = sn_http_client_new(&(struct sn_http_client_opts){0}, &c);
    if (r < 0) return fail(r);
    r = sn_otlp_new(&(struct sn_otlp_opts){.client = c,
                                           .url = sn_str(argv_[2]),
                                           .service = SN_STR("shop"),
                                           .version = SN_STR("1.2"),
                                           .instance = SN_STR("a-1")},
                    &o);
    if (r < 0) return fail(r);
    struct sn_scope *s = sn_scope_begin(&mem);
    r = sn_scope_go(s, "otlp", exporter, o);
    for (long i = 0; i < n && r == 0; i++) {
        struct sn_span parent, child;
        uint64_t rnd[3] = {sn_random(), sn_random(), sn_random()}, rnd2[3] = {0, 0, sn_random()};
        sn_span_init(&parent, NULL, SN_STR("GET /orders/:id"), SN_SPAN_SERVER, 1.0, sn_wall_now(),
                     rnd);
        sn_span_init(&child, &parent.ctx, SN_STR("query"), SN_SPAN_CLIENT, 1.0, sn_wall_now(),
                     rnd2);
        child.state = SN_STR("vendor=x");
        sn_span_str(&child, "db.system", SN_STR("postgresql ä"));
        sn_span_int(&child, "rows", -5);
        sn_span_bool(&child, "cached", true);
        sn_span_double(&child, "load", 0.5);
        child.error = true;
        child.message = SN_STR("UNAVAILABLE");
        sn_otlp_end(o, &child, sn_wall_now());
        sn_otlp_end(o, &parent, sn_wall_now());
    }
    if (r == 0) r = sn_sleep(300 * SN_MS);
    sn_scope_cancel(s);
    sn_scope_end(s);
    sn_otlp_stats(o, &st);
    printf("sent %llu dropped %llu\n", (unsigned long long)st.sent, (unsigned long long)st.dropped);
    sn_otlp_free(o);
    sn_http_client_free(c);
    return r;
}

/* redis ADDR PASSWORD CA_FILE */
static int redis_main(void *arg)
{
    struct sn_tls_config *tls = NULL;
    struct sn_redis *r;
    struct sn_resp v;
    int e = sn_tls_config_new(&(struct sn_tls_opts){.ca_file = argv_[4]}, &tls);
    if (e == 0)
        e = sn_redis_new(&(struct sn_redis_opts){.addr = argv_[2],
                                                 .password = sn_str(argv_[3]),
                                                 .tls = tls,
                                                 .tls_host = SN_STR("localhost"),
                                                 .db = 3},
                         &r);
    if (e < 0) return fail(e);
    struct sn_str set[] = {SN_STR("SET"), SN_STR("k"), SN_STR("over tls")},
                  get[] = {SN_STR("GET"), SN_STR("k")};
    e = sn_redis_do(r, set, 3, &arena, &v);
    if (e == 0) e = sn_redis_do(r, get, 2, &arena, &v);
    if (e == 0) printf("%.*s\n", SN_STR_ARG(v.str));
    sn_redis_free(r);
    sn_tls_config_unref(tls);
    return e < 0 ? fail(e) : 0;
}

int main(int argc, char **argv)
{
    argc_ = argc;
    argv_ = argv;
    const char *verb = argc > 1 ? argv[1] : "";
    int (*fn)(void *) = strcmp(verb, "otlp") == 0 && argc == 4    ? otlp_main
                        : strcmp(verb, "redis") == 0 && argc == 5 ? redis_main
                        : (strcmp(verb, "sign") == 0 && argc == 6) ||
                                (strcmp(verb, "verify") == 0 && argc == 4) ||
                                (strcmp(verb, "jwks") == 0 && argc == 3)
                            ? jwt_main
                            : NULL;
    if (!fn) {
        fputs("usage: govern_peer sign ALG KEYFILE KID CLAIMS | verify ALG KEYFILE | jwks FILE | "
              "otlp URL N | redis ADDR PASSWORD CA\n",
              stderr);
        return 2;
    }
    int r = sn_rt_run(&(struct sn_rt_opts){.workers = 1}, fn, NULL);
    sn_arena_done(&arena);
    return r < 0;
}
