/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_pex.c - a peer's messages about addresses, and an address book's file that anybody may
 * have written: the book stays whole, what was read is written as what reads the same. Byte 0:
 * which, and whether we asked. */
#include <stdlib.h>

#include "consensus/p2p/book_int.h"
#include "consensus/p2p/pex.h"
#include "core/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW (1700000000 * SN_SEC)

static void check(const struct sn_book *b)
{
    size_t n = 0;
    for (unsigned i = 0; i < SN_BOOK_NEW_BUCKETS; i++) n += b->fresh[i].n;
    for (unsigned i = 0; i < SN_BOOK_OLD_BUCKETS; i++) n += b->old[i].n;
    if (n != b->n_fresh + b->n_old || n != b->known.len) abort();
}
static struct sn_book *make(void)
{
    struct sn_book *b;
    return sn_book_new(&(struct sn_book_opts){.seed = 1}, &b) < 0 ? NULL : b;
}
static void file(struct sn_str text)
{
    struct sn_book *b = make(), *c = make();
    struct sn_buf out = {0}, again = {0};
    if (b && c && sn_book_load(b, NOW, text) >= 0) {
        check(b);
        if (sn_book_save(b, &out) == 0) {
            if (sn_book_load(c, NOW, sn_buf_view(&out)) != 0) abort();
            if (sn_book_save(c, &again) == 0 && !sn_str_eq(sn_buf_view(&out), sn_buf_view(&again)))
                abort();
        }
    }
    sn_buf_done(&out);
    sn_buf_done(&again);
    sn_book_free(b);
    sn_book_free(c);
}
static void message(struct sn_str in, bool asked)
{
    struct sn_book *b = make();
    struct sn_pex p = {.asked = asked};
    struct sn_node_addr peer;
    struct sn_buf out = {0};
    if (b &&
        sn_node_addr_parse(&peer, SN_STR("0123456789abcdef0123456789abcdef01234567@8.8.8.8:1")) ==
            0) {
        int r = sn_pex_receive(&p, b, NOW, &peer, in, &out);
        if (r > 0 && (!asked || (size_t)r != b->n_fresh)) abort();
        check(b);
    }
    sn_buf_done(&out);
    sn_book_free(b);
}
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    struct sn_str in = sn_str_of((const char *)data + 1, size - 1);
    if (data[0] & 1)
        file(in);
    else
        message(in, data[0] & 2);
    return 0;
}
