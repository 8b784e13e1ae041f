/* SPDX-License-Identifier: Apache-2.0 */
/* kit/metrics.c - the registry, the sharded values and the text. */
#include "kit/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/arena.h"
#include "core/map.h"
#include "fiber/fiber.h"
#include "fiber/wait.h"
#include "kit/metrics_int.h"

#define COLLECTORS_MAX 32
#define SHARDS_MAX 65u /* at most 64 workers have a line of their own, everyone else shares one */

enum kind { COUNTER, GAUGE, HISTOGRAM };
static const char *const kind_names[] = {"counter", "gauge", "histogram"};

struct line {
    uint64_t v;
    char pad[SN_CACHE_LINE - sizeof(uint64_t)];
};
struct child { /* what sn_counter, sn_gauge and sn_histogram are */
    struct sn_str labels; /* `a="b",c="d"`, escaped */
    struct child *next;
    const struct family *family;
    struct line *shards;  /* counter */
    uint64_t gauge;       /* a double's bits, __atomic */
    struct hist_shard *hist;
};
struct hist_shard {
    uint64_t buckets[SN_METRIC_BUCKETS_MAX + 1], sum; /* sum: a double's bits */
} SN_ALIGNED(SN_CACHE_LINE);
struct family {
    const char *name, *help;
    enum kind kind;
    struct child *first, **tail;
    unsigned n_children;
    double bounds[SN_METRIC_BUCKETS_MAX];
    unsigned n_bounds;
    struct family *next;
};
struct sn_metrics {
    struct sn_spin spin;
    struct sn_arena arena;
    struct sn_map families, children; /* children: "name{labels}" */
    struct family *first, **tail;
    struct {
        void (*fn)(struct sn_metrics_writer *w, void *arg);
        void *arg;
    } collectors[COLLECTORS_MAX];
    unsigned n_collectors;
    uint64_t overflows;
};
struct sn_metrics_writer {
    struct sn_buf *out;
    bool openmetrics;
    const char *last; /* family whose head has been written */
};

/* One line per CPU, as there are workers, and the shared one. */
static unsigned n_shards;
__attribute__((constructor)) static void count_shards(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    n_shards = (unsigned)SN_MIN(SN_MAX(n, 1L), (long)SHARDS_MAX - 1) + 1;
}

static struct sn_metrics own;
static _Atomic uint32_t own_ready;

static void init(struct sn_metrics *m)
{
    sn_arena_init(&m->arena, NULL, 0);
    sn_map_init(&m->families, 7, false);
    sn_map_init(&m->children, 8, false);
    m->tail = &m->first;
}
static struct sn_metrics *lock(struct sn_metrics *m)
{
    if (!m) m = &own;
    sn_spin_lock(&m->spin);
    if (m == &own && !own_ready) {
        init(m);
        own_ready = 1;
    }
    return m;
}
struct sn_metrics *sn_metrics_new(void)
{
    struct sn_metrics *m = SN_NEW(struct sn_metrics);
    if (m) init(m);
    return m;
}
void sn_metrics_free(struct sn_metrics *m)
{
    if (!m) return;
    for (struct family *f = m->first; f; f = f->next)
        for (struct child *c = f->first; c; c = c->next) {
            sn_free(c->shards);
            sn_free(c->hist);
        }
    sn_map_done(&m->families);
    sn_map_done(&m->children);
    sn_arena_done(&m->arena);
    sn_free(m);
}

/* ---- registering ----------------------------------------------------------------------------- */

