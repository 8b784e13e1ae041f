/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/wal.c - frames and records. */
#include "consensus/wal.h"

#include "consensus/codec_int.h"
#include "core/crc32c.h"
#include "google/protobuf/duration.pb.h"
#include "tendermint/consensus/wal.pb.h"

static void put_be32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}
static uint32_t get_be32(const char *s)
{
    const uint8_t *p = (const uint8_t *)s;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* ---- writing ---- */

static void *timeout_pb(const struct sn_cons_timeout *t, struct sn_arena *a)
{
    struct tendermint_consensus_timeout_info *m = tendermint_consensus_timeout_info_new(a);
    if (!m || !(m->duration = google_protobuf_duration_new(a))) return NULL;
    m->duration->seconds = t->duration_ns / SN_SEC;
    m->duration->nanos = (int32_t)(t->duration_ns % SN_SEC);
    m->height = t->height;
    m->round = t->round;
    m->step = t->step;
    return m;
}
static void *msg_info_pb(const struct sn_cons_wal_record *rec, struct sn_arena *a)
{
    struct tendermint_consensus_msg_info *m = tendermint_consensus_msg_info_new(a);
    if (!m || !(m->msg = sn_cons_msg_pb(&rec->msg, a))) return NULL;
    m->peer_id = sn_str_of(rec->peer.b, rec->peer.len);
    return m;
}
static void *content_pb(const struct sn_cons_wal_record *rec, struct sn_arena *a)
{
    if (rec->kind == SN_CONS_WAL_MSG) return msg_info_pb(rec, a);
    if (rec->kind == SN_CONS_WAL_TIMEOUT) return timeout_pb(&rec->timeout, a);
    if (rec->kind == SN_CONS_WAL_END_HEIGHT) {
        struct tendermint_consensus_end_height *m = tendermint_consensus_end_height_new(a);
        if (m) m->height = rec->height;
        return m;
    }
    struct tendermint_types_event_data_round_state *m =
        tendermint_types_event_data_round_state_new(a);
    if (!m) return NULL;
    m->height = rec->height;
    m->round = rec->round;
    m->step = rec->step;
    return m;
}

int sn_cons_wal_encode(const struct sn_cons_wal_record *rec, struct sn_buf *out)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct tendermint_consensus_timed_wal_message *m =
        tendermint_consensus_timed_wal_message_new(&a);
    if (!m || !(m->time = sn_cons_time_pb(rec->time, &a)) ||
        !(m->msg = tendermint_consensus_wal_message_new(&a)))
        return SN_E_NOMEM;
    m->msg->sum_case = rec->kind;
    m->msg->end_height = content_pb(rec, &a);
    if (!m->msg->end_height) return SN_E_NOMEM;
    size_t at = out->len;
    static const uint8_t room[SN_CONS_WAL_FRAME];
    int r = sn_buf_put(out, room, sizeof(room));
    ssize_t n = r < 0 ? r : tendermint_consensus_timed_wal_message_encode(m, out);
    if (n > SN_CONS_WAL_MSG_MAX)
        n = sn_fail(SN_E_TOO_LARGE, "log message of %zd bytes, at most %u", n, SN_CONS_WAL_MSG_MAX);
    if (n < 0) {
        out->len = at;
        return (int)n;
    }
    put_be32(out->ptr + at, sn_crc32c(0, out->ptr + at + SN_CONS_WAL_FRAME, (size_t)n));
    put_be32(out->ptr + at + 4, (uint32_t)n);
    return 0;
}

/* ---- reading ---- */

