/* SPDX-License-Identifier: Apache-2.0 */
/* Our side of tests/interop/chain_store.sh.
 *   chain_store_peer dump DATA          what chain_store/main.go prints
 *   chain_store_peer replay HOME OUT [HEIGHT]  the chain of HOME again, up to there: its genesis, its blocks, its
 * application's answers, through our state machine into fresh stores under OUT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "consensus/answer.h"
#include "consensus/block_store.h"
#include "consensus/genesis.h"
#include "consensus/key.h"
#include "consensus/privval.h"
#include "consensus/state_store.h"
#include "consensus/valset.h"
#include "core/status.h"
#include "fiber/fiber.h"

struct stores {
    struct sn_cons_block_store *blocks;
    struct sn_cons_state_store *states;
};

static int open_stores(const char *folder, bool must_exist, struct stores *ret)
{
    const struct sn_kv_opts o = {.must_exist = must_exist};
    struct sn_kv *kv;
    char path[512];
    snprintf(path, sizeof(path), "%s/blockstore.db", folder);
    int r = sn_kv_open(path, &o, &kv);
    if (r == 0) r = sn_cons_block_store_new(kv, &ret->blocks);
    snprintf(path, sizeof(path), "%s/state.db", folder);
    if (r == 0) r = sn_kv_open(path, &o, &kv);
    if (r == 0 && !(ret->states = sn_cons_state_store_new(kv, false))) r = SN_E_NOMEM;
    return r;
}
static void close_stores(struct stores *s)
{
    sn_cons_block_store_free(s->blocks);
    sn_cons_state_store_free(s->states);
}

static void print_hex(const void *data, size_t n, const char *digit)
{
    for (size_t i = 0; i < n; i++) printf(digit, ((const uint8_t *)data)[i]);
}
static int print_encoded(const char *kind, int64_t height, struct sn_buf *b, int r)
{
    if (r < 0) return r;
    printf("%s %" PRId64 " ", kind, height);
    print_hex(b->ptr, b->len, "%02x");
    putchar('\n');
    sn_buf_reset(b);
    return 0;
}

static int dump_block(struct stores *s, int64_t h, struct sn_buf *b)
{
    struct sn_cons_block_meta meta;
    struct sn_cons_block *block;
    int64_t found;
    int r = sn_cons_block_store_block(s->blocks, h, &block);
    if (r == 0) r = print_encoded("block", h, b, sn_cons_block_encode(block, b));
    if (r == 0) sn_cons_block_unref(block);
    if (r == 0) r = sn_cons_block_store_meta(s->blocks, h, &meta);
    if (r < 0) return r;
    printf("meta %" PRId64 " %" PRId64 " %" PRId64 " ", h, meta.block_size, meta.num_txs);
    print_hex(meta.block_id.hash.b, meta.block_id.hash.len, "%02X");
    printf(" %u\n", meta.block_id.parts.total);
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_cons_commit c;
    sn_arena_init(&a, NULL, 0);
    r = sn_cons_block_store_commit(s->blocks, h, &a, &c);
    if (r == 0) r = print_encoded("commit", h, b, sn_cons_commit_encode(&c, b));
    if (r == SN_E_NOT_FOUND) r = 0;
    if (r == 0) r = sn_cons_block_store_seen(s->blocks, h, &a, &c);
    if (r == 0) r = print_encoded("seen", h, b, sn_cons_commit_encode(&c, b));
    if (r == 0) r = sn_cons_block_store_find(s->blocks, &meta.block_id.hash, &found);
    if (r == 0) printf("find %" PRId64 "\n", found);
    return r;
}

static int dump_state(struct stores *s, int64_t h, struct sn_buf *b)
{
    struct sn_cons_valset *vals;
    struct sn_cons_params p;
    int r = sn_cons_state_store_validators(s->states, h + 1, &vals);
    if (r == 0) {
        vals->total = 0;
        r = print_encoded("validators", h + 1, b, sn_cons_valset_encode(vals, b));
        sn_cons_valset_unref(vals);
    }
    if (r == 0) r = sn_cons_state_store_params(s->states, h, &p);
    if (r == 0)
        printf("params %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", h, p.block_max_bytes,
               p.block_max_gas, p.evidence_max_blocks);
    return r < 0 ? r : print_encoded("answer", h, b, sn_cons_state_store_answer(s->states, h, b));
}

static int dump(struct stores *s)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    struct sn_cons_state *state;
    sn_buf_init(&b, 0);
    int64_t h = sn_cons_block_store_base(s->blocks), end = sn_cons_block_store_height(s->blocks);
    int r = 0;
    printf("range %" PRId64 " %" PRId64 "\n", h, end);
    for (; r == 0 && h <= end; h++) {
        r = dump_block(s, h, &b);
        if (r == 0) r = dump_state(s, h, &b);
    }
    if (r == 0) r = sn_cons_state_store_load(s->states, &state);
    if (r < 0) return r;
    printf("state %" PRId64 " ", state->last_height);
    print_hex(state->app_hash.b, state->app_hash.len, "%02X");
    putchar(' ');
    print_hex(state->last_results_hash.b, state->last_results_hash.len, "%02X");
    putchar('\n');
    sn_cons_state_unref(state);
    return 0;
}

/* One block of `from` onto *state, into `to`. */
static int replay_block(struct stores *from, struct stores *to, int64_t h,
                        struct sn_cons_state **state)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_buf b SN_CLEANUP(sn_buf_done), answer SN_CLEANUP(sn_buf_done);
    struct sn_cons_block *block = NULL;
    struct sn_cons_part_set *parts = NULL;
    struct sn_cons_commit seen;
    struct sn_cons_block_result res;
    struct sn_cons_state *next;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    sn_buf_init(&answer, 0);
    int r = sn_cons_block_store_block(from->blocks, h, &block);
    if (r == 0) r = sn_cons_state_validate(*state, &sn_cons_verifier_zip215, block);
    if (r == 0) r = sn_cons_block_encode(block, &b);
    if (r == 0) r = sn_cons_part_set_split(sn_buf_view(&b), &parts);
    if (r == 0) r = sn_cons_block_store_seen(from->blocks, h, &a, &seen);
    if (r == 0) r = sn_cons_block_store_save(to->blocks, block, parts, &seen, false);
    if (r == 0) r = sn_cons_state_store_answer(from->states, h, &answer);
    if (r == 0) r = sn_cons_state_store_save_answer(to->states, h, sn_buf_view(&answer));
    if (r == 0) r = sn_cons_answer_parse(sn_buf_view(&answer), &a, &res);
    if (r == 0) {
        const struct sn_cons_block_id id = {block->hash, parts->header};
        r = sn_cons_state_apply(*state, block, &id, &res, &next);
    }
    if (r == 0) {
        sn_cons_state_unref(*state);
        *state = next;
        r = sn_cons_state_store_save(to->states, next);
    }
    sn_cons_block_unref(block);
    sn_cons_part_set_unref(parts);
    return r;
}

