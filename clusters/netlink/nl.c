/* SPDX-License-Identifier: Apache-2.0 */
/* netlink/nl.c - building requests, sending them, reading what comes back. */
#include "clusters/netlink/nl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/alloc.h"

#define RECV_BYTES (32u << 10) /* the kernel's own messages are no longer */

static size_t aligned(size_t n) { return (n + 3) & ~(size_t)3; }

/* ---- reading ---- */

int sn_nl_next(struct sn_str *in, struct sn_nl_msg *ret)
{
    struct nlmsghdr h;
    if (in->len == 0) return 0;
    if (in->len < sizeof h)
        return sn_fail(SN_E_PROTOCOL, "netlink: %zu bytes are no message", in->len);
    memcpy(&h, in->ptr, sizeof h);
    if (h.nlmsg_len < sizeof h || h.nlmsg_len > in->len)
        return sn_fail(SN_E_PROTOCOL, "netlink: a message of %u bytes in %zu", h.nlmsg_len,
                       in->len);
    *ret = (struct sn_nl_msg){h.nlmsg_type, h.nlmsg_flags, h.nlmsg_seq,
                              sn_str_of(in->ptr + sizeof h, h.nlmsg_len - sizeof h)};
    *in = sn_str_from(*in, SN_MIN(aligned(h.nlmsg_len), in->len));
    return 1;
}

int sn_nl_attr(struct sn_str *in, uint16_t *ret_type, struct sn_str *ret)
{
    struct nlattr a;
    if (in->len == 0) return 0;
    if (in->len < sizeof a)
        return sn_fail(SN_E_PROTOCOL, "netlink: %zu bytes are no attribute", in->len);
    memcpy(&a, in->ptr, sizeof a);
    if (a.nla_len < sizeof a || a.nla_len > in->len)
        return sn_fail(SN_E_PROTOCOL, "netlink: an attribute of %u bytes in %zu", a.nla_len,
                       in->len);
    *ret_type = a.nla_type & NLA_TYPE_MASK;
    *ret = sn_str_of(in->ptr + sizeof a, a.nla_len - sizeof a);
    *in = sn_str_from(*in, SN_MIN(aligned(a.nla_len), in->len));
    return 1;
}

struct sn_str sn_nl_attr_find(struct sn_str attrs, uint16_t type)
{
    uint16_t t;
    struct sn_str v;
    while (sn_nl_attr(&attrs, &t, &v) > 0)
        if (t == type) return v;
    return (struct sn_str){0};
}

uint32_t sn_nl_u32(struct sn_str v, uint32_t other)
{
    uint32_t n;
    if (v.len != sizeof n) return other;
    memcpy(&n, v.ptr, sizeof n);
    return n;
}

int sn_nl_ack(const struct sn_nl_msg *m, struct sn_str *ret_text)
{
    int32_t err;
    *ret_text = (struct sn_str){0};
    if (m->body.len < sizeof(struct nlmsgerr)) return m->body.len < sizeof err ? EPROTO : 0;
    memcpy(&err, m->body.ptr, sizeof err);
    if (m->flags & NLM_F_ACK_TLVS) {
        /* Capped acknowledgements repeat only the request's header. */
        struct nlmsghdr h;
        memcpy(&h, m->body.ptr + sizeof err, sizeof h);
        size_t skip = sizeof(struct nlmsgerr);
        if (!(m->flags & NLM_F_CAPPED) && h.nlmsg_len > sizeof h)
            skip += aligned(h.nlmsg_len - sizeof h);
        struct sn_str text =
            sn_nl_attr_find(sn_str_from(m->body, SN_MIN(skip, m->body.len)), NLMSGERR_ATTR_MSG);
        while (text.len && text.ptr[text.len - 1] == 0) text.len--;
        *ret_text = text;
    }
    return err < 0 ? -err : 0;
}

/* ---- building ---- */

static void *at(struct sn_nl *nl, uint32_t off) { return nl->out.ptr + off; }

static void pad(struct sn_nl *nl)
{
    static const uint8_t zero[4];
    sn_buf_put(&nl->out, zero, aligned(nl->out.len) - nl->out.len);
}

/* Every append ends here, so that the request's length is right at any moment. */
static void grown(struct sn_nl *nl)
{
    pad(nl);
    if (nl->out.err < 0) return;
    uint32_t len = (uint32_t)nl->out.len - nl->begun;
    memcpy(at(nl, nl->begun), &len, sizeof len);
}