/* The message of the first frame. Returns 0, SN_E_EOF, SN_E_AGAIN, SN_E_DATA_LOSS. */
static int frame(struct sn_str in, struct sn_str *ret)
{
    if (in.len == 0) return SN_E_EOF;
    if (in.len < SN_CONS_WAL_FRAME) return SN_E_AGAIN;
    uint32_t crc = get_be32(in.ptr), len = get_be32(in.ptr + 4);
    if (len > SN_CONS_WAL_MSG_MAX)
        return sn_fail(SN_E_DATA_LOSS, "log frame says %u bytes, at most %u", len,
                       SN_CONS_WAL_MSG_MAX);
    /* What a crash leaves of a file that had grown: zeros, whose checksum even is right. */
    if (len == 0) return sn_fail(SN_E_DATA_LOSS, "log frame is empty");
    if (in.len - SN_CONS_WAL_FRAME < len) return SN_E_AGAIN;
    *ret = sn_str_sub(in, SN_CONS_WAL_FRAME, SN_CONS_WAL_FRAME + len);
    uint32_t got = sn_crc32c(0, ret->ptr, len);
    if (got != crc)
        return sn_fail(SN_E_DATA_LOSS, "log frame has checksum %08x, expected %08x", crc, got);
    return 0;
}

size_t sn_cons_wal_intact(struct sn_str in)
{
    struct sn_str rest = in, msg;
    while (frame(rest, &msg) == 0) rest = sn_str_from(rest, SN_CONS_WAL_FRAME + msg.len);
    return in.len - rest.len;
}

static int timeout_of(const struct tendermint_consensus_timeout_info *m, struct sn_cons_timeout *ret)
{
    __int128 ns = m->duration ? (__int128)m->duration->seconds * SN_SEC + m->duration->nanos : 0;
    if (ns > INT64_MAX || ns < INT64_MIN || m->step > SN_CONS_STEP_COMMIT)
        return sn_fail(SN_E_INVALID_ARGUMENT, "timeout of step %u", m->step);
    *ret = (struct sn_cons_timeout){(int64_t)ns, m->height, m->round, (uint8_t)m->step};
    return 0;
}
static int msg_info_of(const struct tendermint_consensus_msg_info *m,
                       struct sn_cons_wal_record *ret, struct sn_arena *a)
{
    if (m->peer_id.len > SN_CONS_PEER_ID_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "peer id of %zu bytes, at most %d", m->peer_id.len,
                       SN_CONS_PEER_ID_MAX);
    ret->peer.len = (uint8_t)m->peer_id.len;
    if (m->peer_id.len) memcpy(ret->peer.b, m->peer_id.ptr, m->peer_id.len);
    return sn_cons_msg_of(m->msg, &ret->msg, a);
}
static int record_of(const struct tendermint_consensus_timed_wal_message *m,
                     struct sn_cons_wal_record *ret, struct sn_arena *a)
{
    *ret = (struct sn_cons_wal_record){.kind = m->msg ? m->msg->sum_case : 0};
    int r = sn_cons_time_of(m->time, &ret->time);
    if (r < 0) return r;
    switch (ret->kind) {
    case SN_CONS_WAL_ROUND_STATE:
        ret->height = m->msg->event_data_round_state->height;
        ret->round = m->msg->event_data_round_state->round;
        ret->step = m->msg->event_data_round_state->step;
        return 0;
    case SN_CONS_WAL_MSG: return msg_info_of(m->msg->msg_info, ret, a);
    case SN_CONS_WAL_TIMEOUT: return timeout_of(m->msg->timeout_info, &ret->timeout);
    case SN_CONS_WAL_END_HEIGHT: ret->height = m->msg->end_height->height; return 0;
    }
    return sn_fail(SN_E_INVALID_ARGUMENT, "record of no known kind");
}

int sn_cons_wal_next(struct sn_str *in, struct sn_arena *a, struct sn_cons_wal_record *ret)
{
    struct sn_str msg;
    struct tendermint_consensus_timed_wal_message *m;
    int r = frame(*in, &msg);
    if (r < 0) return r;
    r = tendermint_consensus_timed_wal_message_parse(msg, SN_PB_DISCARD_UNKNOWN, a, &m);
    if (r >= 0) r = record_of(m, ret, a);
    if (r == SN_E_NOMEM) return r;
    if (r < 0) return sn_wrap(SN_E_DATA_LOSS, "log record");
    *in = sn_str_from(*in, SN_CONS_WAL_FRAME + msg.len);
    return 0;
}
