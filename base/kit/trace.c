/* SPDX-License-Identifier: Apache-2.0 */
/* kit/trace.c - writes what fiber/trace.c records as a Go execution trace.
 * SPEC: the file's structure as Go 1.26's internal/trace reads it: header, then per generation
 * batches in any order (events of one thread in order of time; stacks, strings, CPU samples, clocks),
 * then an end mark. */
#include "kit/trace.h"

#include <stdio.h>

#include "core/alloc.h"
#include "core/arena.h"
#include "core/buf.h"
#include "core/map.h"
#include "fiber/fiber.h"
#include "fiber/sync.h"
#include "fiber/trace.h"
#include "kit/symbol.h"

#define HEADER "go 1.26 trace\0\0"  /* and the NUL that ends it */
#define BATCH_BYTES_MAX (64u << 10) /* the reader's limit */
#define STACK_FRAMES_MAX 128u       /* the reader's limit */
#define LOOK_NS (20 * SN_MS)
#define NO_THREAD UINT64_MAX
#define OWN_IDS ((1u << SN_TRACE_ID_SHIFT) - 1)

enum { EV_BATCH = 1, EV_STACKS, EV_STACK, EV_STRINGS, EV_STRING, EV_SAMPLES, EV_SAMPLE, EV_FREQUENCY };
enum { EV_SYNC = 50, EV_CLOCKS, EV_GENERATION_END };

struct text {
    uint32_t id, gen; /* the generation whose table has it */
};
struct frame {
    uint64_t pc;
    struct sn_str function, file;
    uint64_t line;
};
struct frames { /* of one address: itself, and what was inlined there before it */
    unsigned n;
    struct frame at[];
};
struct buf_list {
    struct sn_trace_buf *head, **tail;
};
struct batch {
    struct sn_buf body;
    unsigned kind; /* its first byte; 0 = none */
};
struct sn_trace {
    struct sn_trace_opts o;
    struct sn_trace_stats stats;
    struct sn_event stop, done;
    int result;
    uint32_t gen;     /* that is being written */
    int64_t began_ns; /* it */
    struct buf_list tables, later; /* of this generation, and all of the next */
    unsigned n_tables;
    struct sn_arena arena;
    struct sn_map texts, addresses;
    uint32_t ids;
    struct sn_buf out;
    struct batch strings, stacks, samples;
    struct frame frames[STACK_FRAMES_MAX]; /* the stack being written, and its strings */
    uint64_t frame_ids[STACK_FRAMES_MAX][2];
};

