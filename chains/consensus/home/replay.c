/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/home/replay.c - the log's files, the state to begin with, and the core in between. */
#include "consensus/answer.h"
#include "consensus/home/replay_int.h"
#include "consensus/home/rollback.h"
#include "core/alloc.h"
#include "core/vec.h"
#include "fiber/os.h"

#define RECORD_ARENA_MAX (16u << 20)

struct sn_home_replay {
    struct sn_home_replay_opts o;
    struct sn_arena files; /* their text */
    SN_VEC(struct sn_str) pieces; /* the newest first; the last begins with the first record */
    size_t bytes;
    struct sn_cons_state *begin;
    struct sn_cons_core *core;
    size_t piece;       /* the file being read, and what is left of it */
    struct sn_str rest;
    uint64_t count;
    bool stopped; /* a block would have to be executed that never was */
};

/* ---- the log ---- */

/* What follows the end of `height` in the text; .ptr NULL where it has no such end. */
static int find_end(struct sn_str text, int64_t height, struct sn_str *ret)
{
    struct sn_arena a;
    int r = 0;
    *ret = (struct sn_str){0};
    sn_arena_init(&a, NULL, RECORD_ARENA_MAX);
    while (r == 0 && !ret->ptr) {
        struct sn_cons_wal_record rec;
        sn_arena_reset(&a);
        r = sn_cons_wal_next(&text, &a, &rec);
        if (r == 0 && rec.kind == SN_CONS_WAL_END_HEIGHT && rec.height == height) *ret = text;
    }
    sn_arena_done(&a);
    return r == SN_E_EOF || r == SN_E_AGAIN ? 0 : r;
}

/* "wal" for the head, "wal.007" for older ones; -1 for what is no file of the log. */
static int64_t number_of(struct sn_str name, struct sn_str head)
{
    int64_t n;
    if (!sn_str_starts(name, head)) return -1;
    if (name.len == head.len) return INT64_MAX;
    if (name.ptr[head.len] != '.' || sn_str_to_i64(sn_str_from(name, head.len + 1), &n) < 0)
        return -1;
    return n;
}

/* The log's newest numbered file older than `below`; -1 where there is none. */
static int64_t newest_below(const struct sn_str *names, size_t n, struct sn_str head, int64_t below,
                            struct sn_str *ret)
{
    int64_t best = -1;
    for (size_t i = 0; i < n; i++) {
        int64_t k = number_of(names[i], head);
        if (k < below && k > best) {
            best = k;
            *ret = names[i];
        }
    }
    return best;
}

static int read_file(struct sn_home_replay *r, struct sn_str dir, struct sn_str name, int64_t height,
                     bool *ret_found)
{
    struct sn_str text, behind;
    struct sn_str file = sn_arena_printf(&r->files, "%s/%.*s", dir.ptr, SN_STR_ARG(name));
    int x = file.ptr ? sn_file_read(&r->files, file.ptr, SN_HOME_REPLAY_BYTES_MAX, &text)
                     : SN_E_NOMEM;
    if (x < 0) return x;
    r->bytes += text.len;
    if (r->bytes > SN_HOME_REPLAY_BYTES_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%s: more than %u bytes to replay", r->o.wal_path,
                       SN_HOME_REPLAY_BYTES_MAX);
    x = find_end(text, height, &behind);
    if (x < 0) return sn_wrap(x, "%s", file.ptr);
    *ret_found = behind.ptr;
    return sn_vec_push(&r->pieces, behind.ptr ? behind : text);
}

/* Reads files from the newest on back, until one has the end of `height`. */
static int read_log(struct sn_home_replay *r, int64_t height)
{
    struct sn_str path = sn_str(r->o.wal_path), head = path, dir = SN_STR("."), *names, name;
    ssize_t slash = sn_str_rchr(path, '/');
    bool found = false;
    size_t n;
    if (slash >= 0) {
        dir = sn_str_sub(path, 0, SN_MAX((size_t)slash, 1u));
        head = sn_str_from(path, (size_t)slash + 1);
    }
    dir = sn_arena_str(&r->files, dir);
    int x = dir.ptr ? sn_dir_list(&r->files, dir.ptr, &names, &n) : SN_E_NOMEM;
    if (x >= 0) x = read_file(r, dir, head, height, &found);
    for (int64_t below = INT64_MAX; x >= 0 && !found;) {
        below = newest_below(names, n, head, below, &name);
        if (below < 0)
            return sn_fail(SN_E_NOT_FOUND, "%s: the log does not have the end of height %lld",
                           r->o.wal_path, (long long)height);
        x = read_file(r, dir, name, height, &found);
    }
    return x;
}

