/* SPDX-License-Identifier: Apache-2.0 */
/* kit/tls.h - TLS 1.2 and 1.3 over any byte stream, server and client.
 *
 * A TLS stream is a struct sn_stream (ops->kind "tls") and is used like the plain one it wraps,
 * parking included: a parked TLS connection keeps OpenSSL's state and its record, no buffer.
 * OpenSSL never sees a descriptor: it reads and writes memory, and the fiber moves that memory over
 * the inner stream, so the same code runs over kernel sockets and in simulation. Handshake steps
 * run on the worker's big stack.
 *
 * Defaults are the safe ones: TLS 1.2 at least, clients verify the server's certificate and name
 * against the system's roots. Sources: RFC 5246, 8446, 6066 (SNI), 7301 (ALPN), 5077, 6125. */
#pragma once
#include "core/str.h"
#include "fiber/net.h"

struct sn_tls_config;

/* A certificate chain with its key, PEM, as files or as text (the text wins where both are set). */
struct sn_tls_cert {
    const char *cert_file, *key_file;
    struct sn_str cert_pem, key_pem;
};
#define SN_TLS_CERTS_MAX 1024
enum sn_tls_client_auth {
    SN_TLS_CLIENT_NONE = 0, /* do not ask */
    SN_TLS_CLIENT_REQUEST,  /* ask; what is sent must verify */
    SN_TLS_CLIENT_REQUIRE,  /* refuse clients without a valid certificate */
};
struct sn_tls_opts {
    /* Server: at least one; the first answers clients whose name (SNI) no other one covers. Names,
     * also wildcards ("*.example.org": one label), come from the certificates. Client: at most one,
     * its own. */
    const struct sn_tls_cert *certs;
    unsigned n_certs;
    /* Roots the peer's certificate must chain to; none given: the system's (client), none (server).
     */
    const char *ca_file;
    struct sn_str ca_pem;
    enum sn_tls_client_auth client_auth; /* server */
    bool insecure;            /* client: do not verify the peer. For tests and load generators */
    const char *alpn;         /* "h2,http/1.1" in order of preference; NULL = no ALPN */
    unsigned version_min;     /* 12 or 13; 0 = 12 */
    bool tickets_off;         /* no session resumption */
    int64_t handshake_ns_max; /* 0 = 10 s; the fiber's deadline also counts */
};

/* sn_tls_config_new - reads and checks everything. opts and what it points to may go afterwards.
 * Returns 0, SN_E_NOT_FOUND / SN_E_PERMISSION_DENIED / SN_E_IO (file), SN_E_SYNTAX (not PEM),
 * SN_E_INVALID_ARGUMENT (key does not belong to certificate, bad options), SN_E_NOMEM; the
 * diagnostic names file and reason. Reads files: blocks the thread for them. Any thread. */
int sn_tls_config_new(const struct sn_tls_opts *opts, struct sn_tls_config **ret) SN_MUST_CHECK;
/* sn_tls_config_reload - reads the same files again; from then on new handshakes use them, running
 * connections keep theirs. On failure the old ones stay. Returns as sn_tls_config_new. */
int sn_tls_config_reload(struct sn_tls_config *c) SN_MUST_CHECK;
struct sn_tls_config *sn_tls_config_ref(struct sn_tls_config *c);
/* sn_tls_config_unref - the last one frees; streams hold their own references. NULL is accepted. */
void sn_tls_config_unref(struct sn_tls_config *c);
/* sn_tls_config_not_after - unix seconds when the first of its certificates expires; 0 = none. */
int64_t sn_tls_config_not_after(struct sn_tls_config *c);

/* sn_tls_client - handshake as client over `inner`. host: name or IP address the server must prove,
 * and SNI where it is a name. cfg NULL: verify against the system's roots, no ALPN.
 * Returns 0; SN_E_UNAUTHENTICATED (certificate or name not acceptable), SN_E_PROTOCOL, SN_E_RESET,
 * SN_E_DEADLINE_EXCEEDED, SN_E_CANCELLED, SN_E_NOMEM; the diagnostic names host, peer and reason.
 * Owns: on success *ret owns `inner`; on failure `inner` is still the caller's, good for closing
 * only. Suspends. */
int sn_tls_client(struct sn_stream *inner, struct sn_tls_config *cfg, struct sn_str host,
                  struct sn_stream **ret) SN_MUST_CHECK;
/* sn_tls_server - handshake as server; otherwise as sn_tls_client. */
int sn_tls_server(struct sn_stream *inner, struct sn_tls_config *cfg,
                  struct sn_stream **ret) SN_MUST_CHECK;

/* sn_tls_parked_cancel - as sn_parked_cancel, for TLS streams parked with `fn` (which that one does not
 * see: their inner streams are parked with a function of this file). Others are parked again. One fn
 * at a time: of two calls with different ones at once the earlier may miss some and be repeated. */
void sn_tls_parked_cancel(sn_stream_ready_fn fn);

/* Accessors; `s` may be any stream: the answer for one that is not TLS is empty, 0 or false. */
bool sn_tls_is(const struct sn_stream *s);
/* sn_tls_alpn - the agreed protocol, .ptr NULL where there is none. Borrows from the stream. */
struct sn_str sn_tls_alpn(struct sn_stream *s);
/* sn_tls_server_name - what the client asked for (SNI). Borrows from the stream. */
struct sn_str sn_tls_server_name(struct sn_stream *s);
int sn_tls_version(struct sn_stream *s); /* 12, 13 */
const char *sn_tls_cipher(struct sn_stream *s);
bool sn_tls_resumed(struct sn_stream *s);
/* sn_tls_peer_subject - RFC 2253 subject of the peer's verified certificate into out.
 * Returns its length, SN_E_NOT_FOUND where the peer sent none, SN_E_TOO_LARGE. */
int sn_tls_peer_subject(struct sn_stream *s, char *out, size_t cap);
/* sn_tls_peer_san - first DNS or URI name of the peer's certificate (SPIFFE ids are URIs). */
int sn_tls_peer_san(struct sn_stream *s, char *out, size_t cap);
/* sn_tls_peer_fingerprint - SHA-256 of the peer's certificate. Returns 0 or SN_E_NOT_FOUND. */
int sn_tls_peer_fingerprint(struct sn_stream *s, uint8_t ret[32]);
