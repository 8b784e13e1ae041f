/* SPDX-License-Identifier: Apache-2.0 */
/* kit/tls.c - the TLS stream: OpenSSL on one side, an inner stream on the other, memory between.
 *
 * OpenSSL's calls never suspend: its BIO takes ciphertext from `in` and appends to `out`, and asks
 * for more by WANT_READ. The fiber then moves bytes over the inner stream outside the call. That
 * keeps OpenSSL's per-thread error queue with one fiber at a time and lets handshake steps run on
 * the worker's big stack, where nothing may suspend.
 *
 * One fiber may read while another writes, on any workers, so the SSL object and both buffers are
 * under a spin lock, held for one record's work. The inner stream is written by whoever has set
 * `flushing`; another writer waits for it. */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>

#include "core/alloc.h"
#include "core/buf.h"
#include "fiber/wait.h"
#include "kit/tls_int.h"

#define RECORD_MAX 16384u             /* plaintext bytes of one record, RFC 8446 §5.1 */
#define IN_BYTES (RECORD_MAX + 1024u) /* one whole record with its header and padding allowance */
#define OUT_FLUSH (64u << 10)         /* a long write goes to the inner stream in such pieces */
#define OUT_KEEP (24u << 10)
#define OUT_MAX (1u << 20)
#define HANDSHAKE_NS (10 * SN_SEC)
#define HOST_TEXT 254

struct tls_stream {
    struct sn_stream s;
    struct sn_stream *inner;
    SSL *ssl;
    struct sn_tls_config *cfg;
    struct tls_set *set; /* only while the handshake runs */
    struct sn_spin lock;
    int refs; /* __atomic: the owner and operations in progress */
    uint8_t *in;
    uint32_t in_at, in_len;
    bool in_eof, flushing, closed, failed, server;
    struct sn_buf out;
    struct sn_fiber *flush_f; /* a writer waiting for its turn */
    uint64_t flush_t;
    sn_stream_ready_fn fn;
    void *arg;
    int64_t idle_at_ns; /* of the last park */
    char *host; /* client: what was verified; key of the session cache */
};

static const struct sn_stream_ops tls_ops;
static BIO_METHOD *bio_method;
static int ssl_index;

static struct tls_stream *tls_of(struct sn_stream *s)
{
    return SN_CONTAINER_OF(s, struct tls_stream, s);
}
struct tls_set *tls_stream_set(SSL *ssl)
{
    return ((struct tls_stream *)SSL_get_ex_data(ssl, ssl_index))->set;
}
void tls_stream_new_session(SSL *ssl, SSL_SESSION *s)
{
    struct tls_stream *t = SSL_get_ex_data(ssl, ssl_index);
    if (t->host && !t->server)
        tls_session_put(t->cfg, t->host, s);
    else
        SSL_SESSION_free(s);
}

/* ---- the BIO ------------------------------------------------------------------------------------
 */

static int bio_read(BIO *b, char *buf, int n)
{
    struct tls_stream *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    uint32_t take = SN_MIN((uint32_t)SN_MAX(n, 0), t->in_len);
    if (take == 0) {
        if (t->in_eof) return 0;
        BIO_set_retry_read(b);
        return -1;
    }
    memcpy(buf, t->in + t->in_at, take);
    t->in_at += take;
    t->in_len -= take;
    return (int)take;
}

static int bio_write(BIO *b, const char *buf, int n)
{
    struct tls_stream *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    return sn_buf_put(&t->out, buf, (size_t)n) < 0 ? -1 : n;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    struct tls_stream *t = BIO_get_data(b);
    switch (cmd) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DUP: return 1;
    case BIO_CTRL_EOF: return t->in_eof && t->in_len == 0;
    default: return 0;
    }
}

static void tls_init_once(void)
{
    ssl_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sennit stream");
    SN_ASSERT(ssl_index >= 0 && bio_method);
    BIO_meth_set_read(bio_method, bio_read);
    BIO_meth_set_write(bio_method, bio_write);
    BIO_meth_set_ctrl(bio_method, bio_ctrl);
}

/* ---- moving ciphertext ---- */

static void buffers_trim(struct tls_stream *t)
{
    if (t->in_len == 0) {
        sn_free(t->in);
        t->in = NULL;
        t->in_at = 0;
    }
    if (t->out.len == 0 && !t->flushing) sn_buf_done(&t->out);
}

