/* SPDX-License-Identifier: Apache-2.0 */
/* fiber/net_int.h - inside of the network part, for files of this folder only.
 *
 * One record type, struct sn_sock, stands for everything a poller watches on behalf of fibers:
 * streams, datagram sockets, accepting listeners, single waits on a descriptor. Records come from a
 * per-worker slab and are type-stable while the runtime lives, so an event that was already
 * harvested when its record was recycled finds a record, and the poller's generation drops it. */
#pragma once
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "fiber/net.h"
#include "fiber/trace_int.h"

/* ---- addresses ---- */
#define SN_HOST_MAX 256
#define SN_DIAL_ADDRS_MAX 16

struct sn_sockaddr {
    union {
        struct sockaddr sa;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } u;
    socklen_t len;
};
/* The parts of a textual address; they borrow from it. */
struct sn_net_name {
    struct sn_str host; /* without brackets; empty = loopback */
    struct sn_str unix_path;
    uint16_t port;
    bool is_unix;
};
int sn_net_name_parse(const char *text, struct sn_net_name *ret) SN_MUST_CHECK;
/* sn_net_ip_parse - false where `host` is not a literal IPv4 or IPv6 address. */
bool sn_net_ip_parse(struct sn_str host, uint16_t port, struct sn_sockaddr *ret);
void sn_net_unix_addr(struct sn_str path, struct sn_sockaddr *ret);
bool sn_net_is_loopback(const struct sn_sockaddr *a);
/* sn_net_tune_loopback - a TCP socket that will only ever speak to this machine: the plain congestion
 * control. BBR, the default of many servers, paces by a timer and samples rates where there is no
 * bottleneck to find; it costs 2.3 % of a small request's CPU (docs/net.md). */
void sn_net_tune_loopback(int fd);
int sn_net_addr_format(const struct sn_sockaddr *a, char *out, size_t cap);

/* ---- system calls, with a door for fault injection ---- */
/* Tests install a table; NULL entries fall through to the kernel. Results are as the system call's:
 * -1 and errno. */
struct sn_sock_sys {
    int (*socket)(int domain, int type, int protocol);
    int (*accept4)(int fd, struct sockaddr *a, socklen_t *len, int flags);
    int (*connect)(int fd, const struct sockaddr *a, socklen_t len);
    ssize_t (*recv)(int fd, void *buf, size_t n, int flags);
    ssize_t (*send)(int fd, const void *buf, size_t n, int flags);
    ssize_t (*sendmsg)(int fd, const struct msghdr *m, int flags);
};
extern const struct sn_sock_sys *sn_sock_sys_hooks;
static inline const struct sn_sock_sys *sn_sock_sys_get(void)
{
    return __atomic_load_n(&sn_sock_sys_hooks, __ATOMIC_ACQUIRE);
}
static inline void sn_sock_sys_set(const struct sn_sock_sys *hooks)
{
    __atomic_store_n(&sn_sock_sys_hooks, hooks, __ATOMIC_RELEASE);
}
/* The two calls of every request, made directly: the C library's are cancellation points, which
 * costs two locked instructions each once a process has a second thread. */
