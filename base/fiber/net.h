/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/net.h - TCP, UDP and Unix sockets for fibers, one API over the kernel and the simulator.
 *
 * Addresses are text: "tcp:127.0.0.1:8080", "tcp:[::1]:80", "tcp:example.org:443" (resolved),
 * "unix:/run/x.sock", "unix:@abstract"; a bare "host:port" or ":port" means tcp. Port 0 on listen
 * picks a free one (sn_listener_addr tells). An empty host listens on loopback only; "0.0.0.0" or
 * "[::]" must be written out: servers bind loopback unless told otherwise.
 *
 * struct sn_stream is the byte-stream interface that plain sockets, TLS and simulated links share.
 * One fiber may read while another writes, on any workers; two readers at once, or two writers, are
 * a bug (asserted). Any fiber may close a stream once: operations in progress end with SN_E_CLOSED,
 * starting one afterwards is a use after free like any other. Parking and unparking are for the
 * stream's worker: the one that accepted or dialled it.
 *
 * A stream between messages is *parked*: sn_stream_park gives it to the poller, which keeps only
 * the stream's own record (no fiber, no buffer, no stack) and starts a pooled fiber when bytes
 * arrive. */
#pragma once
#include <sys/uio.h>

#include "core/str.h"
#include "fiber/fiber.h"

struct sn_stream;
/* Called in a fresh fiber on the stream's worker. why: 0 readable (or peer closed: read tells),
 * SN_E_DEADLINE_EXCEEDED idle limit passed, SN_E_CANCELLED the worker is draining. The callee owns
 * the stream again: read, park or close it. */
typedef void (*sn_stream_ready_fn)(struct sn_stream *s, void *arg, int why);

struct sn_stream_ops {
    const char *kind; /* "tcp", "unix", "tls", "sim" */
    ssize_t (*read)(struct sn_stream *s, void *buf, size_t cap);
    ssize_t (*writev)(struct sn_stream *s, struct iovec *iov, int n);
    ssize_t (*try_writev)(struct sn_stream *s, struct iovec *iov, int n); /* NULL: always suspends */
    int (*shutdown)(struct sn_stream *s);
    void (*close)(struct sn_stream *s);
    void (*park)(struct sn_stream *s, int64_t idle_at_ns, sn_stream_ready_fn fn, void *arg);
    bool (*unpark)(struct sn_stream *s);
    bool (*readable_now)(struct sn_stream *s);
    int (*fd)(struct sn_stream *s);
    int (*addr)(struct sn_stream *s, bool peer, char *out, size_t cap);
};
struct sn_stream {
    const struct sn_stream_ops *ops;
};

/* sn_dial - connects; the resolved addresses race each other, families alternating, 250 ms apart
 * (RFC 8305), until the fiber's deadline. Returns 0, SN_E_REFUSED, SN_E_NOT_FOUND (name),
 * SN_E_UNAVAILABLE (unreachable), SN_E_FILES, SN_E_DEADLINE_EXCEEDED, SN_E_CANCELLED, SN_E_SYNTAX
 * (address); the diagnostic names address and cause. Owns: *ret is the caller's; close it.
 * Suspends. */
struct sn_dial_opts {
    const char *local;       /* source address to bind, NULL = any (IP_BIND_ADDRESS_NO_PORT) */
    int64_t user_timeout_ms; /* TCP_USER_TIMEOUT; 0 = 20,000; -1 = kernel default */
    bool no_delay_off;       /* TCP_NODELAY is on unless this is set */
    int64_t resolve_ttl_ms_max;
};
int sn_dial(const char *addr, const struct sn_dial_opts *opts,
            struct sn_stream **ret) SN_MUST_CHECK;

/* sn_read - at least one byte. Returns > 0 bytes, 0 at end of stream, SN_E_RESET, SN_E_CANCELLED,
 * SN_E_DEADLINE_EXCEEDED, SN_E_IO. Never data and an error together. Suspends. */
static inline ssize_t sn_read(struct sn_stream *s, void *buf, size_t cap)
{
    return s->ops->read(s, buf, cap);
}
/* sn_read_full - exactly n bytes, or SN_E_EOF if the stream ended before. */
int sn_read_full(struct sn_stream *s, void *buf, size_t n) SN_MUST_CHECK;
/* sn_write, sn_writev - all of it, or an error (then an unknown prefix was sent). writev may
 * modify iov. Returns the byte count. Suspends. */