/* ---- the state to begin with ---- */

static int find_state(struct sn_home_replay *r)
{
    struct sn_cons_state *s;
    int x = sn_cons_state_store_load(r->o.states, &s);
    if (x < 0) return x;
    if (r->o.height > s->last_height + 1)
        x = sn_fail(SN_E_NOT_FOUND, "height %lld is above %lld, the next one",
                    (long long)r->o.height, (long long)s->last_height + 1);
    else if (r->o.height && r->o.height <= s->initial_height && s->last_height)
        x = sn_fail(SN_E_NOT_FOUND, "height %lld: only heights above %lld, the first, can be replayed",
                    (long long)r->o.height, (long long)s->initial_height);
    while (x >= 0 && r->o.height && s->last_height >= r->o.height) {
        struct sn_cons_state *before;
        x = sn_home_state_before(r->o.blocks, r->o.states, s, &before);
        if (x < 0) break;
        sn_cons_state_unref(s);
        s = before;
    }
    if (x < 0) sn_cons_state_unref(s);
    else r->begin = s;
    return x;
}

static int start_core(struct sn_home_replay *r)
{
    struct sn_cons_core_opts o = {.config = r->o.config, .verifier = r->o.verifier,
                                  .has_key = r->o.has_key};
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_cons_commit seen;
    int64_t height = r->begin->last_height;
    int x = 0;
    memcpy(o.addr, r->o.addr, sizeof(o.addr));
    sn_arena_init(&a, NULL, 0);
    if (height)
        x = sn_cons_params_extensions(&r->begin->params, height)
                ? sn_cons_block_store_extended(r->o.blocks, height, &a, &seen)
                : sn_cons_block_store_seen(r->o.blocks, height, &a, &seen);
    if (x < 0) return x;
    sn_cons_core_free(r->core);
    r->core = NULL;
    r->piece = r->pieces.len;
    r->rest = SN_STR("");
    r->count = 0;
    r->stopped = false;
    return sn_cons_core_new(&o, r->begin, height ? &seen : NULL, sn_cons_time_ns(r->begin->last_time),
                            &r->core);
}

/* ---- putting in ---- */

static int input(struct sn_home_replay *r, const struct sn_cons_input *in, int64_t now,
                 struct sn_buf *out)
{
    int x = sn_cons_core_input(r->core, in, now);
    if (x >= 0) return 0;
    sn_buf_printf(out, "    refused: %s\n", sn_diag_str(x));
    return x == SN_E_NOMEM ? x : 0;
}

/* What the application answered when the block was executed; without it the replay ends here. */
static int finalize(struct sn_home_replay *r, int64_t height, int64_t now, struct sn_buf *out)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_buf answer SN_CLEANUP(sn_buf_done);
    struct sn_cons_block_result res;
    sn_arena_init(&a, NULL, SN_CONS_ANSWER_ARENA_MAX);
    sn_buf_init(&answer, 0);
    int x = sn_cons_state_store_answer(r->o.states, height, &answer);
    if (x == SN_E_NOT_FOUND || x == SN_E_FAILED_PRECONDITION) {
        sn_buf_printf(out, "    the application's answer to block %lld is not stored: the replay "
                           "ends here\n", (long long)height);
        r->stopped = true;
        return 0;
    }
    if (x >= 0) x = sn_cons_answer_parse(sn_buf_view(&answer), &a, &res);
    if (x < 0) return x;
    return input(r, &(struct sn_cons_input){.kind = SN_CONS_IN_FINALIZED, .result = &res}, now, out);
}

static int act(struct sn_home_replay *r, const struct sn_cons_action *a, int64_t now,
               struct sn_buf *out)
{
    struct sn_cons_input in = {.height = a->height, .round = a->round, .ok = true};
    sn_home_put_action_(out, a);
    switch (a->kind) {
    case SN_CONS_ACT_PROCESS: in.kind = SN_CONS_IN_PROCESSED; break;
    case SN_CONS_ACT_VERIFY_EXTENSION:
        in.kind = SN_CONS_IN_EXTENSION_VERIFIED;
        in.vote = a->vote;
        break;
    case SN_CONS_ACT_COMMIT: in.kind = SN_CONS_IN_COMMITTED; break;
    case SN_CONS_ACT_FINALIZE: return finalize(r, a->block->header.height, now, out);
    default: return 0; /* what is signed and proposed is in the log */
    }
    return input(r, &in, now, out);
}