/* The state after InitChain: the application's version is the one its first block names. */
static int begin(const char *home, struct stores *from, struct stores *to,
                 struct sn_cons_state **ret)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_cons_genesis g;
    struct sn_cons_block_meta first;
    struct sn_cons_state *st, *after;
    char path[512];
    static char text[1 << 20];
    sn_arena_init(&a, NULL, 0);
    snprintf(path, sizeof(path), "%s/config/genesis.json", home);
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(text, 1, sizeof(text), f) : 0;
    if (!f) return sn_fail(SN_E_NOT_FOUND, "%s", path);
    fclose(f);
    int r = sn_cons_genesis_parse(sn_str_of(text, n), &a, &g);
    if (r == 0) r = sn_cons_genesis_state(&g, &st);
    if (r == 0) r = sn_cons_state_store_save(to->states, st);
    if (r == 0)
        r = sn_cons_block_store_meta(from->blocks, sn_cons_block_store_base(from->blocks), &first);
    if (r < 0) return r;
    struct sn_cons_init_result init = {.app_hash = first.header.app_hash};
    r = sn_cons_state_init_chain(st, &init, &after);
    sn_cons_state_unref(st);
    if (r < 0) return r;
    after->app_version = first.header.app_version;
    *ret = after;
    return sn_cons_state_store_save(to->states, after);
}

static int replay(const char *home, struct stores *from, const char *out, int64_t last)
{
    struct stores to = {0};
    struct sn_cons_state *state = NULL;
    int r = open_stores(out, false, &to);
    if (r == 0) r = begin(home, from, &to, &state);
    last = SN_MIN(last, sn_cons_block_store_height(from->blocks));
    for (int64_t h = 1; r == 0 && h <= last; h++) {
        r = replay_block(from, &to, h, &state);
        if (r < 0) r = sn_wrap(r, "block %" PRId64, h);
    }
    sn_cons_state_unref(state);
    close_stores(&to);
    return r;
}

static int prevote(char **argv)
{
    const struct sn_privval_opts o = {.key_path = argv[2], .state_path = argv[3], .make = true};
    struct sn_privval *pv;
    uint8_t addr[SN_CONS_ADDR_LEN];
    struct sn_cons_vote v = {.type = SN_CONS_PREVOTE,
                             .height = atoll(argv[4]),
                             .time = {1700000000, 0}};
    int r = sn_privval_open(&o, &pv);
    if (r == 0) r = sn_cons_key_addr(sn_privval_key(pv), addr);
    if (r < 0) return r;
    print_hex(addr, sizeof(addr), "%02X");
    printf(" %" PRId64 " ", sn_privval_height(pv));
    r = sn_privval_sign_vote(pv, SN_STR("test"), &v);
    if (r == 0) print_hex(v.sig.b, v.sig.len, "%02x");
    puts(r < 0 ? "refused" : "");
    sn_privval_close(pv);
    return 0;
}

static int work(void *arg)
{
    char **argv = arg;
    if (argv[1][0] == 'p') return prevote(argv);
    char data[512];
    struct stores s = {0};
    bool again = argv[1][0] == 'r';
    snprintf(data, sizeof(data), again ? "%s/data" : "%s", argv[2]);
    int r = open_stores(data, true, &s);
    if (r == 0) r = again ? replay(argv[2], &s, argv[3], argv[4] ? atoll(argv[4]) : INT64_MAX)
                        : dump(&s);
    close_stores(&s);
    return r;
}

int main(int argc, char **argv)
{
    if (argc < 3) return 2;
    int r = sn_rt_run(NULL, work, argv);
    if (r < 0) fprintf(stderr, "chain_store_peer: %s\n", sn_diag_str(r));
    return r == SN_E_UNIMPLEMENTED ? 77 : r < 0;
}
