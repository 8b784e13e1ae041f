/* SPDX-License-Identifier: Apache-2.0 */
/* kit/tls_test.c - TLS over kernel sockets: names, verification, resumption, reload, faults. The
 * certificates are made here, by a throw-away authority. */
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/alloc.h"
#include "fiber/os.h"
#include "fiber/sim.h"
#include "harness/test.h"
#include "kit/http.h"
#include "kit/tls.h"

/* ---- an authority in a few lines ----------------------------------------------------------------
 */

struct issued {
    X509 *x;
    EVP_PKEY *key;
    char *cert_pem, *key_pem;
};
static struct issued ca, other_ca;

static char *pem_of(X509 *x, EVP_PKEY *key)
{
    BIO *b = BIO_new(BIO_s_mem());
    if (x)
        PEM_write_bio_X509(b, x);
    else
        PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
    char *p;
    long n = BIO_get_mem_data(b, &p);
    char *out = malloc((size_t)n + 1);
    memcpy(out, p, (size_t)n);
    out[n] = 0;
    BIO_free(b);
    return out;
}

static void ext_add(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    T_ASSERT(e != NULL);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

static struct issued issue(const char *cn, const char *san, const struct issued *by, long days)
{
    static long serial = 1000;
    struct issued r = {X509_new(), EVP_EC_gen("P-256"), NULL, NULL};
    X509_set_version(r.x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(r.x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(r.x), -86400 * 2);
    X509_gmtime_adj(X509_getm_notAfter(r.x), 86400 * days);
    X509_NAME *n = X509_get_subject_name(r.x);
    X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
    X509_set_issuer_name(r.x, by ? X509_get_subject_name(by->x) : n);
    X509_set_pubkey(r.x, r.key);
    if (!by) ext_add(r.x, r.x, NID_basic_constraints, "critical,CA:TRUE");
    if (san) ext_add(r.x, by ? by->x : r.x, NID_subject_alt_name, san);
    X509_sign(r.x, by ? by->key : r.key, EVP_sha256());
    r.cert_pem = pem_of(r.x, NULL);
    r.key_pem = pem_of(NULL, r.key);
    return r;
}

static void issued_free(struct issued *i)
{
    X509_free(i->x);
    EVP_PKEY_free(i->key);
    free(i->cert_pem);
    free(i->key_pem);
}

static struct sn_tls_cert cert_of(const struct issued *i)
{
    return (struct sn_tls_cert){.cert_pem = sn_str(i->cert_pem), .key_pem = sn_str(i->key_pem)};
}

/* ---- a server: echoes until the end ---- */

static struct {
    struct sn_tls_config *cfg;
    _Atomic int last; /* result of the last handshake */
    char sni[64], subject[128], san[128];
    _Atomic int parked_runs;
    bool park;
} srv;

static void srv_parked(struct sn_stream *s, void *arg, int why)
{
    char buf[3000];
    srv.parked_runs++;
    ssize_t n = why < 0 ? why : sn_read(s, buf, sizeof buf);
    if (n <= 0 || sn_write(s, buf, (size_t)n) < 0)
        sn_stream_close(s);
    else
        sn_stream_park(s, SN_FOREVER, srv_parked, arg);
}

static void srv_conn(struct sn_stream *plain)
{
    struct sn_stream *s;
    srv.last = sn_tls_server(plain, srv.cfg, &s);
    if (srv.last < 0) {
        sn_stream_close(plain);
        return;
    }
    snprintf(srv.sni, sizeof srv.sni, "%.*s", SN_STR_ARG(sn_tls_server_name(s)));
    srv.subject[0] = srv.san[0] = 0;
    (void)sn_tls_peer_subject(s, srv.subject, sizeof srv.subject);
    (void)sn_tls_peer_san(s, srv.san, sizeof srv.san);
    if (srv.park) {
        sn_stream_park(s, SN_FOREVER, srv_parked, NULL);
        return;
    }
    char buf[3000];
    ssize_t n;
    while ((n = sn_read(s, buf, sizeof buf)) > 0)
        if (sn_write(s, buf, (size_t)n) < 0) break;
    sn_stream_close(s);
}

static void srv_accept(void *arg)
{
    struct sn_stream *s;
    while (sn_accept(arg, &s) >= 0) srv_conn(s);
}

struct fixture {
    struct sn_listener *l;
    char addr[SN_ADDR_TEXT_MAX];
};
static void up(struct fixture *f)
{
    T_OK(sn_listen("127.0.0.1:0", NULL, &f->l));
    T_OK(sn_listener_addr(f->l, f->addr, sizeof f->addr));
    T_OK(sn_go("tls server", srv_accept, f->l));
}

static int client(struct fixture *f, struct sn_tls_config *cfg, const char *host,
                  struct sn_stream **ret)
{
    struct sn_stream *plain;
    T_OK(sn_dial(f->addr, NULL, &plain));
    int r = sn_tls_client(plain, cfg, sn_str(host), ret);
    if (r < 0) sn_stream_close(plain);
    return r;
}

static void echo(struct sn_stream *s, size_t n)
{
    char *a = malloc(n), *b = malloc(n);
    for (size_t i = 0; i < n; i++) a[i] = (char)(i * 7);
    T_EQ(sn_write(s, a, n), n);
    T_OK(sn_read_full(s, b, n));
    T_ASSERT(memcmp(a, b, n) == 0);
    free(a);
    free(b);
}

static void subject_is(struct sn_stream *s, const char *want)
{
    char got[128];
    T_OK(sn_tls_peer_subject(s, got, sizeof got));
    T_CSTR(got, want);
}

static struct issued exact, wild, plain_cn, client_cert, expired;
static void authority(void)
{
    /* Once, outside the leak check's window is not possible: free at exit instead. */
    ca = issue("Test CA", NULL, NULL, 10);
    other_ca = issue("Other CA", NULL, NULL, 10);
    exact = issue("exact", "DNS:a.test,DNS:b.test,IP:127.0.0.1", &ca, 10);
    wild = issue("wild", "DNS:*.w.test", &ca, 10);
    plain_cn = issue("cn.test", NULL, &ca, 10);
    client_cert = issue("a client", "URI:spiffe://test/client", &ca, 10);
    expired = issue("expired", "DNS:old.test", &ca, -1);
}
static void authority_free(void)
{
    struct issued *all[] = {&ca, &other_ca, &exact, &wild, &plain_cn, &client_cert, &expired};
    for (size_t i = 0; i < SN_COUNT_OF(all); i++) issued_free(all[i]);
}

static void run(int (*body)(void *))
{
    authority();
    memset(&srv, 0, sizeof srv);
    for (int uring = 0; uring < 2; uring++) {
        struct sn_rt_opts o = {.workers = 2, .io_uring = uring};
        sn_test_row("%s", uring ? "io_uring" : "epoll");
        int r = sn_rt_run(&o, body, NULL);
        T_ASSERTF(r == 0, "%d: %s", r, sn_diag_str(r));
    }
    authority_free();
}
#define TLS_TEST(name)                 \
    static int name##_body(void *arg); \
    SN_TEST(name)                      \
    {                                  \
        run(name##_body);              \
    }                                  \
    static int name##_body(void *arg)

static struct sn_tls_config *server_cfg(struct sn_tls_opts o)
{
    struct sn_tls_cert certs[] = {cert_of(&exact), cert_of(&wild), cert_of(&plain_cn)};
    struct sn_tls_config *c;
    o.certs = certs;
    o.n_certs = 3;
    T_OK(sn_tls_config_new(&o, &c));
    return c;
}
static struct sn_tls_config *client_cfg(struct sn_tls_opts o)
{
    struct sn_tls_config *c;
    if (!o.ca_pem.ptr) o.ca_pem = sn_str(ca.cert_pem);
    T_OK(sn_tls_config_new(&o, &c));
    return c;
}
static void down(struct fixture *f, struct sn_tls_config *c)
{
    struct sn_rt_stats st;
    sn_listener_close(f->l);
    sn_parked_cancel(srv_parked);
    for (sn_rt_stats(&st); st.conns_open; sn_rt_stats(&st)) T_OK(sn_sleep(SN_MS));
    sn_tls_config_unref(srv.cfg);
    sn_tls_config_unref(c);
}

TLS_TEST(names_pick_certificates)
{
    static const struct {
        const char *host, *subject;
    } row[] = {{"a.test", "CN=exact"},  {"b.test", "CN=exact"},    {"x.w.test", "CN=wild"},
               {"X.W.Test", "CN=wild"}, {"127.0.0.1", "CN=exact"}, {"cn.test", "CN=cn.test"}};
    struct fixture f;
    srv.cfg = server_cfg((struct sn_tls_opts){.alpn = "h2,http/1.1"});
    struct sn_tls_config *c = client_cfg((struct sn_tls_opts){.alpn = "http/1.1,h2"});
    up(&f);
    for (size_t i = 0; i < SN_COUNT_OF(row); i++) {
        struct sn_stream *s;
        sn_test_row("%s", row[i].host);
        T_OK(client(&f, c, row[i].host, &s));
        subject_is(s, row[i].subject);
        T_STR(sn_tls_alpn(s), "h2"); /* the server's preference */
        T_EQ(sn_tls_version(s), 13);
        echo(s, 10);
        echo(s, 100000);
        T_CSTR(srv.sni, i == 4 ? "" : row[i].host);
        sn_stream_close(s);
    }
    down(&f, c);
    return 0;
}

TLS_TEST(verification_refuses)
{
    struct fixture f;
    struct sn_stream *s;
    struct sn_tls_cert bad[] = {cert_of(&exact), cert_of(&expired)};
    struct sn_tls_opts so = {.certs = bad, .n_certs = 2};
    T_OK(sn_tls_config_new(&so, &srv.cfg));
    struct sn_tls_config *c = client_cfg((struct sn_tls_opts){0});
    struct sn_tls_config *o = client_cfg((struct sn_tls_opts){.ca_pem = sn_str(other_ca.cert_pem)});
    struct sn_tls_config *any = client_cfg((struct sn_tls_opts){.insecure = true});
    up(&f);
    T_EQ(client(&f, c, "wrong.test", &s), SN_E_UNAUTHENTICATED);
    T_ASSERT(strstr(sn_diag_str(SN_E_UNAUTHENTICATED), "wrong.test"));
    T_ASSERT(strstr(sn_diag_str(SN_E_UNAUTHENTICATED), "hostname mismatch") ||
             strstr(sn_diag_str(SN_E_UNAUTHENTICATED), "Hostname mismatch"));
    T_EQ(client(&f, c, "x.y.w.test", &s), SN_E_UNAUTHENTICATED); /* a star is one label */
    T_EQ(client(&f, c, "old.test", &s), SN_E_UNAUTHENTICATED);
    T_ASSERT(strstr(sn_diag_str(SN_E_UNAUTHENTICATED), "expired"));
    T_EQ(client(&f, o, "a.test", &s), SN_E_UNAUTHENTICATED);
    T_OK(client(&f, any, "wrong.test", &s));
    echo(s, 5);
    sn_stream_close(s);
    sn_tls_config_unref(o);
    sn_tls_config_unref(any);
    down(&f, c);
    return 0;
}

TLS_TEST(client_certificates)
{
    struct fixture f;
    struct sn_stream *s;
    srv.cfg = server_cfg(
        (struct sn_tls_opts){.client_auth = SN_TLS_CLIENT_REQUIRE, .ca_pem = sn_str(ca.cert_pem)});
    struct sn_tls_cert mine = cert_of(&client_cert);
    struct sn_tls_config *with = client_cfg((struct sn_tls_opts){.certs = &mine, .n_certs = 1});
    struct sn_tls_config *without = client_cfg((struct sn_tls_opts){0});
    up(&f);
    T_OK(client(&f, with, "a.test", &s));
    echo(s, 10);
    T_CSTR(srv.subject, "CN=a client");
    T_CSTR(srv.san, "spiffe://test/client");
    sn_stream_close(s);
    /* In TLS 1.3 the client learns of the refusal when it first reads. */
    srv.last = 1;
    int r = client(&f, without, "a.test", &s);
    if (r >= 0) {
        char b;
        r = (int)sn_read(s, &b, 1);
        sn_stream_close(s);
    }
    T_ASSERTF(r == SN_E_PROTOCOL || r == SN_E_RESET, "%d", r);
    while (srv.last == 1) T_OK(sn_sleep(SN_MS));
    T_EQ(srv.last, SN_E_UNAUTHENTICATED);
    sn_tls_config_unref(without);
    down(&f, with);
    return 0;
}

TLS_TEST(sessions_resume)
{
    for (unsigned v = 12; v <= 13; v++) {
        struct fixture f;
        struct sn_stream *s;
        sn_test_row("TLS 1.%u", v - 10);
        srv.cfg = server_cfg((struct sn_tls_opts){0});
        struct sn_tls_config *c = client_cfg((struct sn_tls_opts){0});
        up(&f);
        for (int i = 0; i < 3; i++) {
            T_OK(client(&f, c, "a.test", &s));
            echo(s, 10);
            T_EQ(sn_tls_resumed(s), i > 0);
            sn_stream_close(s);
            if (i == 1) T_OK(sn_tls_config_reload(srv.cfg)); /* tickets survive */
        }
        down(&f, c);
    }
    return 0;
}

static void put_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    T_ASSERT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

TLS_TEST(reload_swaps_certificates)
{
    struct fixture f;
    struct sn_stream *s, *old;
    char cert[200], key[200];
    snprintf(cert, sizeof cert, "%s/c.pem", sn_test_tmpdir());
    snprintf(key, sizeof key, "%s/k.pem", sn_test_tmpdir());
    put_file(cert, exact.cert_pem);
    put_file(key, exact.key_pem);
    struct sn_tls_cert files = {.cert_file = cert, .key_file = key};
    struct sn_tls_opts o = {.certs = &files, .n_certs = 1, .tickets_off = true};
    T_OK(sn_tls_config_new(&o, &srv.cfg));
    T_ASSERT(sn_tls_config_not_after(srv.cfg) > 0);
    struct sn_tls_config *c = client_cfg((struct sn_tls_opts){.insecure = true});
    up(&f);
    srv.park = true;
    T_OK(client(&f, c, "a.test", &old));
    put_file(cert, wild.cert_pem); /* half a change: key and certificate do not match */
    T_EQ(sn_tls_config_reload(srv.cfg), SN_E_INVALID_ARGUMENT);
    T_ASSERT(strstr(sn_diag_str(SN_E_INVALID_ARGUMENT), cert));
    T_OK(client(&f, c, "a.test", &s));
    subject_is(s, "CN=exact");
    sn_stream_close(s);
    put_file(key, wild.key_pem);
    T_OK(sn_tls_config_reload(srv.cfg));
    T_OK(client(&f, c, "a.test", &s));
    subject_is(s, "CN=wild");
    sn_stream_close(s);
    echo(old, 100); /* running connections keep theirs */
    sn_stream_close(old);
    down(&f, c);
    srv.park = false;
    return 0;
}

SN_TEST(bad_configurations)
{
    authority();
    struct sn_tls_config *c = NULL;
    struct sn_tls_cert none = {.cert_file = "/nonexistent/c.pem", .key_file = "/nonexistent/k.pem"};
    struct sn_tls_opts o = {.certs = &none, .n_certs = 1};
    T_EQ(sn_tls_config_new(&o, &c), SN_E_NOT_FOUND);
    T_ASSERT(strstr(sn_diag_str(SN_E_NOT_FOUND), "/nonexistent/c.pem"));
    struct sn_tls_cert junk = {.cert_pem = SN_STR_INIT("hello"), .key_pem = SN_STR_INIT("x")};
    o.certs = &junk;
    T_EQ(sn_tls_config_new(&o, &c), SN_E_SYNTAX);
    struct sn_tls_cert mixed = {.cert_pem = sn_str(exact.cert_pem),
                                .key_pem = sn_str(wild.key_pem)};
    o.certs = &mixed;
    T_EQ(sn_tls_config_new(&o, &c), SN_E_INVALID_ARGUMENT);
    o = (struct sn_tls_opts){.version_min = 11};
    T_EQ(sn_tls_config_new(&o, &c), SN_E_INVALID_ARGUMENT);
    o = (struct sn_tls_opts){.ca_pem = SN_STR_INIT("nothing")};
    T_EQ(sn_tls_config_new(&o, &c), SN_E_SYNTAX);
    o = (struct sn_tls_opts){.client_auth = SN_TLS_CLIENT_REQUIRE};
    T_EQ(sn_tls_config_new(&o, &c), SN_E_INVALID_ARGUMENT);
    T_ASSERT(c == NULL);
    authority_free();
}

TLS_TEST(parked_connections_keep_no_buffer)
{
    enum { N = 50 };
    struct fixture f;
    struct sn_stream *s[N];
    srv.park = true;
    srv.cfg = server_cfg((struct sn_tls_opts){0});
    struct sn_tls_config *c = client_cfg((struct sn_tls_opts){0});
    up(&f);
    for (int i = 0; i < N; i++) T_OK(client(&f, c, "a.test", &s[i]));
    int before = srv.parked_runs;
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < N; i++) echo(s[i], 2000);
    T_ASSERT(srv.parked_runs >= before + N);
    for (int i = 0; i < N; i++) {
        /* A record larger than the reader's buffer leaves decrypted bytes behind. */
        echo(s[i], 9000);
        sn_stream_close(s[i]);
    }
    down(&f, c);
    srv.park = false;
    return 0;
}

/* ---- peers that misbehave ---- */

TLS_TEST(garbage_and_truncation)
{
    struct fixture f;
    struct sn_stream *p, *s;
    char b;
    srv.cfg = server_cfg((struct sn_tls_opts){.handshake_ns_max = 300 * SN_MS});
    struct sn_tls_config *c = client_cfg((struct sn_tls_opts){0});
    up(&f);
    T_OK(sn_dial(f.addr, NULL, &p)); /* plain HTTP to a TLS port */
    T_OK(sn_write(p, "GET / HTTP/1.1\r\n\r\n", 18));
    while (sn_read(p, &b, 1) > 0) {}
    sn_stream_close(p);
    T_EQ(srv.last, SN_E_PROTOCOL);
    srv.last = 1;
    T_OK(sn_dial(f.addr, NULL, &p)); /* closes at once */
    sn_stream_close(p);
    while (srv.last == 1) T_OK(sn_sleep(SN_MS));
    T_EQ(srv.last, SN_E_RESET);
    srv.last = 1;
    T_OK(sn_dial(f.addr, NULL, &p)); /* says nothing */
    while (srv.last == 1) T_OK(sn_sleep(SN_MS));
    T_EQ(srv.last, SN_E_DEADLINE_EXCEEDED);
    sn_stream_close(p);
    T_OK(client(&f, c, "a.test", &s)); /* still serving */
    echo(s, 10);
    sn_stream_close(s);
    down(&f, c);
    return 0;
}

static void half_writer(void *arg)
{
    struct sn_stream *s = arg;
    char *big = calloc(1, 1 << 20);
    for (int i = 0; i < 4; i++) T_EQ(sn_write(s, big, 1 << 20), 1 << 20);
    free(big);
}

TLS_TEST(reads_and_writes_at_once)
{
    struct fixture f;
    struct sn_stream *s;
    srv.cfg = server_cfg((struct sn_tls_opts){0});
    struct sn_tls_config *c = client_cfg((struct sn_tls_opts){0});
    up(&f);
    T_OK(client(&f, c, "a.test", &s));
    T_OK(sn_go("writer", half_writer, s));
    char buf[5000];
    size_t got = 0;
    while (got < 4u << 20) {
        ssize_t n = sn_read(s, buf, sizeof buf);
        T_ASSERTF(n > 0, "read %zd after %zu", n, got);
        got += (size_t)n;
    }
    T_OK(sn_stream_shutdown(s));
    ssize_t end = sn_read(s, buf, 1); /* the server's close_notify */
    T_ASSERTF(end == 0, "%zd: %s", end, sn_diag_str((int)end));
    sn_stream_close(s);
    down(&f, c);
    return 0;
}

/* ---- the same over the simulated network, with loss and a cut ---- */

static int sim_main(void *arg)
{
    struct fixture f;
    struct sn_stream *s;
    srv.cfg = server_cfg((struct sn_tls_opts){.alpn = "h2"});
    struct sn_tls_config *c = client_cfg((struct sn_tls_opts){.alpn = "h2"});
    up(&f);
    for (int i = 0; i < 3; i++) {
        T_OK(client(&f, c, "a.test", &s));
        T_CSTR(s->ops->kind, "tls");
        T_STR(sn_tls_alpn(s), "h2");
        T_EQ(sn_tls_resumed(s), i > 0);
        echo(s, 50000);
        sn_stream_close(s);
    }
    sn_listener_close(f.l);
    T_OK(sn_sleep(SN_SEC));
    sn_tls_config_unref(srv.cfg);
    sn_tls_config_unref(c);
    return 0;
}

SN_TEST(tls_in_simulation)
{
    authority();
    memset(&srv, 0, sizeof srv);
    for (unsigned i = 0; i < sn_test_cases(20); i++) {
        struct sn_sim_opts o = {.seed = sn_test_seed() + i, .loss = 0.02};
        sn_test_row("seed %llu", (unsigned long long)o.seed);
        int r = sn_sim_run(&o, sim_main, NULL, NULL);
        T_ASSERTF(r == 0, "%d: %s", r, sn_diag_str(r));
    }
    authority_free();
}

TLS_TEST(files_over_tls)
{
    struct fixture f;
    struct sn_stream *s;
    char path[200], *want = malloc(100000), *got = malloc(100000);
    snprintf(path, sizeof path, "%s/file", sn_test_tmpdir());
    for (int i = 0; i < 100000; i++) want[i] = (char)(i % 251 + 1);
    want[99999] = 0;
    put_file(path, want);
    srv.cfg = server_cfg((struct sn_tls_opts){0});
    struct sn_tls_config *c = client_cfg((struct sn_tls_opts){0});
    up(&f);
    T_OK(client(&f, c, "a.test", &s));
    int fd;
    T_OK(sn_file_open(path, O_RDONLY, 0, &fd));
    for (int64_t off = 0; off < 90000; off += 1500) { /* the echo holds few bytes: piece by piece */
        T_EQ(sn_stream_sendfile(s, fd, off, 1500), 1500);
        T_OK(sn_read_full(s, got, 1500));
        T_ASSERT(memcmp(got, want + off, 1500) == 0);
    }
    T_EQ(sn_stream_sendfile(s, fd, 99990, 100), SN_E_EOF);
    close(fd);
    sn_stream_close(s);
    down(&f, c);
    free(want);
    free(got);
    return 0;
}

/* ---- the k-th allocation fails, for every k until a run passes untouched ---- */

static int torture_at, torture_n;
static bool torture_fail(size_t size)
{
    return __atomic_add_fetch(&torture_n, 1, __ATOMIC_RELAXED) == torture_at;
}
static const struct sn_alloc_hooks torture = {.fail = torture_fail};

static int torture_body(void *arg)
{
    struct fixture f;
    struct sn_stream *s;
    srv.cfg = server_cfg((struct sn_tls_opts){0});
    struct sn_tls_config *c = client_cfg((struct sn_tls_opts){.tickets_off = true});
    up(&f);
    int good = 0;
    for (torture_at = 1; torture_at < 200 && good < 3; torture_at++) {
        struct sn_stream *plain;
        T_OK(sn_dial(f.addr, NULL, &plain));
        torture_n = 0;
        sn_alloc_set_hooks(&torture);
        int r = sn_tls_client(plain, c, SN_STR("a.test"), &s);
        if (r < 0) sn_stream_close(plain);
        char b[4];
        if (r >= 0) {
            ssize_t n = sn_write(s, "ping", 4);
            r = n < 0 ? (int)n : sn_read_full(s, b, 4);
            sn_stream_close(s);
        }
        sn_alloc_set_hooks(NULL);
        good = r >= 0 ? good + 1 : 0;
        T_ASSERTF(r >= 0 || r == SN_E_NOMEM || r == SN_E_RESET || r == SN_E_EOF ||
                      r == SN_E_PROTOCOL,
                  "allocation %d: %s", torture_at, sn_diag_str(r));
    }
    T_ASSERT(good == 3 && torture_at > 10);
    down(&f, c);
    return 0;
}
SN_TEST(failing_allocations)
{
    authority();
    memset(&srv, 0, sizeof srv);
    struct sn_rt_opts o = {.workers = 1};
    T_OK(sn_rt_run(&o, torture_body, NULL));
    authority_free();
}

/* ---- an HTTP server's drain ------------------------------------------------------------------ */

static int page(struct sn_http_x *x, void *arg)
{
    return sn_http_reply(x, 200, SN_STR("text/plain"), SN_STR("page"));
}
struct drain_rig {
    struct sn_http_server *server;
    struct sn_listener *l;
};
static int drain_serve(void *arg)
{
    struct drain_rig *d = arg;
    return sn_http_serve(d->server, d->l);
}

/* Idle TLS connections close at once, of either version; parked streams of others stay as they are. */
TLS_TEST(drain_closes_parked_tls_connections)
{
    struct fixture f;
    struct drain_rig d;
    struct sn_scope_storage mem;
    char addr[64], url[80];
    srv.cfg = server_cfg((struct sn_tls_opts){.alpn = "h2,http/1.1"});
    struct sn_tls_config *c = client_cfg((struct sn_tls_opts){.alpn = "h2,http/1.1"});
    up(&f);
    srv.park = true;
    struct sn_stream *other;
    T_OK(client(&f, c, "a.test", &other));
    echo(other, 10);
    T_OK(sn_sleep(5 * SN_MS)); /* long enough to park again */

    struct sn_http_server_opts so = {.handler = page, .tls = srv.cfg};
    T_OK(sn_http_server_new(&so, &d.server));
    T_OK(sn_listen("127.0.0.1:0", NULL, &d.l));
    T_OK(sn_listener_addr(d.l, addr, sizeof addr));
    struct sn_scope *scope = sn_scope_begin(&mem);
    T_OK(sn_scope_go(scope, "serve", drain_serve, &d));
    struct sn_http_client *clients[2];
    for (int h2 = 0; h2 < 2; h2++) {
        struct sn_http_client_opts co = {.tls = c, .h2_off = !h2};
        struct sn_tls_config *h1 = client_cfg((struct sn_tls_opts){.alpn = "http/1.1"});
        if (!h2) co.tls = h1;
        T_OK(sn_http_client_new(&co, &clients[h2]));
        snprintf(url, sizeof url, "https://%s/", addr);
        struct sn_http_call call = {.url = sn_str(url)};
        struct sn_http_resp *r;
        struct sn_str body;
        T_OK(sn_http_do(clients[h2], &call, &r));
        T_EQ(r->version, h2 ? 20 : 11);
        T_OK(sn_http_resp_all(r, 100, &body));
        sn_http_resp_close(r);
        sn_tls_config_unref(h1);
    }
    struct sn_http_server_stats st;
    do { /* an h2 connection lingers a moment before it parks */
        T_OK(sn_sleep(SN_MS));
        sn_http_server_stats(d.server, &st);
    } while (st.conns_parked < 2);
    T_EQ(sn_http_server_drain(d.server, SN_HOUR), 0);
    T_OK(sn_scope_end(scope));
    sn_http_server_free(d.server);
    for (int i = 0; i < 2; i++) sn_http_client_free(clients[i]);
    echo(other, 100); /* woken by the sweep and parked again */
    sn_stream_close(other);
    down(&f, c);
    return 0;
}