/* flush_turn - with the lock held: waits until nobody else writes. Returns with the lock held. */
static int flush_turn(struct tls_stream *t)
{
    while (t->flushing && !t->closed) {
        uint64_t ticket = sn_wait_begin("TLS write");
        t->flush_f = sn_self();
        t->flush_t = ticket;
        sn_spin_unlock(&t->lock);
        int r = sn_wait_park(ticket, SN_FOREVER);
        sn_spin_lock(&t->lock);
        if (t->flush_f && t->flush_t == ticket) t->flush_f = NULL;
        if (r < 0) return r;
    }
    return t->closed ? SN_E_CLOSED : 0;
}

/* flush - sends what OpenSSL has produced. wait: also what another fiber is sending; a reader does
 * not need to. */
static int flush(struct tls_stream *t, bool wait)
{
    sn_spin_lock(&t->lock);
    int r = 0;
    while (t->out.len && r >= 0) {
        if (t->flushing && !wait) break;
        if ((r = flush_turn(t)) < 0) break;
        struct sn_buf b = t->out;
        if (b.len == 0) break;
        sn_buf_init(&t->out, OUT_MAX);
        t->flushing = true;
        sn_spin_unlock(&t->lock);
        ssize_t n = sn_write(t->inner, b.ptr, b.len);
        sn_spin_lock(&t->lock);
        r = n < 0 ? (int)n : 0;
        t->flushing = false;
        if (t->out.cap == 0 && b.cap <= OUT_KEEP) {
            sn_buf_reset(&b);
            t->out = b;
            sn_buf_init(&b, 0);
        }
        struct sn_fiber *f = t->flush_f;
        uint64_t ticket = t->flush_t;
        t->flush_f = NULL;
        sn_spin_unlock(&t->lock);
        sn_buf_done(&b);
        if (f) sn_wait_wake(f, ticket, 0);
        sn_spin_lock(&t->lock);
    }
    if (t->out.err < 0 && r >= 0) r = t->out.err;
    sn_spin_unlock(&t->lock);
    return r;
}

/* refill - one read of the inner stream; only the reading fiber touches `in` while it is empty. */
static int refill(struct tls_stream *t)
{
    uint8_t *buf = t->in ? t->in : sn_alloc(IN_BYTES);
    if (!buf) return SN_E_NOMEM;
    t->in = buf;
    ssize_t n = sn_read(t->inner, buf, IN_BYTES);
    if (n < 0) return (int)n;
    sn_spin_lock(&t->lock);
    t->in_at = 0;
    t->in_len = (uint32_t)n;
    if (n == 0) t->in_eof = true;
    sn_spin_unlock(&t->lock);
    return 0;
}

/* ---- life ---- */

static void tls_free(struct tls_stream *t)
{
    SSL_free(t->ssl);
    sn_free(t->in);
    sn_buf_done(&t->out);
    tls_set_unref(t->set);
    sn_tls_config_unref(t->cfg);
    sn_free(t->host);
    sn_free(t);
}

static void tls_unref(struct tls_stream *t)
{
    if (__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) == 0) tls_free(t);
}

static int op_enter(struct tls_stream *t)
{
    if (t->closed) return SN_E_CLOSED;
    __atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    return 0;
}

static ssize_t op_exit(struct tls_stream *t, ssize_t r)
{
    bool closed = t->closed;
    tls_unref(t);
    return closed ? SN_E_CLOSED : r;
}

static int stream_new(struct sn_stream *inner, struct sn_tls_config *cfg, struct tls_stream **ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, tls_init_once);
    struct tls_stream *t = SN_NEW(struct tls_stream);
    if (!t) return SN_E_NOMEM;
    t->s.ops = &tls_ops;
    t->refs = 1;
    t->inner = inner;
    t->cfg = sn_tls_config_ref(cfg);
    t->set = tls_set_get(cfg);
    sn_buf_init(&t->out, OUT_MAX);
    t->ssl = SSL_new(t->set->base);
    BIO *b = t->ssl ? BIO_new(bio_method) : NULL;
    if (!b || SSL_set_ex_data(t->ssl, ssl_index, t) != 1) {
        tls_free(t);
        ERR_clear_error();
        return SN_E_NOMEM;
    }
    BIO_set_data(b, t);
    BIO_set_init(b, 1);
    SSL_set_bio(t->ssl, b, b);
    *ret = t;
    return 0;
}

/* ---- handshake ---- */

struct step {
    struct tls_stream *t;
    int err; /* SSL_ERROR_* */
};

