/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_light.c - what a node's RPC says to a light client, and what peers say of snapshots:
 * what is read is written as what reads the same. Byte 0: which. */
#include <stdlib.h>

#include "consensus/rpc/json.h"
#include "consensus/rpc/json_read.h"
#include "consensus/sync/statesync_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void signed_header(const struct sn_json *doc, struct sn_arena *a)
{
    struct sn_cons_light_block b, again;
    const struct sn_json *second;
    struct sn_buf out = {0};
    if (sn_cons_json_read_signed_header(doc, a, &b) < 0) return;
    sn_buf_cstr(&out, "{\"header\":");
    sn_cons_json_header(&out, &b.header);
    sn_buf_cstr(&out, ",\"commit\":");
    sn_cons_json_commit(&out, &b.commit);
    sn_buf_cstr(&out, "}");
    if (out.err == 0 && sn_json_parse(a, sn_buf_view(&out), NULL, &second) == 0) {
        if (sn_cons_json_read_signed_header(second, a, &again) < 0) abort();
        if (again.header.height != b.header.height || again.commit.n != b.commit.n ||
            !sn_cons_block_id_eq(&again.commit.block_id, &b.commit.block_id))
            abort();
    }
    sn_buf_done(&out);
}
static void json(struct sn_str in, unsigned which)
{
    struct sn_arena a;
    const struct sn_json *doc;
    struct sn_cons_validator v;
    struct sn_cons_evidence ev;
    sn_arena_init(&a, NULL, 64u << 20);
    if (sn_json_parse(&a, in, NULL, &doc) == 0) {
        if (which == 0)
            signed_header(doc, &a);
        else if (which == 1)
            (void)!sn_cons_json_read_validator(doc, &v);
        else
            (void)!sn_cons_json_read_evidence(doc, &a, &ev);
    }
    sn_arena_done(&a);
}
static void message(struct sn_str in)
{
    struct sn_arena a;
    struct sn_statesync_msg m, again;
    struct sn_buf out = {0};
    sn_arena_init(&a, NULL, 64u << 20);
    if (sn_statesync_decode(in, &a, &m) == 0) {
        (void)sn_statesync_manifest(m.metadata, m.n, &a);
        if (sn_statesync_encode(&m, &out) == 0) {
            if (sn_statesync_decode(sn_buf_view(&out), &a, &again) < 0) abort();
            if (again.kind != m.kind || again.height != m.height || again.n != m.n ||
                !sn_str_eq(again.chunk, m.chunk) || !sn_str_eq(again.metadata, m.metadata))
                abort();
        }
    }
    sn_buf_done(&out);
    sn_arena_done(&a);
}
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    struct sn_str in = sn_str_of((const char *)data + 1, size - 1);
    if (data[0] % 4 == 3)
        message(in);
    else
        json(in, data[0] % 4);
    return 0;
}