static bool good_name(const char *s, bool colon)
{
    if (!*s || (*s >= '0' && *s <= '9')) return false;
    for (; *s; s++) {
        bool ok = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '_' ||
                  (*s >= '0' && *s <= '9') || (colon && *s == ':');
        if (!ok) return false;
    }
    return true;
}
static void put_escaped(struct sn_buf *b, struct sn_str s, bool quotes)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '\n')
            sn_buf_cstr(b, "\\n");
        else if (c == '\\' || (c == '"' && quotes))
            sn_buf_put(b, (char[]){'\\', c}, 2);
        else
            sn_buf_byte(b, (uint8_t)c);
    }
}
static void put_labels(struct sn_buf *b, const struct sn_labels *l, bool other)
{
    for (unsigned i = 0; l && i < l->n; i++) {
        if (i) sn_buf_byte(b, ',');
        sn_buf_str(b, l->l[i].name);
        sn_buf_cstr(b, "=\"");
        put_escaped(b, other ? SN_STR("other") : l->l[i].value, true);
        sn_buf_byte(b, '"');
    }
}
static struct family *family_get(struct sn_metrics *m, const char *name, const char *help,
                                 enum kind kind)
{
    struct family *f = sn_map_get(&m->families, sn_str(name));
    if (f) return f->kind == kind ? f : NULL;
    if (!good_name(name, true)) return NULL;
    f = SN_ARENA_NEW(&m->arena, struct family);
    if (!f) return NULL;
    f->name = sn_arena_str(&m->arena, sn_str(name)).ptr;
    f->help = sn_arena_str(&m->arena, sn_str(help ? help : "")).ptr;
    f->kind = kind;
    f->tail = &f->first;
    if (!f->name || !f->help || sn_map_put(&m->families, sn_str(f->name), f, NULL) < 0) return NULL;
    __atomic_store_n(m->tail, f, __ATOMIC_RELEASE);
    m->tail = &f->next;
    return f;
}
static struct child *child_make(struct sn_metrics *m, struct family *f, struct sn_str key,
                                struct sn_str labels)
{
    struct child *c = SN_ARENA_NEW(&m->arena, struct child);
    if (!c) return NULL;
    c->family = f;
    c->labels = sn_arena_str(&m->arena, labels);
    key = sn_arena_str(&m->arena, key);
    if (f->kind == COUNTER)
        c->shards = sn_aligned_alloc(SN_CACHE_LINE, n_shards * sizeof(struct line));
    if (f->kind == HISTOGRAM)
        c->hist = sn_aligned_alloc(SN_CACHE_LINE, n_shards * sizeof(struct hist_shard));
    if (!c->labels.ptr || !key.ptr || (f->kind == COUNTER && !c->shards) ||
        (f->kind == HISTOGRAM && !c->hist) || sn_map_put(&m->children, key, c, NULL) < 0) {
        sn_free(c->shards);
        sn_free(c->hist);
        return NULL;
    }
    if (c->shards) memset(c->shards, 0, n_shards * sizeof(struct line));
    if (c->hist) memset(c->hist, 0, n_shards * sizeof(struct hist_shard));
    __atomic_store_n(f->tail, c, __ATOMIC_RELEASE); /* readers walk without the lock */
    f->tail = &c->next;
    f->n_children++;
    return c;
}
static struct child *child_get(struct sn_metrics *m, struct family *f, const struct sn_labels *l)
{
    struct sn_buf key SN_CLEANUP(sn_buf_done);
    sn_buf_init(&key, 0);
    for (unsigned i = 0; l && i < l->n; i++) {
        char name[64];
        if (l->n > SN_METRIC_LABELS_MAX || sn_str_cz(l->l[i].name, name, sizeof name) < 0 ||
            !good_name(name, false) || !sn_utf8_valid(l->l[i].value))
            return NULL;
    }
    for (int other = 0; other < 2; other++) {
        sn_buf_reset(&key);
        sn_buf_printf(&key, "%s{", f->name);
        size_t at = key.len;
        put_labels(&key, l, other);
        if (key.err < 0) return NULL;
        struct child *c = sn_map_get(&m->children, sn_buf_view(&key));
        if (c) return c;
        if (other || f->n_children < SN_METRIC_CHILDREN_DEFAULT)
            return child_make(m, f, sn_buf_view(&key), sn_str_from(sn_buf_view(&key), at));
        m->overflows++;
    }
    return NULL;
}
static struct child *metric(struct sn_metrics *m, const char *name, const char *help, enum kind kind,
                            const struct sn_labels *labels, const double *bounds, unsigned n)
{
    static const double usual[] = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
    m = lock(m);
    struct family *f = family_get(m, name, help, kind);
    if (f && kind == HISTOGRAM && !f->n_bounds) {
        f->n_bounds = bounds ? SN_MIN(n, (unsigned)SN_METRIC_BUCKETS_MAX) : (unsigned)SN_COUNT_OF(usual);
        memcpy(f->bounds, bounds ? bounds : usual, f->n_bounds * sizeof(double));
    }
    struct child *c = f ? child_get(m, f, labels) : NULL;
    sn_spin_unlock(&m->spin);
    return c;
}
struct sn_counter *sn_counter_new(struct sn_metrics *m, const char *name, const char *help,
                                  const struct sn_labels *labels)
{
    return (struct sn_counter *)metric(m, name, help, COUNTER, labels, NULL, 0);
}
struct sn_gauge *sn_gauge_new(struct sn_metrics *m, const char *name, const char *help,
                              const struct sn_labels *labels)
{
    return (struct sn_gauge *)metric(m, name, help, GAUGE, labels, NULL, 0);
}
struct sn_histogram *sn_histogram_new(struct sn_metrics *m, const char *name, const char *help,
                                      const struct sn_labels *labels, const double *bounds, unsigned n)
{
    return (struct sn_histogram *)metric(m, name, help, HISTOGRAM, labels, bounds, n);
}