#if defined(__x86_64__) && !defined(SN_ASAN) && !defined(SN_TSAN)
static inline ssize_t sn_sock_syscall(long nr, int fd, const void *buf, size_t n, int flags)
{
    register long r10 __asm__("r10") = flags;
    register long r8 __asm__("r8") = 0;
    register long r9 __asm__("r9") = 0;
    long r = nr;
    __asm__ volatile("syscall"
                     : "+a"(r)
                     : "D"((long)fd), "S"(buf), "d"(n), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    if (SN_LIKELY(r >= 0)) return r;
    errno = (int)-r;
    return -1;
}
static inline ssize_t sn_sock_recv(int fd, void *buf, size_t n, int flags)
{
    return sn_sock_syscall(SYS_recvfrom, fd, buf, n, flags);
}
static inline ssize_t sn_sock_send(int fd, const void *buf, size_t n, int flags)
{
    return sn_sock_syscall(SYS_sendto, fd, buf, n, flags);
}
#else
#define sn_sock_recv recv
#define sn_sock_send send
#endif

/* In an execution trace each is a system call of the running fiber. */
#define SN_SOCK_TRACED(expr)                        \
    ({                                              \
        struct sn_worker *w_ = sn_worker_cur();     \
        sn_trace_syscall_begin(w_);                 \
        __typeof__(expr) traced_ = (expr);          \
        sn_trace_syscall_end(w_);                   \
        traced_;                                    \
    })
#define SN_SOCK_ANY(hook, plain, ...)                                              \
    ({                                                                             \
        const struct sn_sock_sys *sys_ = sn_sock_sys_get();                        \
        SN_SOCK_TRACED(SN_UNLIKELY(sys_ != NULL) && sys_->hook ? sys_->hook(__VA_ARGS__) \
                                                               : (plain)(__VA_ARGS__)); \
    })
#define SN_SOCK_SYS(call, ...) SN_SOCK_ANY(call, call, __VA_ARGS__)
#define SN_SOCK_RECV(...) SN_SOCK_ANY(recv, sn_sock_recv, __VA_ARGS__)
#define SN_SOCK_SEND(...) SN_SOCK_ANY(send, sn_sock_send, __VA_ARGS__)

/* ---- records ---- */
enum sn_sock_kind { SN_SOCK_FREE = 0, SN_SOCK_STREAM, SN_SOCK_UDP, SN_SOCK_ACCEPT, SN_SOCK_FDWAIT };

/* Bits of sn_sock.st. Readiness is set by the poller and cleared *before* the system call it
 * promises about, so an edge that comes during the call is never lost. */
enum {
    SN_SS_RD_BUSY = 1, /* a read is between entry and exit */
    SN_SS_WR_BUSY = 2,
    SN_SS_CLOSE_BUSY = 4, /* the closer still touches the record */
    SN_SS_BUSY = 7,
    SN_SS_CLOSED = 8,
    SN_SS_RD_READY = 16, /* a read may find bytes */
    SN_SS_WR_READY = 32,
    SN_SS_RD_HUP = 64, /* peer finished: reads end, no further edge comes (sticky) */
    SN_SS_ERR = 128,   /* error or full hang-up: both directions return at once (sticky) */
    SN_SS_PARKED = 256,
    SN_SS_RETRY = 512,     /* a ready function waits for memory to get its fiber */
    SN_SS_COUNTED = 1024,  /* holds one of its listener's conns_max */
    SN_SS_BORROWED = 2048, /* the descriptor is not ours to close */
    SN_SS_WATCHED = 4096,  /* registered with the poller */
    SN_SS_READABLE = SN_SS_RD_READY | SN_SS_RD_HUP | SN_SS_ERR,
    SN_SS_WRITABLE = SN_SS_WR_READY | SN_SS_ERR,
};

struct sn_sock_wait {
    struct sn_fiber *f; /* NULL = nobody waits */
    uint64_t ticket;
};
struct sn_os_listener;
struct sn_sock {
    struct sn_stream s; /* first: a stream is its record */
    struct sn_pollee e;
    struct sn_spin lock; /* waiters, PARKED and the edges that meet them */
    uint32_t st;         /* __atomic */
    union {
        struct sn_sock_wait rd;
        struct { /* while parked */
            sn_stream_ready_fn fn;
            void *arg;
        } park;
        struct sn_sock *free_next;
    };
    union {
        struct sn_sock_wait wr;
        struct sn_post post; /* no writer exists while parked or finalised */
    };
    struct sn_timer timer; /* idle limit; lazily re-armed, so it may be early and is then ignored */
    struct sn_os_listener *lis;
    uint16_t worker; /* whose slab, poller and timers this record uses */
    uint8_t kind;
    uint8_t family;
    int16_t why;
    /* The peer of an IPv4 stream, network order, once asked for; port 0 = not yet. A proxy asks
     * with every request, and a system call each time would be the fifth of its data path. */
    uint16_t peer_port;
    uint32_t peer_ip4;
};
/* The whole user memory of a parked connection, before the protocol adds its own record. */
_Static_assert(sizeof(struct sn_sock) <= 128, "a parked connection fits two cache lines");
#define SN_SOCK_BYTES_MAX 200

#define SN_SLAB_CHUNK 256 /* records per chunk */
struct sn_net_worker {
    struct sn_sock *free_head;
    struct sn_sock **chunks;
    size_t chunks_n, chunks_cap;
    uint64_t open, parked; /* owner writes, anybody reads */
    uint32_t ops;          /* since this worker last yielded on our behalf */
    uint64_t late;         /* the fiber whose operation was let through although it is cancelled */
    struct sn_post sweep;
    struct sn_spin sweep_lock;
    bool sweep_posted;
    unsigned sweep_n;
    size_t sweep_at;
    sn_stream_ready_fn sweep_fn[16];
    int pipe_fd[2 * 16]; /* empty pipes for splice */
    unsigned pipes_n;
};
static inline struct sn_net_worker *sn_net_of(struct sn_worker *w) { return w->net; }

/* sn_sock_new - a record on the calling worker, not yet polled. NULL without memory. */
struct sn_sock *sn_sock_new(int fd, enum sn_sock_kind kind);
/* sn_sock_watch - registers with this worker's poller. */
int sn_sock_watch(struct sn_sock *k, uint32_t events) SN_MUST_CHECK;
#define SN_SOCK_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)
/* sn_sock_enter/_exit - bracket an operation in direction RD_BUSY or WR_BUSY; exit finishes a close
 * that happened meanwhile and then returns SN_E_CLOSED instead of `result`. */
int sn_sock_enter(struct sn_sock *k, uint32_t dir) SN_MUST_CHECK;
ssize_t sn_sock_exit(struct sn_sock *k, uint32_t dir, ssize_t result);
/* sn_sock_wait - suspends until readiness in `dir`. Only between enter and exit. */
int sn_sock_wait(struct sn_sock *k, uint32_t dir, const char *reason) SN_MUST_CHECK;
/* sn_sock_close - ends pending operations with SN_E_CLOSED; frees when the last one has left. */
void sn_sock_close(struct sn_sock *k);
void sn_sock_event(struct sn_pollee *e, uint32_t events);
/* sn_sock_stream_new - wraps a connected, non-blocking descriptor. On failure the fd is closed. */
int sn_sock_stream_new(int fd, int family, struct sn_sock **ret) SN_MUST_CHECK;
bool sn_stream_is_sock(const struct sn_stream *s);
static inline struct sn_sock *sn_sock_of(struct sn_stream *s)
{
    return SN_CONTAINER_OF(s, struct sn_sock, s);
}
void sn_sock_park_init(struct sn_sock *k, int64_t idle_at_ns, sn_stream_ready_fn fn, void *arg);
/* sn_os_listener_conn_closed - a counted connection has gone. */
void sn_os_listener_conn_closed(struct sn_os_listener *l);
/* sn_os_listener_unwatched - a record of the listener has left its poller. */
void sn_os_listener_unwatched(struct sn_os_listener *l);
void sn_os_listeners_done(void);
#define SN_USER_TIMEOUT_MS 20000 /* unacknowledged data older than this breaks the connection */
static inline uint32_t sn_sock_bits(const struct sn_sock *k)
{
    return __atomic_load_n(&k->st, __ATOMIC_ACQUIRE);
}
/* sn_sock_set, sn_sock_clear - change bits of k->st, return what it was before. */
static inline uint32_t sn_sock_set(struct sn_sock *k, uint32_t bits)
{
    if (!sn_rt_single) return __atomic_fetch_or(&k->st, bits, __ATOMIC_ACQ_REL);
    uint32_t old = __atomic_load_n(&k->st, __ATOMIC_RELAXED);
    __atomic_store_n(&k->st, old | bits, __ATOMIC_RELAXED);
    return old;
}
static inline uint32_t sn_sock_clear(struct sn_sock *k, uint32_t bits)
{
    if (!sn_rt_single) return __atomic_fetch_and(&k->st, ~bits, __ATOMIC_ACQ_REL);
    uint32_t old = __atomic_load_n(&k->st, __ATOMIC_RELAXED);
    __atomic_store_n(&k->st, old & ~bits, __ATOMIC_RELAXED);
    return old;
}
static inline void sn_sock_lock(struct sn_sock *k)
{
    if (!sn_rt_single) sn_spin_lock(&k->lock);
}
static inline void sn_sock_unlock(struct sn_sock *k)
{
    if (!sn_rt_single) sn_spin_unlock(&k->lock);
}

/* ---- what the simulator provides behind the same calls ---- */
int sn_simnet_dial(const struct sn_net_name *n, const char *text, struct sn_stream **ret);
int sn_simnet_listen(const struct sn_net_name *n, const char *text, struct sn_listener **ret);
int sn_simnet_udp_open(const struct sn_net_name *n, const char *text, struct sn_udp **ret);
int sn_simnet_resolve(struct sn_str host, char (*ret)[SN_ADDR_TEXT_MAX], int max);

struct sn_listener_ops {
    int (*accept)(struct sn_listener *l, struct sn_stream **ret);
    int (*serve)(struct sn_listener *l, const struct sn_serve_opts *o, sn_stream_ready_fn fn,
                 void *arg);
    int (*addr)(struct sn_listener *l, char *out, size_t cap);
    int (*fd)(struct sn_listener *l);
    void (*close)(struct sn_listener *l);
};
struct sn_listener {
    const struct sn_listener_ops *ops;
};
struct sn_udp_ops {
    ssize_t (*recv)(struct sn_udp *u, void *buf, size_t cap, char *peer, size_t peer_cap);
    ssize_t (*send)(struct sn_udp *u, const void *buf, size_t n, const char *peer);
    int (*addr)(struct sn_udp *u, char *out, size_t cap);
    void (*close)(struct sn_udp *u);
};
struct sn_udp {
    const struct sn_udp_ops *ops;
};
void sn_simnet_parked_cancel(sn_stream_ready_fn fn);
int sn_os_listen(const struct sn_net_name *n, const char *text, const struct sn_listen_opts *o,
                 struct sn_listener **ret) SN_MUST_CHECK;
/* sn_dial_race - RFC 8305: attempt 0 begins at once, each further one SN_DIAL_STAGGER_NS after the
 * one before or when all before have failed; the first to succeed wins and the others are cancelled.
 * Each runs `one` in a fiber of the caller's worker. SN_E_FILES and SN_E_NOMEM end the race.
 * Returns 0, the last failure with its diagnostic, SN_E_CANCELLED, SN_E_DEADLINE_EXCEEDED. */
#define SN_DIAL_STAGGER_NS (250 * SN_MS)
int sn_dial_race(unsigned n, int (*one)(void *arg, unsigned i, struct sn_stream **ret), void *arg,
                 struct sn_stream **ret) SN_MUST_CHECK;
int sn_os_dial(const struct sn_net_name *n, const char *text, const struct sn_dial_opts *o,
               struct sn_stream **ret) SN_MUST_CHECK;
/* sn_net_resolve_name - the addresses of a parsed name, RFC 8305 order; empty host = loopback. */
int sn_net_resolve_name(const struct sn_net_name *n, const char *text, int64_t ttl_ms,
                        struct sn_sockaddr *ret, int max) SN_MUST_CHECK;