void sn_nl_begin(struct sn_nl *nl, uint16_t type, uint16_t flags, const void *head, size_t head_len,
                 const char *label, ...)
{
    if (nl->n == SN_NL_BATCH_MAX) {
        nl->out.err = SN_E_TOO_LARGE;
        return;
    }
    SN_ASSERT(nl->n_nested == 0);
    bool ack = (flags & NLM_F_DUMP) != NLM_F_DUMP && !(flags & SN_NL_NO_ACK);
    flags &= (uint16_t)~SN_NL_NO_ACK;
    struct nlmsghdr h = {.nlmsg_type = type,
                         .nlmsg_seq = nl->seq,
                         .nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST | (ack ? NLM_F_ACK : 0))};
    if (!nl->n) {
        nl->first = nl->seq;
        nl->acked = 0;
    }
    nl->acked |= (uint32_t)ack << nl->n;
    va_list ap;
    va_start(ap, label);
    vsnprintf(nl->label[nl->n], SN_NL_LABEL_MAX, label, ap);
    va_end(ap);
    nl->n++;
    nl->seq++;
    nl->begun = (uint32_t)nl->out.len;
    sn_buf_put(&nl->out, &h, sizeof h);
    sn_buf_put(&nl->out, head, head_len);
    grown(nl);
}

void sn_nl_put(struct sn_nl *nl, uint16_t type, const void *data, size_t n)
{
    if (n > UINT16_MAX - sizeof(struct nlattr)) {
        nl->out.err = SN_E_TOO_LARGE;
        return;
    }
    struct nlattr a = {.nla_len = (uint16_t)(sizeof a + n), .nla_type = type};
    sn_buf_put(&nl->out, &a, sizeof a);
    sn_buf_put(&nl->out, data, n);
    grown(nl);
}

void sn_nl_put_str(struct sn_nl *nl, uint16_t type, const char *s)
{
    sn_nl_put(nl, type, s, strlen(s) + 1);
}

void sn_nl_put_be32(struct sn_nl *nl, uint16_t type, uint32_t v)
{
    sn_nl_put_u32(nl, type, __builtin_bswap32(v));
}

void sn_nl_nest(struct sn_nl *nl, uint16_t type)
{
    SN_ASSERT(nl->n_nested < SN_NL_NEST_MAX);
    nl->nests[nl->n_nested++] = (uint32_t)nl->out.len;
    sn_nl_put(nl, type | NLA_F_NESTED, NULL, 0);
}

void sn_nl_nest_end(struct sn_nl *nl)
{
    SN_ASSERT(nl->n_nested > 0);
    uint32_t off = nl->nests[--nl->n_nested];
    if (nl->out.err < 0) return;
    size_t len = nl->out.len - off;
    if (len > UINT16_MAX) {
        nl->out.err = SN_E_TOO_LARGE;
        return;
    }
    uint16_t n = (uint16_t)len;
    memcpy(at(nl, off), &n, sizeof n);
}

void sn_nl_raw(struct sn_nl *nl, const void *data, size_t n)
{
    sn_buf_put(&nl->out, data, n);
    grown(nl);
}

/* ---- the socket ---- */

/* A socket of the namespace `netns`: the thread steps into it and back. */
static int socket_in(int protocol, int netns)
{
    int type = SOCK_RAW | SOCK_CLOEXEC;
    if (netns < 0) return socket(AF_NETLINK, type, protocol); /* banned: netlink, which never waits */
    int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home < 0) return -1;
    int fd = -1, err = 0;
    if (setns(netns, CLONE_NEWNET) < 0) {
        err = errno;
    } else {
        fd = socket(AF_NETLINK, type, protocol); /* banned: netlink, which never waits */
        err = errno;
        /* A thread left in a stranger's namespace would corrupt whoever runs on it next. */
        SN_ASSERT(setns(home, CLONE_NEWNET) == 0);
    }
    close(home);
    errno = err;
    return fd;
}

int sn_nl_open(struct sn_nl *nl, int protocol, int netns)
{
    int fd = socket_in(protocol, netns);
    if (fd < 0) return sn_fail_errno(errno, "netlink socket");
    int on = 1;
    struct timeval wait = {.tv_sec = SN_NL_WAIT_S};
    struct sockaddr_nl me = {.nl_family = AF_NETLINK};
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) < 0 ||
        bind(fd, (struct sockaddr *)&me, sizeof me) < 0) {
        int err = errno;
        close(fd);
        return sn_fail_errno(err, "netlink socket");
    }
    *nl = (struct sn_nl){.fd = fd, .seq = 1};
    sn_buf_init(&nl->out, SN_NL_BYTES_MAX);
    return 0;
}

