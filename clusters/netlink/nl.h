/* SPDX-License-Identifier: Apache-2.0 */
/* netlink/nl.h - netlink: requests queued and sent in one call, answers read back.
 *
 * A socket belongs to the network namespace it was opened in, whatever the thread does later: one
 * socket per namespace is all that is needed to work in it. Requests are built into a buffer, each
 * with a label for people, and sn_nl_commit sends them all in one message and reads every
 * acknowledgement. The kernel carries a request out while it is sent, so nothing here waits for
 * anything but the kernel's locks: synchronous on purpose, for any thread (fibers: sn_offload).
 *
 * Sources: man netlink(7), rtnetlink(7); linux/netlink.h, linux/rtnetlink.h. */
#pragma once
#include <linux/netlink.h>

#include "core/buf.h"
#include "core/status.h"
#include "core/str.h"

#define SN_NL_BATCH_MAX 32u         /* requests of one commit */
#define SN_NL_LABEL_MAX 48u         /* bytes of a request's label, longer ones are cut */
#define SN_NL_BYTES_MAX (64u << 10) /* of one commit */
#define SN_NL_NEST_MAX 6u
#define SN_NL_DUMP_MAX (1u << 20) /* messages of one dump */
#define SN_NL_WAIT_S 10           /* for the kernel's answer: it has none if this passes */

struct sn_nl {
    int fd;
    uint32_t seq; /* of the next request */
    unsigned n;   /* queued */
    unsigned n_nested;
    uint32_t first; /* seq of the first queued request */
    uint32_t acked; /* which of the queued are acknowledged also where they succeed */
    struct sn_buf out;
    uint32_t nests[SN_NL_NEST_MAX]; /* offsets of open nested attributes */
    uint32_t begun;                 /* offset of the last request */
    char label[SN_NL_BATCH_MAX][SN_NL_LABEL_MAX];
};

/* sn_nl_open - protocol: NETLINK_ROUTE, NETLINK_NETFILTER. netns: a namespace's descriptor
 * (borrowed), or -1 for the caller's; the thread enters it for the moment of the call. Returns 0,
 * SN_E_PERMISSION_DENIED, SN_E_FILES, SN_E_IO. Owns: sn_nl_close. */
int sn_nl_open(struct sn_nl *nl, int protocol, int netns) SN_MUST_CHECK;
void sn_nl_close(struct sn_nl *nl);

#define SN_NL_NO_ACK \
    0x8000u /* beside a request's flags: the kernel acknowledges it only by a failure */
/* sn_nl_begin - starts a request; head: the protocol's fixed header. NLM_F_REQUEST is added, and
 * NLM_F_ACK but for dumps and SN_NL_NO_ACK. label: what it does, for the error's text. Failures
 * stick until the commit. */
void sn_nl_begin(struct sn_nl *nl, uint16_t type, uint16_t flags, const void *head, size_t head_len,
                 const char *label, ...) SN_PRINTF(6, 7);
void sn_nl_put(struct sn_nl *nl, uint16_t type, const void *data, size_t n);
void sn_nl_put_str(struct sn_nl *nl, uint16_t type, const char *s); /* with its NUL */
static inline void sn_nl_put_u8(struct sn_nl *nl, uint16_t t, uint8_t v)
{
    sn_nl_put(nl, t, &v, 1);
}
static inline void sn_nl_put_u32(struct sn_nl *nl, uint16_t t, uint32_t v)
{
    sn_nl_put(nl, t, &v, 4);
}
void sn_nl_put_be32(struct sn_nl *nl, uint16_t type, uint32_t v);
void sn_nl_nest(struct sn_nl *nl, uint16_t type);
void sn_nl_nest_end(struct sn_nl *nl);
/* sn_nl_raw - bytes inside an open nest that are no attribute (a peer's header in a veth's data).
 */
void sn_nl_raw(struct sn_nl *nl, const void *data, size_t n);

/* sn_nl_commit - sends what is queued, reads every acknowledgement, empties the queue.
 * Returns 0, or the first failure: its label, the kernel's reason. ret_failed (may be NULL): the
 * index of the request that failed. The kernel goes on behind a failed request of NETLINK_ROUTE; a
 * batch of nftables is taken whole or not at all. */
int sn_nl_commit(struct sn_nl *nl, unsigned *ret_failed);

/* One received message. */
struct sn_nl_msg {
    uint16_t type, flags;
    uint32_t seq;
    struct sn_str body; /* behind the netlink header */
};
/* sn_nl_query - sends the one queued request and calls fn with each message of the answer, until fn
 * fails. Returns 0, the kernel's error or fn's. */
int sn_nl_query(struct sn_nl *nl, int (*fn)(const struct sn_nl_msg *m, void *arg),
                void *arg) SN_MUST_CHECK;

/* ---- reading, sans I/O ---- */

/* sn_nl_next - takes the next message off *in. Returns 1; 0 at the end; SN_E_PROTOCOL (truncated).
 */
int sn_nl_next(struct sn_str *in, struct sn_nl_msg *ret) SN_MUST_CHECK;
/* sn_nl_attr - takes the next attribute off *in; the flags of its type are masked off.
 * Returns 1; 0 at the end; SN_E_PROTOCOL. */
int sn_nl_attr(struct sn_str *in, uint16_t *ret_type, struct sn_str *ret) SN_MUST_CHECK;
/* sn_nl_attr_find - the first attribute of `type`, .ptr NULL where there is none (or it is
 * malformed). */
struct sn_str sn_nl_attr_find(struct sn_str attrs, uint16_t type);
/* sn_nl_u32 - of an attribute's bytes; `other` where it has not four. */
uint32_t sn_nl_u32(struct sn_str v, uint32_t other);
/* sn_nl_ack - what an acknowledgement says. Returns 0, or an errno, positive; ret_text: the
 * kernel's own words, maybe empty; borrows m. */
int sn_nl_ack(const struct sn_nl_msg *m, struct sn_str *ret_text);