static int settle(struct sn_home_replay *r, int64_t now, struct sn_buf *out)
{
    struct sn_cons_action a;
    int x = 0;
    while (x >= 0 && !r->stopped && sn_cons_core_action(r->core, &a)) {
        x = act(r, &a, now, out);
        sn_cons_action_done(&a);
    }
    return x;
}

static int put_in(struct sn_home_replay *r, const struct sn_cons_wal_record *rec, struct sn_buf *out)
{
    int64_t now = sn_cons_time_ns(rec->time);
    struct sn_cons_input in = {.peer = rec->peer.len ? &rec->peer : NULL, .msg = &rec->msg,
                               .timeout = rec->timeout};
    int x = settle(r, now, out); /* what the core had to say before its first input */
    if (rec->kind == SN_CONS_WAL_MSG) in.kind = SN_CONS_IN_MSG;
    else if (rec->kind == SN_CONS_WAL_TIMEOUT) in.kind = SN_CONS_IN_TIMEOUT;
    else return x;
    if (r->stopped) {
        sn_buf_cstr(out, "    not put in\n");
        return x;
    }
    if (x >= 0) x = input(r, &in, now, out);
    return x < 0 ? x : settle(r, now, out);
}

int sn_home_replay_next(struct sn_home_replay *r, struct sn_buf *out)
{
    struct sn_arena a SN_CLEANUP(sn_arena_done);
    struct sn_cons_wal_record rec;
    int x;
    sn_arena_init(&a, NULL, RECORD_ARENA_MAX);
    while ((x = sn_cons_wal_next(&r->rest, &a, &rec)) == SN_E_EOF && r->piece > 0)
        r->rest = r->pieces.ptr[--r->piece]; /* the oldest is the last */
    if (x == SN_E_AGAIN) sn_buf_cstr(out, "the last record is cut off\n");
    if (x == SN_E_EOF || x == SN_E_AGAIN) return 0;
    if (x < 0) return sn_wrap(x, "%s: behind record %llu", r->o.wal_path,
                              (unsigned long long)r->count);
    r->count++;
    sn_home_put_record_(out, r->count, &rec);
    x = put_in(r, &rec, out);
    return x < 0 ? x : out->err < 0 ? out->err : 1;
}

int sn_home_replay_back(struct sn_home_replay *r, uint64_t n)
{
    struct sn_buf out SN_CLEANUP(sn_buf_done);
    uint64_t to = n < r->count ? r->count - n : 0;
    int x = start_core(r);
    sn_buf_init(&out, 0);
    while (x >= 0 && r->count < to) {
        sn_buf_reset(&out);
        x = sn_home_replay_next(r, &out);
        if (x == 0) break;
    }
    return x < 0 ? x : 0;
}

uint64_t sn_home_replay_count(const struct sn_home_replay *r) { return r->count; }

int sn_home_replay_show(const struct sn_home_replay *r, struct sn_str what, struct sn_buf *out)
{
    return sn_home_put_round_(out, sn_cons_core_round(r->core), what);
}

int sn_home_replay_new(const struct sn_home_replay_opts *o, struct sn_home_replay **ret)
{
    struct sn_home_replay *r = SN_NEW(struct sn_home_replay);
    if (!r) return SN_E_NOMEM;
    r->o = *o;
    sn_arena_init(&r->files, NULL, 0);
    int x = find_state(r);
    if (x >= 0) x = read_log(r, r->begin->last_height);
    if (x >= 0) x = start_core(r);
    if (x < 0) sn_home_replay_free(r);
    else *ret = r;
    return x < 0 ? x : 0;
}

void sn_home_replay_free(struct sn_home_replay *r)
{
    if (!r) return;
    sn_cons_core_free(r->core);
    if (r->begin) sn_cons_state_unref(r->begin);
    sn_vec_done(&r->pieces);
    sn_arena_done(&r->files);
    sn_free(r);
}