void sn_nl_close(struct sn_nl *nl)
{
    if (nl->fd >= 0) close(nl->fd);
    nl->fd = -1;
    sn_buf_done(&nl->out);
}

/* Sends what is queued. The queue is empty afterwards, whatever happened. */
static int send_all(struct sn_nl *nl)
{
    int r = nl->out.err;
    SN_ASSERT(nl->n_nested == 0);
    if (r < 0) {
        r = sn_fail(r, "netlink: %u requests do not fit into %u bytes", nl->n, SN_NL_BYTES_MAX);
    } else {
        struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
        ssize_t n;
        do
            n = sendto(nl->fd, nl->out.ptr, nl->out.len, 0, (struct sockaddr *)&kernel,
                       sizeof kernel);
        while (n < 0 && errno == EINTR);
        if (n < 0) r = sn_fail_errno(errno, "netlink: %s", nl->label[0]);
    }
    sn_buf_reset(&nl->out);
    return r;
}

static ssize_t receive(struct sn_nl *nl, void *buf, size_t cap)
{
    ssize_t n;
    do n = recv(nl->fd, buf, cap, MSG_TRUNC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return sn_fail(SN_E_DEADLINE_EXCEEDED, "netlink: no answer from the kernel in %d s",
                       SN_NL_WAIT_S);
    if (n < 0) return sn_fail_errno(errno, "netlink: receive");
    if ((size_t)n > cap) return sn_fail(SN_E_TOO_LARGE, "netlink: a message of %zd bytes", n);
    return n;
}

static int failed(const struct sn_nl *nl, unsigned i, int err, struct sn_str text)
{
    if (text.len)
        return sn_fail_errno(err, "%s: %.*s", nl->label[i], (int)SN_MIN(text.len, 120u), text.ptr);
    return sn_fail_errno(err, "%s", nl->label[i]);
}

int sn_nl_commit(struct sn_nl *nl, unsigned *ret_failed)
{
    unsigned n = nl->n, open = (unsigned)__builtin_popcount(nl->acked);
    nl->n = 0;
    if (!n) return 0;
    int r = send_all(nl), result = 0;
    if (r < 0) return r;
    char *buf = sn_alloc(RECV_BYTES);
    if (!buf) return SN_E_NOMEM;
    while (open > 0 && r >= 0) {
        ssize_t got = receive(nl, buf, RECV_BYTES);
        if (got < 0) r = (int)got;
        struct sn_str in = sn_str_of(buf, got > 0 ? (size_t)got : 0), text;
        struct sn_nl_msg m;
        while (r >= 0 && (r = sn_nl_next(&in, &m)) > 0) {
            unsigned i = m.seq - nl->first;
            if (m.type != NLMSG_ERROR || i >= n) continue; /* an answer of an abandoned request */
            int err = sn_nl_ack(&m, &text);
            /* A batch of nftables that is refused as a whole is answered once, for its begin. */
            open = nl->acked >> i & 1 ? open - 1 : err ? 0 : open;
            if (!err || result < 0) continue;
            result = failed(nl, i, err, text);
            if (ret_failed) *ret_failed = i;
        }
    }
    sn_free(buf);
    return result < 0 ? result : r < 0 ? r : 0;
}

int sn_nl_query(struct sn_nl *nl, int (*fn)(const struct sn_nl_msg *m, void *arg), void *arg)
{
    SN_ASSERT(nl->n == 1 || nl->out.err < 0);
    nl->n = 0;
    int r = send_all(nl);
    if (r < 0) return r;
    char *buf = sn_alloc(RECV_BYTES);
    if (!buf) return SN_E_NOMEM;
    bool over = false;
    int result = 0;
    unsigned seen = 0;
    while (!over && r >= 0) {
        ssize_t got = receive(nl, buf, RECV_BYTES);
        if (got < 0) r = (int)got;
        struct sn_str in = sn_str_of(buf, got > 0 ? (size_t)got : 0), text;
        struct sn_nl_msg m;
        while (r >= 0 && !over && (r = sn_nl_next(&in, &m)) > 0) {
            if (m.seq != nl->first) continue;
            int err = m.type == NLMSG_ERROR ? sn_nl_ack(&m, &text) : 0;
            over = m.type == NLMSG_ERROR || m.type == NLMSG_DONE;
            if (err && result >= 0) result = failed(nl, 0, err, text);
            if (over || result < 0) continue;
            if (++seen > SN_NL_DUMP_MAX)
                result = sn_fail(SN_E_TOO_LARGE, "%s: too many answers", nl->label[0]);
            else
                result = fn(&m, arg);
        }
    }
    sn_free(buf);
    return result < 0 ? result : r < 0 ? r : 0;
}