ssize_t sn_write(struct sn_stream *s, const void *buf, size_t n) SN_MUST_CHECK;
static inline ssize_t sn_writev(struct sn_stream *s, struct iovec *iov, int n)
{
    return s->ops->writev(s, iov, n);
}
/* sn_stream_can_try - whether sn_try_writev may send anything on this kind of stream. */
static inline bool sn_stream_can_try(const struct sn_stream *s) { return s->ops->try_writev != NULL; }
/* sn_try_writev - what the kernel takes at once, n >= 1. Returns > 0 bytes, SN_E_AGAIN, errors as
 * sn_writev. Does not suspend, and no other fiber of the worker has run when it returns. */
static inline ssize_t sn_try_writev(struct sn_stream *s, struct iovec *iov, int n)
{
    return s->ops->try_writev ? s->ops->try_writev(s, iov, n) : SN_E_AGAIN;
}
/* sn_stream_shutdown - no more writes; the peer reads end of stream (TLS: close_notify). */
static inline int sn_stream_shutdown(struct sn_stream *s) { return s->ops->shutdown(s); }
/* sn_stream_close - frees the stream; pending operations of other fibers end with SN_E_CLOSED.
 * NULL is accepted. Does not suspend. */
static inline void sn_stream_close(struct sn_stream *s)
{
    if (s) s->ops->close(s);
}
/* sn_stream_park - see above. The caller must not touch `s` afterwards. idle_at_ns: SN_FOREVER for
 * no idle limit. Must be called on the stream's worker. If bytes are already readable fn starts
 * right away. */
static inline void sn_stream_park(struct sn_stream *s, int64_t idle_at_ns, sn_stream_ready_fn fn,
                                  void *arg)
{
    s->ops->park(s, idle_at_ns, fn, arg);
}
/* sn_stream_go - a detached fiber on the calling worker, outside every scope: how a stream layered
 * over another starts its ready function when the bytes are in its own buffer already.
 * Returns 0, SN_E_NOMEM, SN_E_RESOURCE_EXHAUSTED. Does not suspend. */
int sn_stream_go(sn_fiber_fn fn, void *arg) SN_MUST_CHECK;
/* sn_stream_unpark - takes a parked stream back (a connection pool reusing an idle connection).
 * Returns true if the caller owns it again; false if its ready function already runs or is about
 * to, which then owns it (so the caller must know by other means, say its pool's list, that `s` has
 * not been closed by that function yet). Same worker as the park. Does not suspend. */
static inline bool sn_stream_unpark(struct sn_stream *s) { return s->ops->unpark(s); }
/* sn_stream_readable_now - whether a read would not suspend, as far as known without a system
 * call: after a short read on an edge-triggered socket this is false, so a keep-alive server parks
 * without an extra EAGAIN read. */
static inline bool sn_stream_readable_now(struct sn_stream *s) { return s->ops->readable_now(s); }
/* sn_stream_addr - "127.0.0.1:8080", local or peer, into out. Returns length or SN_E_*. */
static inline int sn_stream_addr(struct sn_stream *s, bool peer, char *out, size_t cap)
{
    return s->ops->addr(s, peer, out, cap);
}

/* sn_stream_sendfile - n bytes of the regular file `fd` from `off`; by sendfile(2) on plain
 * sockets, by read and write elsewhere. The file's position is not used. Returns n, SN_E_EOF where
 * the file ended before, or as sn_write. Suspends. */
ssize_t sn_stream_sendfile(struct sn_stream *s, int fd, int64_t off, int64_t n) SN_MUST_CHECK;
/* sn_stream_copy - everything src delivers goes to dst, until src ends; by splice(2) between plain
 * sockets (an idle copy then owns no pipe and no buffer). Does not shut dst down. Returns the bytes
 * copied, or the first failure of either side. Suspends. */
int64_t sn_stream_copy(struct sn_stream *dst, struct sn_stream *src) SN_MUST_CHECK;

/* sn_stream_copy_rest - sn_stream_copy that loses nothing where it is cancelled: what was read from
 * src and not written to dst by then is appended to rest. Of plain sockets; of others the copy must
 * not be cancelled in mid-write. Returns as sn_stream_copy. */
struct sn_buf;
int64_t sn_stream_copy_rest(struct sn_stream *dst, struct sn_stream *src, struct sn_buf *rest);
/* sn_stream_fd - the descriptor of a plain socket, still the stream's; -1 for other streams. */
int sn_stream_fd(struct sn_stream *s);
/* sn_stream_adopt - the stream of a connected TCP or Unix socket that came from elsewhere, say
 * another process. fd is the stream's from the call on, closed also on failure; it is made
 * non-blocking. Returns 0, SN_E_INVALID_ARGUMENT (no such socket), SN_E_NOMEM, SN_E_UNIMPLEMENTED
 * in simulation. Context: a fiber, whose worker owns the stream. */
