/* SPDX-License-Identifier: Apache-2.0 */
/* kit/tls_config.c - certificates, roots, options: everything a handshake needs, checked once.
 * A configuration points at one immutable set of contexts. Reload builds a new set and swaps the
 * pointer; connections in their handshake hold the set they began with. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#include "core/alloc.h"
#include "core/buf.h"
#include "kit/tls_int.h"

#define PEM_BYTES_MAX (4u << 20)

int tls_fail(int code, const char *fmt, ...)
{
    char what[256], why[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    unsigned long e = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(e);
    snprintf(why, sizeof why, "%s", reason ? reason : e ? "OpenSSL error" : "no reason given");
    ERR_clear_error();
    return sn_fail(code, "%s: %s", what, why);
}

/* ---- reading ------------------------------------------------------------------------------------
 */

static int file_bio(const char *path, const char *what, BIO **ret)
{
    FILE *f = fopen(path, "re");
    if (!f) return sn_fail_errno(errno, "%s %s", what, path);
    struct sn_buf b;
    sn_buf_init(&b, PEM_BYTES_MAX);
    char part[2048];
    size_t n;
    while ((n = fread(part, 1, sizeof part, f)) > 0) sn_buf_put(&b, part, n);
    int r = ferror(f) ? sn_fail_errno(EIO, "%s %s", what, path) : b.err;
    fclose(f);
    *ret = BIO_new(BIO_s_mem());
    if (r >= 0 && (!*ret || BIO_write(*ret, b.ptr, (int)b.len) != (int)b.len)) r = SN_E_NOMEM;
    OPENSSL_cleanse(b.ptr, b.len);
    sn_buf_done(&b);
    if (r < 0) BIO_free(*ret);
    return r < 0 ? sn_wrap(r, "TLS configuration") : 0;
}

static int source_bio(const char *file, struct sn_str pem, const char *what, BIO **ret)
{
    if (!pem.ptr) return file_bio(file, what, ret);
    *ret = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    return *ret ? 0 : SN_E_NOMEM;
}

static const char *shown(const char *file, struct sn_str pem)
{
    return pem.ptr ? "(in memory)" : file;
}

/* no_prompt - an encrypted key is an error, never a question on the terminal. */
static int no_prompt(char *buf, int size, int rwflag, void *arg) { return 0; }

static int load_chain(SSL_CTX *ctx, const struct sn_tls_cert *c, X509 **ret_leaf)
{
    const char *name = shown(c->cert_file, c->cert_pem);
    BIO *b;
    int r = source_bio(c->cert_file, c->cert_pem, "certificate", &b);
    if (r < 0) return r;
    X509 *leaf = PEM_read_bio_X509(b, NULL, no_prompt, NULL), *x;
    if (!leaf)
        r = tls_fail(SN_E_SYNTAX, "certificate %s: not a PEM certificate", name);
    else if (SSL_CTX_use_certificate(ctx, leaf) != 1)
        r = tls_fail(SN_E_INVALID_ARGUMENT, "certificate %s", name);
    while (r >= 0 && (x = PEM_read_bio_X509(b, NULL, no_prompt, NULL)))
        if (SSL_CTX_add0_chain_cert(ctx, x) != 1) {
            X509_free(x);
            r = tls_fail(SN_E_INVALID_ARGUMENT, "certificate %s: chain", name);
        }
    ERR_clear_error(); /* "no start line" ends the loop */
    BIO_free(b);
    if (r < 0)
        X509_free(leaf);
    else
        *ret_leaf = leaf;
    return r;
}

static int load_key(SSL_CTX *ctx, const struct sn_tls_cert *c)
{
    const char *name = shown(c->key_file, c->key_pem);
    BIO *b;
    int r = source_bio(c->key_file, c->key_pem, "key", &b);
    if (r < 0) return r;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, no_prompt, NULL);
    BIO_free(b);
    if (!key) return tls_fail(SN_E_SYNTAX, "key %s: not an unencrypted PEM key", name);
    if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        r = tls_fail(SN_E_INVALID_ARGUMENT, "key %s does not belong to certificate %s", name,
                     shown(c->cert_file, c->cert_pem));
    EVP_PKEY_free(key);
    return r;
}