/* On the big stack: certificate and key work is deeper than a fiber's stack is long. */
static int handshake_step(void *arg)
{
    struct step *s = arg;
    ERR_clear_error();
    int r = SSL_do_handshake(s->t->ssl);
    s->err = r == 1 ? SSL_ERROR_NONE : SSL_get_error(s->t->ssl, r);
    return 0;
}

static int handshake_failed(struct tls_stream *t, const char *who)
{
    char peer[SN_ADDR_TEXT_MAX];
    if (sn_stream_addr(t->inner, true, peer, sizeof peer) < 0) snprintf(peer, sizeof peer, "peer");
    long v = SSL_get_verify_result(t->ssl);
    unsigned long e = ERR_peek_last_error();
    if (v != X509_V_OK && ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        ERR_clear_error();
        return sn_fail(SN_E_UNAUTHENTICATED, "TLS handshake with %s (%s): certificate refused: %s",
                       who, peer, X509_verify_cert_error_string(v));
    }
    if (ERR_GET_REASON(e) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        return tls_fail(SN_E_UNAUTHENTICATED, "TLS handshake with %s (%s)", who, peer);
    if (t->in_eof) {
        ERR_clear_error();
        return sn_fail(SN_E_RESET, "TLS handshake with %s (%s): the peer closed the connection",
                       who, peer);
    }
    return tls_fail(SN_E_PROTOCOL, "TLS handshake with %s (%s)", who, peer);
}

static int handshake_loop(struct tls_stream *t, const char *who)
{
    for (;;) {
        struct step st = {t, 0};
        int r = sn_on_big_stack(handshake_step, &st);
        if (r < 0) return r;
        bool ok = st.err == SSL_ERROR_NONE, more = st.err == SSL_ERROR_WANT_READ;
        if (!ok && !more) {
            r = handshake_failed(t, who);
            /* The alert that tells the peer why; it keeps our diagnostic intact. */
            struct sn_diag keep = *sn_diag();
            (void)!flush(t, true);
            *sn_diag() = keep;
            return r;
        }
        r = flush(t, true);
        if (r < 0) return sn_wrap(r, "TLS handshake with %s", who);
        if (ok) return 0;
        r = refill(t);
        if (r < 0) return sn_wrap(r, "TLS handshake with %s", who);
    }
}

static int handshake(struct tls_stream *t, const char *who, struct sn_stream **ret)
{
    int64_t ns = t->cfg->o.handshake_ns_max > 0 ? t->cfg->o.handshake_ns_max : HANDSHAKE_NS;
    int64_t prev = sn_deadline_tighten(sn_now() + ns);
    int r = handshake_loop(t, who);
    sn_deadline_restore(prev);
    if (r < 0) {
        tls_unref(t);
        return r;
    }
    tls_set_unref(t->set);
    t->set = NULL;
    buffers_trim(t);
    *ret = &t->s;
    return 0;
}

static bool is_ip(const char *host)
{
    ASN1_OCTET_STRING *ip = a2i_IPADDRESS(host);
    ASN1_OCTET_STRING_free(ip);
    ERR_clear_error();
    return ip != NULL;
}

static int client_name(struct tls_stream *t, struct sn_str host)
{
    if (host.len == 0 || host.len >= HOST_TEXT)
        return sn_fail(SN_E_INVALID_ARGUMENT, "TLS: server name of %zu bytes", host.len);
    t->host = sn_alloc(host.len + 1);
    if (!t->host) return SN_E_NOMEM;
    memcpy(t->host, host.ptr, host.len);
    t->host[host.len] = 0;
    bool ip = is_ip(t->host), ok;
    if (ip)
        ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), t->host) == 1;
    else
        ok = SSL_set1_host(t->ssl, t->host) == 1 && SSL_set_tlsext_host_name(t->ssl, t->host) == 1;
    if (!ok) return tls_fail(SN_E_INVALID_ARGUMENT, "TLS: server name \"%s\"", t->host);
    SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return 0;
}

