/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/sync/statesync_msg.c - encoding and checks. */
#include "consensus/sync/statesync_msg.h"

#include "tendermint/statesync/types.pb.h"

#define HASH 32u

static bool fill(const struct sn_statesync_msg *m, struct sn_arena *a,
                 struct tendermint_statesync_message *pb)
{
    switch (m->kind) {
    case SN_STATESYNC_SNAPSHOTS_REQUEST:
        return (pb->snapshots_request = tendermint_statesync_snapshots_request_new(a));
    case SN_STATESYNC_SNAPSHOTS_RESPONSE: {
        struct tendermint_statesync_snapshots_response *x = pb->snapshots_response =
            tendermint_statesync_snapshots_response_new(a);
        if (x) {
            x->height = m->height;
            x->format = m->format;
            x->chunks = m->n;
            x->hash = m->hash;
            x->metadata = m->metadata;
        }
        return x;
    }
    case SN_STATESYNC_CHUNK_REQUEST: {
        struct tendermint_statesync_chunk_request *x = pb->chunk_request =
            tendermint_statesync_chunk_request_new(a);
        if (x) {
            x->height = m->height;
            x->format = m->format;
            x->index = m->n;
        }
        return x;
    }
    case SN_STATESYNC_CHUNK_RESPONSE: {
        struct tendermint_statesync_chunk_response *x = pb->chunk_response =
            tendermint_statesync_chunk_response_new(a);
        if (x) {
            x->height = m->height;
            x->format = m->format;
            x->index = m->n;
            x->chunk = m->chunk;
            x->missing = m->missing;
        }
        return x;
    }
    }
    return false;
}
int sn_statesync_encode(const struct sn_statesync_msg *m, struct sn_buf *out)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    sn_arena_init(&a, NULL, 0);
    struct tendermint_statesync_message *pb = tendermint_statesync_message_new(&a);
    if (!pb) return SN_E_NOMEM;
    pb->sum_case = (__typeof__(pb->sum_case))m->kind;
    if (!fill(m, &a, pb)) return SN_E_NOMEM;
    ssize_t r = tendermint_statesync_message_encode(pb, out);
    return r < 0 ? (int)r : 0;
}

static int bad(const char *what) { return sn_fail(SN_E_INVALID_ARGUMENT, "state sync: %s", what); }

static int check(const struct sn_statesync_msg *m)
{
    if (m->kind == SN_STATESYNC_SNAPSHOTS_REQUEST) return 0;
    if (m->height == 0 || m->height > INT64_MAX - 2) return bad("a height that is none");
    if (m->kind == SN_STATESYNC_SNAPSHOTS_RESPONSE) {
        if (m->hash.len == 0) return bad("a snapshot without hash");
        if (m->n == 0) return bad("a snapshot without chunks");
        if (m->n > SN_SNAPSHOT_CHUNKS_MAX)
            return sn_fail(SN_E_TOO_LARGE, "state sync: a snapshot of %u chunks, at most %u", m->n,
                           SN_SNAPSHOT_CHUNKS_MAX);
    }
    if (m->kind == SN_STATESYNC_CHUNK_RESPONSE && m->missing != (m->chunk.len == 0))
        return bad("a chunk that is neither there nor missing");
    return 0;
}
int sn_statesync_decode(struct sn_str in, struct sn_arena *a, struct sn_statesync_msg *ret)
{
    struct tendermint_statesync_message *pb;
    int r = tendermint_statesync_message_parse(in, SN_PB_DISCARD_UNKNOWN, a, &pb);
    if (r < 0) return sn_wrap(r, "state sync message");
    struct sn_statesync_msg m = {.kind = (enum sn_statesync_kind)pb->sum_case};
    switch (m.kind) {
    case SN_STATESYNC_SNAPSHOTS_REQUEST: break;
    case SN_STATESYNC_SNAPSHOTS_RESPONSE:
        m.height = pb->snapshots_response->height;
        m.format = pb->snapshots_response->format;
        m.n = pb->snapshots_response->chunks;
        m.hash = pb->snapshots_response->hash;
        m.metadata = pb->snapshots_response->metadata;
        break;
    case SN_STATESYNC_CHUNK_REQUEST:
        m.height = pb->chunk_request->height;
        m.format = pb->chunk_request->format;
        m.n = pb->chunk_request->index;
        break;
    case SN_STATESYNC_CHUNK_RESPONSE:
        m.height = pb->chunk_response->height;
        m.format = pb->chunk_response->format;
        m.n = pb->chunk_response->index;
        m.chunk = pb->chunk_response->chunk;
        m.missing = pb->chunk_response->missing;
        break;
    default: return bad("a message of no known kind");
    }
    if ((r = check(&m)) < 0) return r;
    *ret = m;
    return 0;
}

const uint8_t *sn_statesync_manifest(struct sn_str metadata, uint32_t n, struct sn_arena *a)
{
    static const char head[2] = {0x0a, HASH};
    if (n == 0 || metadata.len != (size_t)n * (HASH + sizeof(head))) return NULL;
    uint8_t *hashes = sn_arena_alloc(a, (size_t)n * HASH);
    for (uint32_t i = 0; hashes && i < n; i++) {
        const char *e = metadata.ptr + (size_t)i * (HASH + sizeof(head));
        if (memcmp(e, head, sizeof(head)) != 0) return NULL;
        memcpy(hashes + (size_t)i * HASH, e + sizeof(head), HASH);
    }
    return hashes;
}