static int load_roots(SSL_CTX *ctx, const struct sn_tls_opts *o)
{
    if (!o->ca_file && !o->ca_pem.ptr) return 0;
    const char *name = shown(o->ca_file, o->ca_pem);
    BIO *b;
    int r = source_bio(o->ca_file, o->ca_pem, "CA certificates", &b), n = 0;
    if (r < 0) return r;
    X509 *x;
    while (r >= 0 && (x = PEM_read_bio_X509(b, NULL, no_prompt, NULL))) {
        bool ok = X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x) == 1 &&
                  SSL_CTX_add_client_CA(ctx, x) == 1;
        if (!ok) r = tls_fail(SN_E_INVALID_ARGUMENT, "CA certificates %s", name);
        X509_free(x);
        n++;
    }
    ERR_clear_error();
    BIO_free(b);
    if (r >= 0 && n == 0)
        r = sn_fail(SN_E_SYNTAX, "CA certificates %s: no PEM certificate in it", name);
    return r;
}

/* ---- contexts ---- */

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    struct tls_set *set = tls_stream_set(ssl);
    SSL_CTX *ctx = name && set ? tls_set_pick(set, name) : NULL;
    if (ctx) SSL_set_SSL_CTX(ssl, ctx);
    return SSL_TLSEXT_ERR_OK; /* unknown names get the first certificate, as everywhere */
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
    struct sn_tls_config *c = arg;
    unsigned char *pick;
    int r = SSL_select_next_proto(&pick, out_len, c->alpn, c->alpn_len, in, in_len);
    *out = pick;
    /* RFC 7301 §3.2: no common protocol is a fatal alert, not a guess. */
    return r == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int on_new_session(SSL *ssl, SSL_SESSION *s)
{
    tls_stream_new_session(ssl, s);
    return 1; /* the reference is ours now */
}

static int ctx_new(struct sn_tls_config *c, SSL_CTX **ret)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    if (!ctx) return tls_fail(SN_E_NOMEM, "TLS context");
    SSL_CTX_set_min_proto_version(ctx, c->o.version_min == 13 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    static const unsigned char sid[] = "sennit";
    SSL_CTX_set_session_id_context(ctx, sid, sizeof sid - 1);
    if (c->o.tickets_off) {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ctx, 0);
    } else {
        /* Servers keep nothing (tickets carry the state); clients remember by on_new_session. */
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx, on_new_session);
        SSL_CTX_set_num_tickets(ctx, 1);
    }
    SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
    if (c->alpn_len) {
        SSL_CTX_set_alpn_select_cb(ctx, on_alpn, c);
        (void)!SSL_CTX_set_alpn_protos(ctx, c->alpn, c->alpn_len);
    }
    int r = load_roots(ctx, &c->o);
    if (r < 0)
        SSL_CTX_free(ctx);
    else
        *ret = ctx;
    return r;
}

static int name_add(struct tls_set *set, struct sn_str name, SSL_CTX *ctx)
{
    char low[256];
    if (name.len == 0 || name.len >= sizeof low || memchr(name.ptr, 0, name.len)) return 0;
    for (size_t i = 0; i < name.len; i++) low[i] = sn_ascii_lower(name.ptr[i]);
    struct sn_str key = sn_str_of(low, name.len);
    if (sn_map_find(&set->names, key)) return 0; /* the first certificate of a name wins */
    return sn_map_put(&set->names, key, ctx, NULL);
}

static int names_add(struct tls_set *set, X509 *leaf, SSL_CTX *ctx)
{
    int r = 0;
    bool any = false;
    GENERAL_NAMES *san = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; san && r >= 0 && i < sk_GENERAL_NAME_num(san); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(san, i);
        if (g->type != GEN_DNS) continue;
        any = true;
        r = name_add(set,
                     sn_str_of((const char *)ASN1_STRING_get0_data(g->d.dNSName),
                               (size_t)ASN1_STRING_length(g->d.dNSName)),
                     ctx);
    }
    GENERAL_NAMES_free(san);
    char cn[256];
    if (!any && r >= 0 &&
        X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, cn, sizeof cn) > 0)
        r = name_add(set, sn_str(cn), ctx);
    ERR_clear_error();
    return r;
}