int sn_tls_client(struct sn_stream *inner, struct sn_tls_config *cfg, struct sn_str host,
                  struct sn_stream **ret)
{
    struct sn_tls_config *c = cfg ? sn_tls_config_ref(cfg) : NULL;
    struct tls_stream *t;
    int r = c ? 0 : tls_default_client(&c);
    if (r < 0) return r;
    r = stream_new(inner, c, &t);
    sn_tls_config_unref(c);
    if (r < 0) return r;
    r = tls_set_roots(t->cfg, t->set);
    if (r >= 0) r = client_name(t, host);
    if (r < 0) {
        tls_unref(t);
        return r;
    }
    SSL_set_verify(t->ssl, t->cfg->o.insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    SSL_set_connect_state(t->ssl);
    SSL_SESSION *sess = tls_session_take(t->cfg, t->host);
    if (sess) SSL_set_session(t->ssl, sess);
    SSL_SESSION_free(sess);
    return handshake(t, t->host, ret);
}

int sn_tls_server(struct sn_stream *inner, struct sn_tls_config *cfg, struct sn_stream **ret)
{
    struct tls_stream *t;
    if (!cfg || cfg->o.n_certs == 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "TLS server without a certificate");
    int r = stream_new(inner, cfg, &t);
    if (r < 0) return r;
    static const int mode[] = {SSL_VERIFY_NONE, SSL_VERIFY_PEER,
                               SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT};
    SSL_set_verify(t->ssl, mode[cfg->o.client_auth], NULL);
    SSL_set_accept_state(t->ssl);
    t->server = true;
    return handshake(t, "client", ret);
}

/* ---- the stream operations ---- */

static int tls_error(struct tls_stream *t, int err, const char *what)
{
    char peer[SN_ADDR_TEXT_MAX];
    if (sn_stream_addr(t->inner, true, peer, sizeof peer) < 0) snprintf(peer, sizeof peer, "peer");
    t->failed = true;
    if (t->in_eof && (err == SSL_ERROR_SYSCALL || err == SSL_ERROR_SSL)) {
        ERR_clear_error();
        return sn_fail(SN_E_RESET,
                       "TLS %s %s: the peer closed without saying so, data may be missing", what,
                       peer);
    }
    return tls_fail(SN_E_PROTOCOL, "TLS %s %s", what, peer);
}

static ssize_t read_loop(struct tls_stream *t, void *buf, size_t cap)
{
    for (;;) {
        sn_spin_lock(&t->lock);
        if (t->closed || t->failed) {
            sn_spin_unlock(&t->lock);
            return t->closed ? SN_E_CLOSED : sn_fail(SN_E_RESET, "TLS read after a failure");
        }
        ERR_clear_error();
        int n = SSL_read(t->ssl, buf, (int)SN_MIN(cap, (size_t)INT32_MAX));
        int err = n > 0 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, n);
        bool out = t->out.len > 0;
        if (n > 0 && t->in_len == 0 && !SSL_has_pending(t->ssl)) buffers_trim(t);
        sn_spin_unlock(&t->lock);
        int r = 0;
        if (out) r = flush(t, false);
        if (n > 0) return n;
        if (r < 0) return r;
        if (err == SSL_ERROR_ZERO_RETURN) return 0;
        if (err != SSL_ERROR_WANT_READ) return tls_error(t, err, "read from");
        r = refill(t);
        if (r < 0) return r;
    }
}

static ssize_t tls_read(struct sn_stream *s, void *buf, size_t cap)
{
    struct tls_stream *t = tls_of(s);
    if (cap == 0) return 0;
    int r = op_enter(t);
    return r < 0 ? r : op_exit(t, read_loop(t, buf, cap));
}

/* seal - one record's worth into `out`. Returns 1 where there is enough of it to be sent, else 0. */
static int seal(struct tls_stream *t, const void *data, size_t n)
{
    sn_spin_lock(&t->lock);
    int r = t->closed ? SN_E_CLOSED : 0, err = SSL_ERROR_NONE;
    if (t->failed) r = sn_fail(SN_E_RESET, "TLS write after a failure");
    if (r >= 0) {
        ERR_clear_error();
        int w = SSL_write(t->ssl, data, (int)n);
        if (w != (int)n) err = SSL_get_error(t->ssl, w);
    }
    int out_err = t->out.err;
    bool enough = t->out.len >= OUT_FLUSH;
    sn_spin_unlock(&t->lock);
    if (out_err < 0) return out_err;
    if (err != SSL_ERROR_NONE) return tls_error(t, err, "write to");
    return r < 0 ? r : enough;
}

static ssize_t write_plain(struct tls_stream *t, const char *data, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t part = SN_MIN(n - at, (size_t)RECORD_MAX);
        int r = seal(t, data + at, part);
        if (r > 0) r = flush(t, true);
        if (r < 0) return r;
        at += part;
    }
    return (ssize_t)n;
}