static void list_init(struct buf_list *l)
{
    l->head = NULL;
    l->tail = &l->head;
}
static void list_add(struct buf_list *l, struct sn_trace_buf *b)
{
    b->next = NULL;
    *l->tail = b;
    l->tail = &b->next;
}
static void list_give(struct buf_list *l)
{
    for (struct sn_trace_buf *b = l->head, *next; b; b = next) {
        next = b->next;
        sn_trace_rec_give(b);
    }
    list_init(l);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static void put(struct sn_buf *b, uint64_t v)
{
    uint8_t bytes[10];
    unsigned n = 0;
    for (; v >= 0x80; v >>= 7) bytes[n++] = (uint8_t)v | 0x80;
    bytes[n++] = (uint8_t)v;
    (void)sn_buf_put(b, bytes, n);
}
static void put_all(struct sn_buf *b, unsigned type, const uint64_t *v, unsigned n)
{
    (void)sn_buf_byte(b, (uint8_t)type);
    for (unsigned i = 0; i < n; i++) put(b, v[i]);
}
#define PUT(b, type, ...)                                                  \
    put_all((b), (type), (const uint64_t[]){__VA_ARGS__},                  \
            sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static int write_out(struct sn_trace *t, struct sn_str bytes)
{
    int r = t->o.write(t->o.arg, bytes);
    if (r >= 0) t->stats.bytes += bytes.len;
    return r < 0 ? r : 0;
}
static void put_batch_head(struct sn_trace *t, struct sn_buf *to, uint64_t thread, uint64_t ns,
                           size_t len)
{
    PUT(to, EV_BATCH, t->gen, thread, ns, len);
}
static void batch_end(struct sn_trace *t, struct batch *b)
{
    if (b->body.len) {
        put_batch_head(t, &t->out, NO_THREAD, (uint64_t)t->began_ns, b->body.len);
        (void)sn_buf_str(&t->out, sn_buf_view(&b->body));
    }
    if (b->body.err < 0) t->out.err = b->body.err;
    sn_buf_reset(&b->body);
}
/* The batch for one more entry of at most `len` bytes. */
static struct sn_buf *batch_for(struct sn_trace *t, struct batch *b, unsigned kind, size_t len)
{
    if (b->body.len + len > BATCH_BYTES_MAX) batch_end(t, b);
    if (b->body.len == 0) (void)sn_buf_byte(&b->body, (uint8_t)kind);
    return &b->body;
}

/* ---- strings and stacks ---------------------------------------------------------------------- */

static void string(struct sn_trace *t, uint64_t id, struct sn_str s)
{
    s.len = SN_MIN(s.len, (size_t)SN_TRACE_STRING_MAX);
    struct sn_buf *b = batch_for(t, &t->strings, EV_STRINGS, s.len + 24);
    PUT(b, EV_STRING, id, s.len);
    (void)sn_buf_str(b, s);
}
/* The id of a text of ours, which is thereby in this generation's table. */
static uint64_t text_id(struct sn_trace *t, struct sn_str s)
{
    if (!s.len) return 0;
    struct text *x = sn_map_get(&t->texts, s);
    if (!x) {
        struct sn_str key = sn_arena_str(&t->arena, s);
        x = SN_ARENA_NEW(&t->arena, struct text);
        if (!key.ptr || !x || sn_map_put(&t->texts, key, x, NULL) < 0) {
            t->out.err = SN_E_NOMEM;
            return 0;
        }
        x->id = ++t->ids << SN_TRACE_ID_SHIFT | OWN_IDS;
    }
    if (x->gen != t->gen) {
        x->gen = t->gen;
        string(t, x->id, s);
    }
    return x->id;
}
/* Words of Go's tools, where they know what to do with them. */
static struct sn_str reason_text(const char *reason)
{
    if (strncmp(reason, "IO wait", 7) == 0) return SN_STR("network");
    return sn_str(reason);
}

/* What stands at `pc`; with inlined functions, each as a frame of its own: the reader tells frames
 * apart by address, so theirs have a number in the highest byte. */
static struct frames *frames_at(struct sn_trace *t, uint64_t pc)
{
    struct frames *f = sn_map_get(&t->addresses, sn_str_of((const char *)&pc, sizeof pc));
    if (f) return f;
    struct sn_symbol s;
    unsigned n = sn_symbol_at((uintptr_t)pc, &s) < 0 ? 0 : s.n_frames;
    f = sn_arena_alloc(&t->arena, sizeof *f + SN_MAX(n, 1u) * sizeof(struct frame));
    uint64_t *key = sn_arena_alloc(&t->arena, sizeof *key);
    if (f && key) *key = pc;
    if (!f || !key ||
        sn_map_put(&t->addresses, sn_str_of((const char *)key, sizeof pc), f, NULL) < 0) {
        t->out.err = SN_E_NOMEM;
        return NULL;
    }
    f->n = SN_MAX(n, 1u);
    for (unsigned i = 0; i < f->n; i++) {
        struct frame *to = &f->at[i];
        *to = (struct frame){.pc = pc | (uint64_t)(f->n - 1 - i) << 56};
        if (i < n && s.frames[i].function.ptr) {
            to->function = sn_arena_str(&t->arena, s.frames[i].function);
            to->file = sn_arena_str(&t->arena, s.frames[i].file);
            to->line = (uint64_t)SN_MAX(s.frames[i].line, 0);
        } else {
            to->function = sn_arena_printf(&t->arena, "%#llx", (unsigned long long)pc);
        }
        if (!to->function.ptr) t->out.err = SN_E_NOMEM;
    }
    return f;
}
/* The frames below a fiber's function are the runtime's: tools name a fiber by its outermost one. */
static bool is_bottom(struct sn_str function)
{
    return sn_str_eqc(function, "sn_fiber_main") || sn_str_eqc(function, "sn_ctx_boot");
}
/* The recorder's own, inlined into who calls it. */
static bool is_hook(struct sn_str function) { return sn_str_starts(function, SN_STR("sn_trace_")); }
/* exact: pcs[0] is an instruction, not a return address. */
static void stack(struct sn_trace *t, uint64_t id, const uint64_t *pcs, unsigned n, bool exact)
{
    struct frame *all = t->frames;
    unsigned n_all = 0;
    bool bottom = false;
    for (unsigned i = 0; i < n && !bottom; i++) {
        struct frames *f = frames_at(t, pcs[i] - (i > 0 || !exact));
        if (!f) return;
        for (unsigned k = 0; k < f->n && n_all < STACK_FRAMES_MAX && !bottom; k++) {
            bottom = is_bottom(f->at[k].function);
            bool skip = bottom || (n_all == 0 && !exact && is_hook(f->at[k].function));
            if (!skip) all[n_all++] = f->at[k];
        }
    }
    for (unsigned i = 0; i < n_all; i++) {
        t->frame_ids[i][0] = text_id(t, all[i].function);
        t->frame_ids[i][1] = text_id(t, all[i].file);
    }
    struct sn_buf *b = batch_for(t, &t->stacks, EV_STACKS, 24 + n_all * 40);
    PUT(b, EV_STACK, id, n_all);
    for (unsigned i = 0; i < n_all; i++) {
        put(b, all[i].pc);
        put(b, t->frame_ids[i][0]);
        put(b, t->frame_ids[i][1]);
        put(b, all[i].line);
    }
}

static void sample(struct sn_trace *t, const struct sn_trace_buf *from,
                   const struct sn_trace_entry *e)
{
    uint64_t id = ++t->ids << SN_TRACE_ID_SHIFT | OWN_IDS;
    stack(t, id, e->data + 2, e->len / 8 - 2, true);
    PUT(batch_for(t, &t->samples, EV_SAMPLES, 64), EV_SAMPLE, e->data[0], (uint64_t)from->tid,
        from->worker, e->data[1], id);
}
static void table_entry(struct sn_trace *t, const struct sn_trace_buf *from,
                        const struct sn_trace_entry *e)
{
    switch (e->kind) {
    case SN_TRACE_STACK: stack(t, e->id, e->data, e->len / 8, false); break;
    case SN_TRACE_ENTRY: stack(t, e->id, e->data, 1, true); break;
    case SN_TRACE_REASON: string(t, e->id, reason_text((const char *)(uintptr_t)e->data[0])); break;
    case SN_TRACE_STRING: string(t, e->id, sn_str_of((const char *)e->data, e->len)); break;
    default: sample(t, from, e); break;
    }
}
/* Everything of a generation but its events, on the blocking pool: symbols are read from files. */
static int tables_job(void *arg)
{
    struct sn_trace *t = arg;
    for (struct sn_trace_buf *b = t->tables.head; b; b = b->next)
        for (size_t at = 0; at < b->len;) {
            const struct sn_trace_entry *e = (const void *)(b->data + at);
            table_entry(t, b, e);
            at += sizeof *e + (((size_t)e->len + 7) & ~(size_t)7);
        }
    string(t, SN_TRACE_ID_KEY, SN_STR("sennit"));
    string(t, SN_TRACE_ID_FULL, SN_STR("the trace ends here: its buffers are full"));
    batch_end(t, &t->strings);
    batch_end(t, &t->stacks);
    batch_end(t, &t->samples);
    struct sn_buf clocks SN_CLEANUP(sn_buf_done);
    sn_buf_init(&clocks, 0);
    int64_t wall = sn_wall_now(), mono = sn_now();
    (void)sn_buf_byte(&clocks, EV_SYNC);
    PUT(&clocks, EV_FREQUENCY, SN_SEC);
    PUT(&clocks, EV_CLOCKS, (uint64_t)(mono - t->began_ns), (uint64_t)mono, (uint64_t)(wall / SN_SEC),
        (uint64_t)(wall % SN_SEC));
    put_batch_head(t, &t->out, NO_THREAD, (uint64_t)t->began_ns, clocks.len);
    (void)sn_buf_str(&t->out, sn_buf_view(&clocks));
    (void)sn_buf_byte(&t->out, EV_GENERATION_END);
    return t->out.err;
}

/* ---- collecting ------------------------------------------------------------------------------ */

static int write_events(struct sn_trace *t, struct sn_trace_buf *b)
{
    uint8_t mem[64];
    struct sn_buf head;
    sn_buf_init_fixed(&head, mem, sizeof mem);
    put_batch_head(t, &head, (uint64_t)b->tid, b->began_ns, b->len);
    int r = write_out(t, sn_buf_view(&head));
    return r < 0 ? r : write_out(t, sn_str_of((const char *)b->data, b->len));
}
/* Owns: takes the buffer. */
static int consume(struct sn_trace *t, struct sn_trace_buf *b)
{
    int r = 0;
    if (b->gen != t->gen) {
        list_add(&t->later, b);
    } else if (b->kind != SN_TRACE_EVENTS) {
        list_add(&t->tables, b);
        t->n_tables++;
    } else {
        if (b->len) r = write_events(t, b);
        sn_trace_rec_give(b);
    }
    return r;
}
static int take_all(struct sn_trace *t)
{
    int r = 0;
    for (struct sn_trace_buf *b; r == 0 && (b = sn_trace_rec_take());) r = consume(t, b);
    return r;
}
/* The generation's buffers have all been taken. */
static int finish_generation(struct sn_trace *t, int64_t next_began_ns)
{
    int r = sn_offload(tables_job, t);
    if (r >= 0) r = write_out(t, sn_buf_view(&t->out));
    sn_buf_reset(&t->out);
    list_give(&t->tables);
    t->n_tables = 0;
    t->stats.generations++;
    t->gen++;
    t->began_ns = next_began_ns;
    struct sn_trace_buf *b = t->later.head;
    list_init(&t->later);
    while (b) {
        struct sn_trace_buf *next = b->next;
        if (r >= 0) r = consume(t, b);
        else sn_trace_rec_give(b);
        b = next;
    }
    return r;
}
/* One look at what has come in. Returns 1 where the buffers are full. */
static int look(struct sn_trace *t)
{
    int r = take_all(t);
    if (r < 0) return r;
    if (sn_trace_rec_full()) return 1;
    int64_t now = sn_now();
    size_t tables_max = t->o.memory_max / SN_TRACE_BUF_BYTES / 4;
    if (now - t->began_ns < t->o.generation_ns && t->n_tables < tables_max) return 0;
    if (sn_trace_rec_turn() < 0) return 1;
    r = take_all(t);
    return r < 0 ? r : finish_generation(t, now);
}
static int collect(struct sn_trace *t, int64_t until_ns)
{
    int r = write_out(t, sn_str_of(HEADER, sizeof HEADER));
    while (r == 0) {
        int64_t now = sn_now();
        int waited = sn_event_wait_until(&t->stop, SN_MIN(now + LOOK_NS, until_ns));
        if (waited < 0 && sn_cancelled())
            r = sn_now() >= sn_deadline() ? SN_E_DEADLINE_EXCEEDED : SN_E_CANCELLED;
        else if (waited == 0 || sn_now() >= until_ns) break;
        else r = look(t);
    }
    t->stats.ended_early = sn_trace_rec_stop();
    if (r >= 0) r = take_all(t);
    /* Some workers may have begun another generation when the buffers were full. */
    for (bool more = true; r >= 0 && more;) {
        more = t->later.head != NULL;
        r = finish_generation(t, t->began_ns);
    }
    t->stats.samples_lost = sn_trace_rec_lost();
    list_give(&t->tables);
    list_give(&t->later);
    sn_trace_rec_done();
    return r;
}

static int begin(const struct sn_trace_opts *o, struct sn_trace *t)
{
    *t = (struct sn_trace){.o = *o, .gen = 1, .began_ns = sn_now()};
    if (!t->o.memory_max) t->o.memory_max = SN_TRACE_MEMORY_DEFAULT;
    if (!t->o.generation_ns) t->o.generation_ns = SN_TRACE_GENERATION_DEFAULT;
    list_init(&t->tables);
    list_init(&t->later);
    sn_arena_init(&t->arena, NULL, 0);
    sn_map_init(&t->texts, sn_random(), false);
    sn_map_init(&t->addresses, sn_random(), false);
    struct sn_trace_rec_opts rec = {.memory_max = t->o.memory_max, .samples = true};
    return sn_trace_rec_start(&rec);
}
static void end(struct sn_trace *t, struct sn_trace_stats *ret)
{
    sn_map_done(&t->texts);
    sn_map_done(&t->addresses);
    sn_arena_done(&t->arena);
    sn_buf_done(&t->out);
    sn_buf_done(&t->strings.body);
    sn_buf_done(&t->stacks.body);
    sn_buf_done(&t->samples.body);
    if (ret) *ret = t->stats;
    sn_free(t);
}

int sn_trace_run(const struct sn_trace_opts *o, int64_t duration_ns, struct sn_trace_stats *ret)
{
    struct sn_trace *t = SN_NEW(struct sn_trace);
    if (ret) *ret = (struct sn_trace_stats){0};
    if (!t) return SN_E_NOMEM;
    int r = begin(o, t);
    if (r >= 0) r = collect(t, t->began_ns + SN_MIN(duration_ns, SN_FOREVER - t->began_ns));
    end(t, ret);
    return r;
}

static void collector(void *arg)
{
    struct sn_trace *t = arg;
    t->result = collect(t, SN_FOREVER);
    sn_event_set(&t->done);
}
int sn_trace_start(const struct sn_trace_opts *o, struct sn_trace **ret)
{
    struct sn_trace *t = SN_NEW(struct sn_trace);
    if (!t) return SN_E_NOMEM;
    int r = begin(o, t);
    if (r >= 0 && (r = sn_go("trace", collector, t)) < 0) {
        (void)sn_trace_rec_stop();
        sn_trace_rec_done();
    }
    if (r < 0)
        end(t, NULL);
    else
        *ret = t;
    return r;
}
static int wait_done(void *arg)
{
    struct sn_trace *t = arg;
    return sn_event_wait(&t->done);
}
int sn_trace_stop(struct sn_trace *t, struct sn_trace_stats *ret)
{
    sn_event_set(&t->stop);
    (void)!sn_shield(SN_FOREVER, wait_done, t);
    int r = t->result;
    end(t, ret);
    return r;
}