static int64_t expiry(const X509 *x)
{
    struct tm tm;
    return ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static int set_add_cert(struct sn_tls_config *c, struct tls_set *set,
                        const struct sn_tls_cert *cert)
{
    SSL_CTX *ctx;
    X509 *leaf = NULL;
    int r = ctx_new(c, &ctx);
    if (r < 0) return r;
    set->ctx[set->n++] = ctx;
    r = load_chain(ctx, cert, &leaf);
    if (r >= 0) r = load_key(ctx, cert);
    if (r >= 0) r = names_add(set, leaf, ctx);
    if (r >= 0) {
        int64_t end = expiry(leaf);
        if (end && (!set->not_after || end < set->not_after)) set->not_after = end;
    }
    X509_free(leaf);
    return r;
}

static int set_new(struct sn_tls_config *c, struct tls_set **ret)
{
    struct tls_set *set = SN_NEW(struct tls_set);
    if (!set) return SN_E_NOMEM;
    set->refs = 1;
    sn_map_init(&set->names, 0x746c73, true);
    unsigned n = c->o.n_certs ? c->o.n_certs : 1;
    set->ctx = SN_NEW_ARRAY(SSL_CTX *, n);
    int r = set->ctx ? 0 : SN_E_NOMEM;
    for (unsigned i = 0; i < c->o.n_certs && r >= 0; i++) r = set_add_cert(c, set, &c->o.certs[i]);
    if (c->o.n_certs == 0 && r >= 0) {
        r = ctx_new(c, &set->ctx[0]);
        if (r >= 0) set->n = 1;
    }
    if (r < 0) {
        tls_set_unref(set);
        return r;
    }
    set->base = set->ctx[0];
    *ret = set;
    return 0;
}

struct tls_set *tls_set_get(struct sn_tls_config *c)
{
    sn_spin_lock(&c->lock);
    struct tls_set *set = c->set;
    __atomic_add_fetch(&set->refs, 1, __ATOMIC_RELAXED);
    sn_spin_unlock(&c->lock);
    return set;
}

void tls_set_unref(struct tls_set *set)
{
    if (!set || __atomic_sub_fetch(&set->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
    for (unsigned i = 0; i < set->n; i++) SSL_CTX_free(set->ctx[i]);
    sn_map_done(&set->names);
    sn_free(set->ctx);
    sn_free(set);
}

SSL_CTX *tls_set_pick(const struct tls_set *set, const char *name)
{
    char low[256];
    size_t n = strlen(name);
    if (n == 0 || n >= sizeof low) return NULL;
    for (size_t i = 0; i < n; i++) low[i] = sn_ascii_lower(name[i]);
    if (low[n - 1] == '.') n--; /* the root's dot is not part of a certificate's name */
    SSL_CTX *ctx = sn_map_get(&set->names, sn_str_of(low, n));
    char *dot = memchr(low, '.', n);
    if (ctx || !dot || dot == low) return ctx;
    dot[-1] = '*'; /* RFC 6125 §6.4.3: the star is the whole leftmost label */
    return sn_map_get(&set->names, sn_str_of(dot - 1, n - (size_t)(dot - 1 - low)));
}

/* ---- the configuration ---- */

static int alpn_parse(struct sn_tls_config *c, const char *alpn)
{
    struct sn_str rest = sn_str(alpn);
    while (rest.ptr && rest.len) {
        struct sn_str p = sn_str_trim(sn_str_cut(&rest, ','));
        if (p.len == 0 || p.len > 255 || c->alpn_len + 1 + p.len > sizeof c->alpn)
            return sn_fail(SN_E_INVALID_ARGUMENT, "ALPN list \"%s\"", alpn);
        c->alpn[c->alpn_len++] = (uint8_t)p.len;
        memcpy(c->alpn + c->alpn_len, p.ptr, p.len);
        c->alpn_len += (unsigned)p.len;
    }
    return 0;
}

/* Copies of everything the options point to, in one block. */
struct copier {
    char *at;
    size_t need;
};
static struct sn_str copy_str(struct copier *k, struct sn_str s)
{
    if (!s.ptr) return s;
    k->need += s.len + 1;
    if (!k->at) return s;
    char *p = k->at;
    memcpy(p, s.ptr, s.len);
    p[s.len] = 0;
    k->at += s.len + 1;
    return sn_str_of(p, s.len);
}
static const char *copy_cstr(struct copier *k, const char *s) { return copy_str(k, sn_str(s)).ptr; }

static void copy_opts(struct copier *k, const struct sn_tls_opts *from, struct sn_tls_opts *to,
                      struct sn_tls_cert *certs)
{
    *to = *from;
    to->ca_file = copy_cstr(k, from->ca_file);
    to->ca_pem = copy_str(k, from->ca_pem);
    to->alpn = NULL;
    to->certs = certs;
    for (unsigned i = 0; i < from->n_certs; i++) {
        struct sn_tls_cert c = from->certs[i];
        c.cert_file = copy_cstr(k, c.cert_file);
        c.key_file = copy_cstr(k, c.key_file);
        c.cert_pem = copy_str(k, c.cert_pem);
        c.key_pem = copy_str(k, c.key_pem);
        if (certs) certs[i] = c;
    }
}

static int opts_check(const struct sn_tls_opts *o)
{
    if (o->n_certs > SN_TLS_CERTS_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "TLS: more than %d certificates", SN_TLS_CERTS_MAX);
    for (unsigned i = 0; i < o->n_certs; i++) {
        const struct sn_tls_cert *c = &o->certs[i];
        if ((!c->cert_file && !c->cert_pem.ptr) || (!c->key_file && !c->key_pem.ptr))
            return sn_fail(SN_E_INVALID_ARGUMENT, "TLS: certificate %u lacks certificate or key",
                           i);
    }
    if (o->version_min && o->version_min != 12 && o->version_min != 13)
        return sn_fail(SN_E_INVALID_ARGUMENT, "TLS: version_min is 12 or 13");
    if (o->client_auth && !o->ca_file && !o->ca_pem.ptr)
        return sn_fail(SN_E_INVALID_ARGUMENT, "TLS: client certificates need ca_file or ca_pem");
    return 0;
}

int sn_tls_config_new(const struct sn_tls_opts *opts, struct sn_tls_config **ret)
{
    static const struct sn_tls_opts none;
    if (!opts) opts = &none;
    int r = opts_check(opts);
    if (r < 0) return r;
    struct sn_tls_config *c = SN_NEW(struct sn_tls_config);
    if (!c) return SN_E_NOMEM;
    struct copier k = {0};
    struct sn_tls_opts scratch;
    copy_opts(&k, opts, &scratch, NULL);
    size_t certs = opts->n_certs * sizeof(struct sn_tls_cert);
    c->mem = sn_alloc(certs + k.need + 1);
    c->sessions = SN_NEW_ARRAY(struct tls_session, TLS_SESSIONS);
    if (!c->mem || !c->sessions) r = SN_E_NOMEM;
    if (r >= 0) {
        k = (struct copier){.at = c->mem + certs};
        copy_opts(&k, opts, &c->o, (struct sn_tls_cert *)(void *)c->mem);
        r = alpn_parse(c, opts->alpn);
    }
    c->refs = 1;
    if (r >= 0) r = set_new(c, &c->set);
    if (r < 0) {
        sn_tls_config_unref(c);
        return r;
    }
    *ret = c;
    return 0;
}

int sn_tls_config_reload(struct sn_tls_config *c)
{
    struct tls_set *fresh = NULL;
    int r = set_new(c, &fresh);
    if (r < 0) return sn_wrap(r, "reload of TLS certificates, the old ones stay");
    sn_spin_lock(&c->lock);
    struct tls_set *old = c->set;
    /* Tickets stay valid over a reload, except where they would let a client past a check of its
     * certificate against roots that may just have changed. */
    unsigned char keys[80];
    bool keep = !c->o.client_auth && !c->o.tickets_off &&
                SSL_CTX_get_tlsext_ticket_keys(old->base, keys, sizeof keys) == 1;
    if (keep) SSL_CTX_set_tlsext_ticket_keys(fresh->base, keys, sizeof keys);
    OPENSSL_cleanse(keys, sizeof keys);
    c->set = fresh;
    sn_spin_unlock(&c->lock);
    tls_set_unref(old);
    return 0;
}

struct sn_tls_config *sn_tls_config_ref(struct sn_tls_config *c)
{
    __atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
    return c;
}

void sn_tls_config_unref(struct sn_tls_config *c)
{
    if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
    tls_set_unref(c->set);
    for (unsigned i = 0; c->sessions && i < TLS_SESSIONS; i++) SSL_SESSION_free(c->sessions[i].s);
    for (unsigned i = 0; i < c->o.n_certs && c->o.certs; i++)
        if (c->o.certs[i].key_pem.ptr)
            OPENSSL_cleanse((char *)(uintptr_t)c->o.certs[i].key_pem.ptr,
                            c->o.certs[i].key_pem.len);
    sn_free(c->sessions);
    sn_free(c->mem);
    sn_free(c);
}

int64_t sn_tls_config_not_after(struct sn_tls_config *c)
{
    struct tls_set *set = tls_set_get(c);
    int64_t t = set->not_after;
    tls_set_unref(set);
    return t;
}

int tls_default_client(struct sn_tls_config **ret)
{
    /* One for the process, made on first use and kept: reading the system's roots costs
     * milliseconds. */
    static struct sn_spin lock;
    static struct sn_tls_config *shared;
    sn_spin_lock(&lock);
    struct sn_tls_config *c = shared ? sn_tls_config_ref(shared) : NULL;
    sn_spin_unlock(&lock);
    if (!c) {
        int r = sn_tls_config_new(NULL, &c);
        if (r < 0) return r;
        sn_spin_lock(&lock);
        if (!shared) shared = sn_tls_config_ref(c);
        sn_spin_unlock(&lock);
    }
    *ret = c;
    return 0;
}

int tls_set_roots(struct sn_tls_config *c, struct tls_set *set)
{
    if (c->o.ca_file || c->o.ca_pem.ptr || c->o.insecure) return 0;
    sn_spin_lock(&c->lock);
    bool first = !set->roots;
    set->roots = true;
    sn_spin_unlock(&c->lock);
    if (first && SSL_CTX_set_default_verify_paths(set->base) != 1)
        return tls_fail(SN_E_FAILED_PRECONDITION, "the system's certificate roots");
    return 0;
}

/* ---- client sessions ---- */

static struct tls_session *session_slot(struct sn_tls_config *c, const char *host)
{
    return &c->sessions[sn_hash(host, strlen(host), 0) % TLS_SESSIONS];
}

SSL_SESSION *tls_session_take(struct sn_tls_config *c, const char *host)
{
    SSL_SESSION *s = NULL;
    sn_spin_lock(&c->lock);
    struct tls_session *slot = session_slot(c, host);
    if (slot->s && strcmp(slot->host, host) == 0) {
        s = slot->s; /* RFC 8446 appendix C.4: a ticket is used once */
        slot->s = NULL;
    }
    sn_spin_unlock(&c->lock);
    return s;
}

void tls_session_put(struct sn_tls_config *c, const char *host, SSL_SESSION *s)
{
    sn_spin_lock(&c->lock);
    struct tls_session *slot = session_slot(c, host);
    SSL_SESSION *old = slot->s;
    slot->s = s;
    snprintf(slot->host, sizeof slot->host, "%s", host);
    sn_spin_unlock(&c->lock);
    SSL_SESSION_free(old);
}