/* gather - small pieces (a head and a short body) share one record. */
static ssize_t gather(struct tls_stream *t, const struct iovec *iov, int n, size_t total)
{
    char *buf SN_CLEANUP(sn_freep) = sn_alloc(total);
    if (!buf) return SN_E_NOMEM;
    for (size_t at = 0; n > 0; n--, iov++) {
        memcpy(buf + at, iov->iov_base, iov->iov_len);
        at += iov->iov_len;
    }
    return write_plain(t, buf, total);
}

static ssize_t tls_writev(struct sn_stream *s, struct iovec *iov, int n)
{
    struct tls_stream *t = tls_of(s);
    int r = op_enter(t);
    if (r < 0) return r;
    size_t total = 0;
    for (int i = 0; i < n; i++) total += iov[i].iov_len;
    ssize_t w = 0;
    if (n > 1 && total > 0 && total <= RECORD_MAX)
        w = gather(t, iov, n, total);
    else
        for (int i = 0; i < n && w >= 0; i++) w = write_plain(t, iov[i].iov_base, iov[i].iov_len);
    if (w >= 0) {
        r = flush(t, true);
        w = r < 0 ? r : (ssize_t)total;
    }
    return op_exit(t, w);
}

/* say_goodbye - close_notify into `out`. Returns whether there is something to send. */
static bool say_goodbye(struct tls_stream *t)
{
    sn_spin_lock(&t->lock);
    if (!t->failed && !(SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN)) {
        ERR_clear_error();
        (void)SSL_shutdown(t->ssl);
        ERR_clear_error();
    }
    bool any = t->out.len > 0 && !t->failed;
    sn_spin_unlock(&t->lock);
    return any;
}

static int tls_shutdown(struct sn_stream *s)
{
    struct tls_stream *t = tls_of(s);
    int r = op_enter(t);
    if (r < 0) return r;
    if (say_goodbye(t)) r = flush(t, true);
    if (r >= 0) r = sn_stream_shutdown(t->inner);
    return (int)op_exit(t, r);
}

static void tls_close(struct sn_stream *s)
{
    struct tls_stream *t = tls_of(s);
    /* close_notify goes out if the inner stream takes it at once: a deadline that has passed lets a
     * write try but not wait. */
    if (sn_self() && !t->flushing && say_goodbye(t)) {
        int64_t prev = sn_deadline_tighten(0);
        (void)!flush(t, false);
        sn_deadline_restore(prev);
    }
    sn_spin_lock(&t->lock);
    t->closed = true;
    struct sn_fiber *f = t->flush_f;
    uint64_t ticket = t->flush_t;
    t->flush_f = NULL;
    sn_spin_unlock(&t->lock);
    if (f) sn_wait_wake(f, ticket, SN_E_CLOSED);
    sn_stream_close(t->inner);
    tls_unref(t);
}

static bool tls_readable_now(struct sn_stream *s)
{
    struct tls_stream *t = tls_of(s);
    return t->in_len > 0 || t->in_eof || SSL_has_pending(t->ssl) ||
           sn_stream_readable_now(t->inner);
}

static sn_stream_ready_fn cancelled_fn; /* __atomic: whose streams sn_tls_parked_cancel means */

static void parked_inner(struct sn_stream *inner, void *arg, int why)
{
    struct tls_stream *t = arg;
    if (why == SN_E_CANCELLED && t->fn != __atomic_load_n(&cancelled_fn, __ATOMIC_ACQUIRE)) {
        sn_stream_park(inner, t->idle_at_ns, parked_inner, t);
        return;
    }
    t->fn(&t->s, t->arg, why);
}

void sn_tls_parked_cancel(sn_stream_ready_fn fn)
{
    __atomic_store_n(&cancelled_fn, fn, __ATOMIC_RELEASE);
    sn_parked_cancel(parked_inner);
}

static void parked_pending(void *arg)
{
    struct tls_stream *t = arg;
    t->fn(&t->s, t->arg, 0);
}

static void tls_park(struct sn_stream *s, int64_t idle_at_ns, sn_stream_ready_fn fn, void *arg)
{
    struct tls_stream *t = tls_of(s);
    t->fn = fn;
    t->arg = arg;
    t->idle_at_ns = idle_at_ns;
    if ((t->in_len > 0 || t->in_eof || SSL_has_pending(t->ssl)) &&
        sn_stream_go(parked_pending, t) >= 0)
        return;
    buffers_trim(t);
    sn_stream_park(t->inner, idle_at_ns, parked_inner, t);
}