int sn_stream_adopt(int fd, struct sn_stream **ret) SN_MUST_CHECK;

struct sn_listener;
struct sn_listen_opts {
    int backlog;     /* 0 = 4096 (the kernel clamps to somaxconn) */
    bool per_worker; /* one SO_REUSEPORT socket per worker (TCP); else one shared socket */
    int64_t user_timeout_ms;
    int fd;             /* > 0: adopt this listening descriptor (upgrade, socket activation) */
    bool defer_accept;  /* TCP_DEFER_ACCEPT: wake only when the first bytes are here */
    unsigned unix_mode; /* permission bits of a Unix socket; 0 = 0600 */
};
/* sn_listen - Returns 0, SN_E_ALREADY_EXISTS (address in use), SN_E_PERMISSION_DENIED, SN_E_SYNTAX,
 * SN_E_FILES; the diagnostic names the address. */
int sn_listen(const char *addr, const struct sn_listen_opts *opts,
              struct sn_listener **ret) SN_MUST_CHECK;
/* sn_accept - next connection, owned by the calling fiber's worker. Returns 0, SN_E_CLOSED after
 * sn_listener_close, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED. At the descriptor limit it waits and
 * retries (and counts), it never spins and never fails for it. Suspends. */
int sn_accept(struct sn_listener *l, struct sn_stream **ret) SN_MUST_CHECK;
/* sn_listener_serve - accepts on every worker and parks each connection at once: fn(stream, arg, 0)
 * runs in a fresh fiber when its first bytes arrive (why as for park; idle_ns is the limit for that
 * first byte). conn_init, if given, runs on accept, without suspending, to give the per-connection
 * arg. Returns when the listener is closed: SN_OK. Suspends. This is the road of a server with a
 * million connections: an idle one has never had a fiber. */
struct sn_serve_opts {
    int64_t idle_ns;    /* 0 = SN_FOREVER */
    uint64_t conns_max; /* 0 = no limit; beyond it accepting pauses until one closes */
    void *(*conn_init)(struct sn_stream *s, void *arg); /* NULL result closes the connection */
};
int sn_listener_serve(struct sn_listener *l, const struct sn_serve_opts *opts,
                      sn_stream_ready_fn fn, void *arg) SN_MUST_CHECK;
int sn_listener_addr(struct sn_listener *l, char *out, size_t cap);
int sn_listener_fd(struct sn_listener *l);
/* sn_listener_close - stops accepting; accepted connections live on. Waiting accepts end with
 * SN_E_CLOSED, and so does one that begins soon after (the last 64 closed listeners are kept). */
void sn_listener_close(struct sn_listener *l);
/* sn_parked_cancel - every stream parked with `fn` gets fn(s, arg, SN_E_CANCELLED): drain. */
void sn_parked_cancel(sn_stream_ready_fn fn);

/* ---- datagrams ---- */
struct sn_udp;
int sn_udp_open(const char *bind_addr, struct sn_udp **ret) SN_MUST_CHECK;
/* sn_udp_recv - one datagram; peer gets its textual address. Returns bytes. Suspends. */
ssize_t sn_udp_recv(struct sn_udp *u, void *buf, size_t cap, char *peer, size_t peer_cap);
ssize_t sn_udp_send(struct sn_udp *u, const void *buf, size_t n, const char *peer);
int sn_udp_addr(struct sn_udp *u, char *out, size_t cap);
void sn_udp_close(struct sn_udp *u);

/* ---- names ---- */
/* sn_resolve - IP addresses of `host`, textual, at most `max`. Literal addresses return at once;
 * /etc/hosts and the system resolver through the offload pool, cached for a bounded time.
 * Returns the count (> 0), SN_E_NOT_FOUND, SN_E_UNAVAILABLE, SN_E_CANCELLED. Suspends. */
#define SN_ADDR_TEXT_MAX 64
int sn_resolve(struct sn_str host, char (*ret)[SN_ADDR_TEXT_MAX], int max) SN_MUST_CHECK;

/* sn_resolve_flush - forgets every cached answer. Any thread. */
void sn_resolve_flush(void);

/* sn_net_file_limit_hits - how often accepting had to wait for a descriptor (EMFILE, ENFILE). */
uint64_t sn_net_file_limit_hits(void);

/* ---- any descriptor ---- */
/* sn_fd_wait - suspends until `fd` (non-blocking) is ready for EPOLLIN/EPOLLOUT in `events`.
 * Returns the ready events, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED. For pidfds, netlink, inotify.
 */
int sn_fd_wait(int fd, uint32_t events) SN_MUST_CHECK;
