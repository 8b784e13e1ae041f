/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_evidence_list.c - a peer's list of evidence: the pieces are parts of it, in order, and
 * what is a piece has an id, and encoded anew the same one. */
#include <stdlib.h>

#include "consensus/codec.h"
#include "consensus/hash.h"
#include "consensus/reactors/evidence.h"
#include "core/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void piece(struct sn_str encoded)
{
    struct sn_arena a;
    struct sn_cons_evidence ev, again;
    struct sn_cons_hash id, other;
    struct sn_buf out = {0};
    sn_arena_init(&a, NULL, 16u << 20);
    if (sn_cons_evidence_decode(encoded, &a, &ev) >= 0 && sn_cons_evidence_id(&ev, &id) >= 0 &&
        sn_cons_evidence_encode(&ev, &out) >= 0) {
        int r = sn_cons_evidence_decode(sn_buf_view(&out), &a, &again);
        if (r >= 0) r = sn_cons_evidence_id(&again, &other);
        if (r >= 0 ? !sn_cons_hash_eq(&id, &other) : r != SN_E_NOMEM) abort();
    }
    sn_buf_done(&out);
    sn_arena_done(&a);
}
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_str list = sn_str_of((const char *)data, size), x;
    size_t at = 0, before = 0;
    int r;
    while ((r = sn_evidence_list_next(list, &at, &x)) > 0) {
        if (x.ptr < list.ptr + before || x.ptr + x.len != list.ptr + at || at > size) abort();
        piece(x);
        before = at;
    }
    if (r == 0 && at != size) abort();
    return 0;
}