static bool tls_unpark(struct sn_stream *s) { return sn_stream_unpark(tls_of(s)->inner); }
static int tls_fd(struct sn_stream *s) { return -1; } /* its bytes are not ours to move */
static int tls_addr(struct sn_stream *s, bool peer, char *out, size_t cap)
{
    return sn_stream_addr(tls_of(s)->inner, peer, out, cap);
}

static const struct sn_stream_ops tls_ops = {
    .kind = "tls",
    .read = tls_read,
    .writev = tls_writev,
    .shutdown = tls_shutdown,
    .close = tls_close,
    .park = tls_park,
    .unpark = tls_unpark,
    .readable_now = tls_readable_now,
    .fd = tls_fd,
    .addr = tls_addr,
};

/* ---- what was agreed ---- */

bool sn_tls_is(const struct sn_stream *s) { return s->ops == &tls_ops; }

struct sn_str sn_tls_alpn(struct sn_stream *s)
{
    const unsigned char *p = NULL;
    unsigned n = 0;
    if (sn_tls_is(s)) SSL_get0_alpn_selected(tls_of(s)->ssl, &p, &n);
    return sn_str_of((const char *)p, n);
}

struct sn_str sn_tls_server_name(struct sn_stream *s)
{
    return sn_str(sn_tls_is(s) ? SSL_get_servername(tls_of(s)->ssl, TLSEXT_NAMETYPE_host_name)
                               : NULL);
}

int sn_tls_version(struct sn_stream *s)
{
    if (!sn_tls_is(s)) return 0;
    return SSL_version(tls_of(s)->ssl) == TLS1_3_VERSION ? 13 : 12;
}

const char *sn_tls_cipher(struct sn_stream *s)
{
    return sn_tls_is(s) ? SSL_get_cipher_name(tls_of(s)->ssl) : "";
}

bool sn_tls_resumed(struct sn_stream *s)
{
    return sn_tls_is(s) && SSL_session_reused(tls_of(s)->ssl);
}

/* copy_out - the text of a memory BIO into the caller's buffer. */
static int copy_out(BIO *b, char *out, size_t cap)
{
    char *p;
    long n = BIO_get_mem_data(b, &p);
    if (n < 0 || (size_t)n >= cap) return SN_E_TOO_LARGE;
    memcpy(out, p, (size_t)n);
    out[n] = 0;
    return (int)n;
}

int sn_tls_peer_subject(struct sn_stream *s, char *out, size_t cap)
{
    X509 *x = sn_tls_is(s) ? SSL_get0_peer_certificate(tls_of(s)->ssl) : NULL;
    if (!x) return SN_E_NOT_FOUND;
    BIO *b = BIO_new(BIO_s_mem());
    int r = SN_E_NOMEM;
    if (b && X509_NAME_print_ex(b, X509_get_subject_name(x), 0, XN_FLAG_RFC2253) >= 0)
        r = copy_out(b, out, cap);
    BIO_free(b);
    return r;
}

int sn_tls_peer_san(struct sn_stream *s, char *out, size_t cap)
{
    X509 *x = sn_tls_is(s) ? SSL_get0_peer_certificate(tls_of(s)->ssl) : NULL;
    GENERAL_NAMES *san = x ? X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL) : NULL;
    int r = SN_E_NOT_FOUND;
    for (int i = 0; san && i < sk_GENERAL_NAME_num(san) && r == SN_E_NOT_FOUND; i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(san, i);
        if (g->type != GEN_DNS && g->type != GEN_URI) continue;
        const ASN1_STRING *a = g->type == GEN_DNS ? g->d.dNSName : g->d.uniformResourceIdentifier;
        struct sn_str v =
            sn_str_of((const char *)ASN1_STRING_get0_data(a), (size_t)ASN1_STRING_length(a));
        if (memchr(v.ptr, 0, v.len)) continue;
        r = sn_str_cz(v, out, cap) < 0 ? SN_E_TOO_LARGE : (int)v.len;
    }
    GENERAL_NAMES_free(san);
    return r;
}

int sn_tls_peer_fingerprint(struct sn_stream *s, uint8_t ret[32])
{
    X509 *x = sn_tls_is(s) ? SSL_get0_peer_certificate(tls_of(s)->ssl) : NULL;
    unsigned n = 0;
    return x && X509_digest(x, EVP_sha256(), ret, &n) == 1 ? 0 : SN_E_NOT_FOUND;
}
