/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/part_set.c - splitting, collecting, joining. */
#include "consensus/part_set.h"

#include "core/alloc.h"
#include "crypto/merkle.h"

int sn_cons_part_set_new(const struct sn_cons_part_set_header *h, struct sn_cons_part_set **ret)
{
    if (h->total > SN_CONS_PARTS_MAX)
        return sn_fail(SN_E_TOO_LARGE, "block of %u parts, at most %u", h->total,
                       (unsigned)SN_CONS_PARTS_MAX);
    struct sn_cons_part_set *s = SN_NEW(struct sn_cons_part_set);
    if (!s) return SN_E_NOMEM;
    s->refs = 1;
    s->header = *h;
    s->parts = SN_NEW_ARRAY(struct sn_cons_part *, h->total + 1);
    if (!s->parts || sn_cons_bits_init(&s->have, h->total) < 0) {
        sn_cons_part_set_unref(s);
        return SN_E_NOMEM;
    }
    *ret = s;
    return 0;
}
struct sn_cons_part_set *sn_cons_part_set_ref(struct sn_cons_part_set *s)
{
    s->refs++;
    return s;
}
void sn_cons_part_set_unref(struct sn_cons_part_set *s)
{
    if (!s || --s->refs) return;
    for (uint32_t i = 0; s->parts && i < s->header.total; i++) sn_free(s->parts[i]);
    sn_free(s->parts);
    sn_cons_bits_done(&s->have);
    sn_free(s);
}

/* One block of memory: the struct, its aunts, its bytes. */
static struct sn_cons_part *copy_part(const struct sn_cons_part *p)
{
    size_t aunts = (size_t)p->n_aunts * SN_CONS_HASH_LEN;
    struct sn_cons_part *n = sn_alloc(sizeof(*n) + aunts + p->bytes.len);
    if (!n) return NULL;
    *n = *p;
    n->aunts = (const uint8_t(*)[SN_CONS_HASH_LEN])(n + 1);
    n->bytes.ptr = (const char *)(n + 1) + aunts;
    if (aunts) memcpy(n + 1, p->aunts, aunts);
    if (p->bytes.len) memcpy((char *)(n + 1) + aunts, p->bytes.ptr, p->bytes.len);
    return n;
}
static int keep(struct sn_cons_part_set *s, const struct sn_cons_part *p)
{
    struct sn_cons_part *n = copy_part(p);
    if (!n) return SN_E_NOMEM;
    s->parts[p->index] = n;
    sn_cons_bits_set(&s->have, p->index);
    s->count++;
    s->byte_size += p->bytes.len;
    return 1;
}

int sn_cons_part_set_add(struct sn_cons_part_set *s, const struct sn_cons_part *p)
{
    if (p->index >= s->header.total)
        return sn_fail(SN_E_INVALID_ARGUMENT, "block part %u of a block of %u", p->index,
                       s->header.total);
    if (s->parts[p->index]) return 0;
    uint8_t leaf[SN_CONS_HASH_LEN], root[SN_CONS_HASH_LEN];
    if (p->proof_total != s->header.total || p->proof_index != p->index)
        return sn_fail(SN_E_INVALID_ARGUMENT, "block part %u of %u has the proof of leaf %lld of %lld",
                       p->index, s->header.total, (long long)p->proof_index,
                       (long long)p->proof_total);
    int r = sn_merkle_leaf(p->bytes, leaf);
    if (r < 0) return r;
    r = sn_merkle_climb(leaf, p->index, s->header.total, p->aunts, p->n_aunts, root);
    if (r == SN_E_INTERNAL || r == SN_E_NOMEM) return r;
    if (r < 0 || memcmp(leaf, p->leaf_hash, sizeof(leaf)) != 0 ||
        s->header.hash.len != SN_CONS_HASH_LEN || memcmp(root, s->header.hash.b, sizeof(root)) != 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "block part %u: its proof does not lead to the root",
                       p->index);
    return keep(s, p);
}

static int split_all(struct sn_str data, struct sn_cons_part_set *s)
{
    uint32_t n = s->header.total;
    uint8_t(*leaves)[SN_MERKLE_LEN] SN_CLEANUP(sn_freep) = sn_zalloc(n, SN_MERKLE_LEN);
    uint8_t(*scratch)[SN_MERKLE_LEN] SN_CLEANUP(sn_freep) = sn_zalloc(n, SN_MERKLE_LEN);
    if (!leaves || !scratch) return SN_E_NOMEM;
    int r = 0;
    for (uint32_t i = 0; i < n && r >= 0; i++)
        r = sn_merkle_leaf(sn_str_sub(data, (size_t)i * SN_CONS_PART_BYTES,
                                      (size_t)(i + 1) * SN_CONS_PART_BYTES),
                           leaves[i]);
    if (r < 0) return r;
    memcpy(scratch, leaves, (size_t)n * SN_MERKLE_LEN);
    s->header.hash.len = SN_CONS_HASH_LEN;
    r = sn_merkle_fold(scratch, n, s->header.hash.b);
    for (uint32_t i = 0; i < n && r >= 0; i++) {
        uint8_t aunts[64][SN_MERKLE_LEN];
        struct sn_cons_part p = {.index = i, .proof_total = n, .proof_index = i};
        p.bytes = sn_str_sub(data, (size_t)i * SN_CONS_PART_BYTES,
                             (size_t)(i + 1) * SN_CONS_PART_BYTES);
        memcpy(p.leaf_hash, leaves[i], SN_MERKLE_LEN);
        p.n_aunts = sn_merkle_depth(i, n);
        p.aunts = (const uint8_t(*)[SN_CONS_HASH_LEN])aunts;
        r = sn_merkle_aunts((const uint8_t(*)[SN_MERKLE_LEN])leaves, n, i, aunts);
        if (r >= 0) r = keep(s, &p);
    }
    return r;
}

int sn_cons_part_set_split(struct sn_str data, struct sn_cons_part_set **ret)
{
    if (data.len > SN_CONS_BLOCK_BYTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "block of %zu bytes, at most %d", data.len,
                       SN_CONS_BLOCK_BYTES_MAX);
    struct sn_cons_part_set_header h = {
        .total = (uint32_t)((data.len + SN_CONS_PART_BYTES - 1) / SN_CONS_PART_BYTES)};
    struct sn_cons_part_set *s;
    int r = sn_cons_part_set_new(&h, &s);
    if (r < 0) return r;
    r = split_all(data, s);
    if (r < 0) {
        sn_cons_part_set_unref(s);
        return r;
    }
    *ret = s;
    return 0;
}

int sn_cons_part_set_join(const struct sn_cons_part_set *s, struct sn_buf *out)
{
    SN_ASSERT(sn_cons_part_set_complete(s));
    for (uint32_t i = 0; i < s->header.total; i++) sn_buf_str(out, s->parts[i]->bytes);
    return out->err;
}