/* ---- adding ------------------------------------------------------------------------------------ */

/* One worker writes its line alone, so no locked instruction is needed; the shared line needs it. */
static inline void bump(uint64_t *v, unsigned shard, uint64_t n)
{
    if (SN_LIKELY(shard < n_shards - 1))
        __atomic_store_n(v, __atomic_load_n(v, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
    else
        __atomic_fetch_add(v, n, __ATOMIC_RELAXED);
}
static inline unsigned shard(void) { return SN_MIN((unsigned)sn_worker_id(), n_shards - 1); }
static inline double as_double(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, 8);
    return d;
}
static inline uint64_t as_bits(double d)
{
    uint64_t u;
    memcpy(&u, &d, 8);
    return u;
}
static void add_double(uint64_t *p, double v)
{
    uint64_t old = __atomic_load_n(p, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(p, &old, as_bits(as_double(old) + v), true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED)) {}
}

void sn_counter_add(struct sn_counter *c, uint64_t n)
{
    unsigned s = shard();
    bump(&((struct child *)c)->shards[s].v, s, n);
}
uint64_t sn_counter_value(const struct sn_counter *c)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < n_shards; i++)
        sum += __atomic_load_n(&((const struct child *)c)->shards[i].v, __ATOMIC_RELAXED);
    return sum;
}
void sn_gauge_set(struct sn_gauge *g, double v)
{
    __atomic_store_n(&((struct child *)g)->gauge, as_bits(v), __ATOMIC_RELAXED);
}
void sn_gauge_add(struct sn_gauge *g, double v) { add_double(&((struct child *)g)->gauge, v); }
double sn_gauge_value(const struct sn_gauge *g)
{
    return as_double(__atomic_load_n(&((const struct child *)g)->gauge, __ATOMIC_RELAXED));
}
void sn_histogram_observe(struct sn_histogram *h, double v)
{
    struct child *c = (struct child *)h;
    const struct family *f = c->family;
    unsigned s = shard(), i = 0;
    while (i < f->n_bounds && !(v <= f->bounds[i])) i++;
    bump(&c->hist[s].buckets[i], s, 1);
    add_double(&c->hist[s].sum, v);
}

/* ---- writing ----------------------------------------------------------------------------------- */

