/* SPDX-License-Identifier: Apache-2.0 */
/* kit/tls_int.h - what tls.c (streams) and tls_config.c (contexts) share. */
#pragma once
#include <openssl/ssl.h>

#include "core/map.h"
#include "fiber/wait.h"
#include "kit/tls.h"

/* One generation of contexts: immutable once published, replaced whole by a reload. */
struct tls_set {
    int refs; /* __atomic */
    SSL_CTX *base;
    SSL_CTX **ctx;
    unsigned n;
    struct sn_map names; /* lower-case name, "*.x" for wildcards -> SSL_CTX */
    int64_t not_after;
    bool roots; /* the system's have been loaded into base */
};
#define TLS_SESSIONS 64u /* client: remembered sessions, direct-mapped by host */
struct tls_session {
    char host[254];
    SSL_SESSION *s;
};
struct sn_tls_config {
    int refs;            /* __atomic */
    struct sn_spin lock; /* set, sessions */
    struct tls_set *set;
    struct sn_tls_opts o; /* deep copy; strings on `mem` */
    char *mem;
    uint8_t alpn[128]; /* wire form */
    unsigned alpn_len;
    struct tls_session *sessions;
};

struct tls_set *tls_set_get(struct sn_tls_config *c);
void tls_set_unref(struct tls_set *set);
/* tls_set_pick - the context for a name the client asked for; NULL = keep the base. */
SSL_CTX *tls_set_pick(const struct tls_set *set, const char *name);
/* tls_session_take - a remembered session for `host`, the caller's to free; NULL = none. */
SSL_SESSION *tls_session_take(struct sn_tls_config *c, const char *host);
void tls_session_put(struct sn_tls_config *c, const char *host, SSL_SESSION *s);
/* tls_set_roots - before use as a client: the system's roots, if the options name none. */
int tls_set_roots(struct sn_tls_config *c, struct tls_set *set);
/* tls_default_client - the configuration behind cfg NULL. */
int tls_default_client(struct sn_tls_config **ret);
/* tls_fail - a diagnostic from OpenSSL's error queue, which it empties. */
int tls_fail(int code, const char *fmt, ...) SN_PRINTF(2, 3);
/* Index of the stream in an SSL's application data. */
struct tls_stream;
struct tls_set *tls_stream_set(SSL *ssl);
void tls_stream_new_session(SSL *ssl, SSL_SESSION *s);