static void put_number(struct sn_buf *b, double v)
{
    if (isnan(v))
        sn_buf_cstr(b, "NaN");
    else if (isinf(v))
        sn_buf_cstr(b, v > 0 ? "+Inf" : "-Inf");
    else if (v == floor(v) && fabs(v) < 1e15)
        sn_buf_i64(b, (int64_t)v);
    else {
        char text[32];
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, v);
            if (strtod(text, NULL) == v) break;
        }
        sn_buf_cstr(b, text);
    }
}
/* OpenMetrics names a counter's family without the _total that its samples carry. */
static void head(struct sn_metrics_writer *w, const char *name, const char *kind, const char *help)
{
    struct sn_str n = sn_str(name);
    if (w->last && strcmp(w->last, name) == 0) return;
    w->last = name;
    if (w->openmetrics && strcmp(kind, "counter") == 0 && sn_str_ends(n, SN_STR("_total")))
        n.len -= 6;
    if (*help) {
        sn_buf_printf(w->out, "# HELP %.*s ", SN_STR_ARG(n));
        put_escaped(w->out, sn_str(help), w->openmetrics);
        sn_buf_byte(w->out, '\n');
    }
    sn_buf_printf(w->out, "# TYPE %.*s %s\n", SN_STR_ARG(n), kind);
}
static void sample(struct sn_metrics_writer *w, const char *name, const char *suffix,
                   struct sn_str labels, const char *le, double v)
{
    sn_buf_printf(w->out, "%s%s", name, suffix);
    if (labels.len || le) {
        sn_buf_byte(w->out, '{');
        sn_buf_str(w->out, labels);
        if (le) sn_buf_printf(w->out, "%sle=\"%s\"", labels.len ? "," : "", le);
        sn_buf_byte(w->out, '}');
    }
    sn_buf_byte(w->out, ' ');
    put_number(w->out, v);
    sn_buf_byte(w->out, '\n');
}
static void put_histogram(struct sn_metrics_writer *w, const struct family *f, const struct child *c)
{
    uint64_t counts[SN_METRIC_BUCKETS_MAX + 1] = {0}, total = 0;
    double sum = 0;
    for (unsigned s = 0; s < n_shards; s++) {
        for (unsigned i = 0; i <= f->n_bounds; i++)
            counts[i] += __atomic_load_n(&c->hist[s].buckets[i], __ATOMIC_RELAXED);
        sum += as_double(__atomic_load_n(&c->hist[s].sum, __ATOMIC_RELAXED));
    }
    for (unsigned i = 0; i <= f->n_bounds; i++) {
        struct sn_buf le;
        char text[40];
        sn_buf_init_fixed(&le, text, sizeof text - 1);
        put_number(&le, i < f->n_bounds ? f->bounds[i] : INFINITY);
        text[le.len] = 0;
        total += counts[i];
        sample(w, f->name, "_bucket", c->labels, text, (double)total);
    }
    sample(w, f->name, "_sum", c->labels, NULL, sum);
    sample(w, f->name, "_count", c->labels, NULL, (double)total);
}
void sn_metrics_write(struct sn_metrics_writer *w, const char *name, const char *kind,
                      const char *help, const struct sn_labels *labels, double v)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    put_labels(&b, labels, false);
    head(w, name, kind, help);
    sample(w, name, "", sn_buf_view(&b), NULL, v);
}
int sn_metrics_collect(struct sn_metrics *m, void (*fn)(struct sn_metrics_writer *w, void *arg),
                       void *arg)
{
    int r = 0;
    m = lock(m);
    if (m->n_collectors == COLLECTORS_MAX) {
        r = SN_E_RESOURCE_EXHAUSTED;
    } else {
        m->collectors[m->n_collectors].fn = fn;
        m->collectors[m->n_collectors++].arg = arg;
    }
    sn_spin_unlock(&m->spin);
    return r;
}

#define next_of(link) __atomic_load_n((link), __ATOMIC_ACQUIRE)
int sn_metrics_text(struct sn_metrics *m, struct sn_str accept, struct sn_buf *out,
                    struct sn_str *ret_type)
{
    struct sn_metrics_writer w = {.out = out};
    w.openmetrics = sn_str_find(accept, SN_STR("application/openmetrics-text")) >= 0;
    m = lock(m);
    sn_spin_unlock(&m->spin);
    /* Families and children are only ever added, each complete before it is linked, and collectors
     * may register metrics themselves: so the walk holds no lock. */
    for (unsigned i = 0; i < m->n_collectors; i++) m->collectors[i].fn(&w, m->collectors[i].arg);
    if (m == &own) sn_metrics_write_runtime(&w);
    for (const struct family *f = next_of(&m->first); f; f = next_of(&f->next)) {
        const struct child *c = next_of(&f->first);
        if (!c) continue;
        head(&w, f->name, kind_names[f->kind], f->help);
        for (; c; c = next_of(&c->next)) {
            if (f->kind == COUNTER)
                sample(&w, f->name, "", c->labels, NULL,
                       (double)sn_counter_value((const struct sn_counter *)c));
            else if (f->kind == GAUGE)
                sample(&w, f->name, "", c->labels, NULL, sn_gauge_value((const struct sn_gauge *)c));
            else
                put_histogram(&w, f, c);
        }
    }
    sn_metrics_write(&w, "sennit_metrics_overflow_total", "counter",
                     "Look-ups of label values beyond a family's limit.", NULL, (double)m->overflows);
    if (w.openmetrics) sn_buf_cstr(out, "# EOF\n");
    if (out->err < 0) return out->err;
    *ret_type = w.openmetrics ? SN_STR("application/openmetrics-text; version=1.0.0; charset=utf-8")
                              : SN_STR("text/plain; version=0.0.4; charset=utf-8");
    return 0;
}
