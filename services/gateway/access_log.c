/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/access_log.c - one line per request, never in the way of one.
 *
 * A worker appends to its own buffer; a fiber writes the full one on the offload pool while the
 * other fills. When both are full lines are dropped and counted: a slow disk costs lines, not
 * requests. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/time.h"
#include "gateway/gw_int.h"
#include "wire/json.h"

#define LOG_BUF (64u << 10)
#define LOG_LINE_MAX 4096u
#define FIELD_MAX 512u /* bytes of a logged header or path */

struct log_shard {
    struct gw_log *log;
    char *buf[2];
    size_t len[2];
    unsigned fill; /* which one is filled */
    bool writing;  /* the other one is on its way */
    uint64_t dropped;
} SN_ALIGNED(SN_CACHE_LINE);

struct gw_log {
    uint32_t refs;
    enum sn_gw_log_format format;
    char *path;
    int fd;
    bool file;
    unsigned workers;
    struct log_shard *shards;
};

int gw_log_new(const struct sn_gw_conf_access_log *c, unsigned workers, struct gw_log **ret)
{
    struct gw_log *l = SN_NEW(struct gw_log);
    char *path = sn_alloc(c->path.len + 1);
    struct log_shard *shards = sn_aligned_alloc(SN_CACHE_LINE, workers * sizeof(*shards));
    if (!l || !path || !shards) {
        sn_free(l);
        sn_free(path);
        sn_free(shards);
        return SN_E_NOMEM;
    }
    memset(shards, 0, workers * sizeof(*shards));
    memcpy(path, c->path.ptr, c->path.len);
    path[c->path.len] = 0;
    *l = (struct gw_log){.refs = 1,
                         .format = c->format,
                         .path = path,
                         .workers = workers,
                         .shards = shards,
                         .fd = 1};
    for (unsigned i = 0; i < workers; i++) shards[i].log = l;
    if (strcmp(path, "stderr") == 0) {
        l->fd = 2;
    } else if (strcmp(path, "stdout") != 0) {
        l->file = true;
        l->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
        if (l->fd < 0) {
            int r = sn_fail(SN_E_INVALID_ARGUMENT, "access log %s: %m", path);
            l->fd = 1;
            l->file = false;
            gw_log_unref(l);
            return r;
        }
    }
    *ret = l;
    return 0;
}

/* A file is opened anew by every reload, so that rotation needs nothing but a signal. */
bool gw_log_same(const struct gw_log *l, const struct sn_gw_conf_access_log *c)
{
    return !l->file && l->format == c->format && sn_str_eqc(c->path, l->path);
}

struct gw_log *gw_log_ref(struct gw_log *l)
{
    __atomic_add_fetch(&l->refs, 1, __ATOMIC_RELAXED);
    return l;
}

/* ---- writing out ---------------------------------------------------------------------------- */

struct write_job {
    int fd;
    const char *buf;
    size_t len;
};

static int write_all(void *arg)
{
    struct write_job *j = arg;
    while (j->len) {
        ssize_t n = write(j->fd, j->buf, j->len);
        if (n <= 0) return SN_E_IO;
        j->buf += n;
        j->len -= (size_t)n;
    }
    return 0;
}

static void shard_write(struct log_shard *s)
{
    unsigned out = s->fill;
    s->fill ^= 1;
    struct write_job j = {s->log->fd, s->buf[out], s->len[out]};
    if (sn_offload(write_all, &j) < 0) s->dropped++;
    s->len[out] = 0;
    s->writing = false;
}

static void shard_flush(void *arg)
{
    struct log_shard *s = arg;
    shard_write(s);
    gw_log_unref(s->log);
}

static void shard_kick(struct log_shard *s)
{
    if (s->writing || !s->len[s->fill]) return;
    s->writing = true;
    gw_log_ref(s->log);
    if (sn_go_on((unsigned)sn_worker_id(), "access log", shard_flush, s) == 0) return;
    s->writing = false;
    gw_log_unref(s->log);
}

static void flush_here(void *arg)
{
    struct gw_log *l = arg;
    shard_kick(&l->shards[sn_worker_id()]);
}

/* Called by the ticker, which holds a reference through its snapshot. */
void gw_log_flush(struct gw_log *l)
{
    for (unsigned i = 0; i < l->workers; i++)
        if (__atomic_load_n(&l->shards[i].len[0], __ATOMIC_RELAXED) ||
            __atomic_load_n(&l->shards[i].len[1], __ATOMIC_RELAXED))
            (void)!sn_go_on(i, "access log kick", flush_here, l);
}

void gw_log_unref(struct gw_log *l)
{
    if (!l || __atomic_sub_fetch(&l->refs, 1, __ATOMIC_ACQ_REL)) return;
    for (unsigned i = 0; i < l->workers; i++) {
        struct log_shard *s = &l->shards[i];
        if (s->len[s->fill]) shard_write(s);
        sn_free(s->buf[0]);
        sn_free(s->buf[1]);
    }
    if (l->file) (void)close(l->fd);
    sn_free(l->shards);
    sn_free(l->path);
    sn_free(l);
}

uint64_t gw_log_dropped(const struct gw_log *l)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < l->workers; i++)
        n += __atomic_load_n(&l->shards[i].dropped, __ATOMIC_RELAXED);
    return n;
}

/* ---- a line --------------------------------------------------------------------------------- */

static struct sn_str clip(struct sn_str s) { return sn_str_sub(s, 0, FIELD_MAX); }

/* JSON and logfmt take the same pairs. */
struct line {
    struct sn_buf b;
    bool json, first;
};

static void key(struct line *w, const char *k)
{
    if (!w->first) sn_buf_byte(&w->b, w->json ? ',' : ' ');
    w->first = false;
    if (w->json)
        sn_buf_printf(&w->b, "\"%s\":", k);
    else
        sn_buf_printf(&w->b, "%s=", k);
}

static bool plain(struct sn_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] == '"' || s.ptr[i] == '=' || s.ptr[i] == '\\' ||
            (unsigned char)s.ptr[i] >= 0x7f)
            return false;
    return s.len > 0;
}

static void put_str(struct line *w, const char *k, struct sn_str s)
{
    if (!s.ptr) return;
    key(w, k);
    s = clip(s);
    if (!w->json && plain(s))
        sn_buf_str(&w->b, s);
    else if (sn_utf8_valid(s))
        sn_json_write_string(&w->b, s);
    else
        sn_buf_cstr(&w->b, "\"(not utf-8)\"");
}

static void put_num(struct line *w, const char *k, uint64_t v)
{
    key(w, k);
    sn_buf_u64(&w->b, v);
}

static void line_pairs(struct sn_buf *b, const struct gw_req *q, int64_t took_ns, bool json)
{
    const struct sn_http_req *r = &q->x->req;
    struct line w = {.b = *b, .json = json, .first = true};
    char ts[SN_RFC3339_MAX];
    size_t n = sn_time_rfc3339(sn_wall_now(), 3, ts);
    if (json) sn_buf_byte(&w.b, '{');
    put_str(&w, "ts", sn_str_of(ts, n));
    put_str(&w, "client", q->peer);
    put_str(&w, "method", r->method_text);
    put_str(&w, "host", r->authority);
    put_str(&w, "path", r->path);
    if (r->query.ptr) put_str(&w, "query", r->query);
    put_num(&w, "status", (uint64_t)(q->status ? q->status : q->x->status));
    if (q->grpc && q->grpc_status <= 0)
        put_num(&w, "grpc_status", (uint64_t)sn_status_canonical(q->grpc_status));
    put_num(&w, "us", (uint64_t)took_ns / 1000);
    put_num(&w, "in", q->x->bytes_in);
    put_num(&w, "out", q->x->bytes_out);
    put_str(&w, "proto",
            r->version == 20   ? SN_STR("h2")
            : r->version == 11 ? SN_STR("http/1.1")
                               : SN_STR("http/1.0"));
    if (q->route) put_str(&w, "route", q->route->conf->name);
    put_str(&w, "upstream", q->upstream);
    put_str(&w, "endpoint", q->endpoint);
    if (q->attempts) put_num(&w, "upstream_us", (uint64_t)q->upstream_ns / 1000);
    if (q->attempts > 1) put_num(&w, "attempts", q->attempts);
    char trace[GW_TRACE_ID_LEN];
    size_t traced = gw_trace_id(q, trace);
    if (traced) put_str(&w, "trace", sn_str_of(trace, traced));
    put_str(&w, "agent", sn_http_headers_get(&r->headers, SN_STR("user-agent")));
    if (q->fault) put_str(&w, "fault", sn_str(q->fault));
    put_str(&w, "error", q->error);
    if (json) sn_buf_byte(&w.b, '}');
    sn_buf_byte(&w.b, '\n');
    *b = w.b;
}

/* Bytes that would break the quoting of the combined format are written as \xHH. */
static void put_quoted(struct sn_buf *b, struct sn_str s)
{
    s = clip(s);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
            sn_buf_printf(b, "\\x%02x", c);
        else
            sn_buf_byte(b, c);
    }
}

static void line_combined(struct sn_buf *b, const struct gw_req *q)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const struct sn_http_req *r = &q->x->req;
    struct sn_civil c;
    sn_civil_from_unix(sn_wall_now(), &c);
    struct sn_str agent = sn_http_headers_get(&r->headers, SN_STR("user-agent"));
    struct sn_str ref = sn_http_headers_get(&r->headers, SN_STR("referer"));
    sn_buf_printf(b, "%.*s - - [%02u/%.3s/%lld:%02u:%02u:%02u +0000] \"%.*s ",
                  SN_STR_ARG(q->peer.ptr ? q->peer : SN_STR("-")), (unsigned)c.day,
                  months + 3 * (c.month - 1), (long long)c.year, (unsigned)c.hour,
                  (unsigned)c.minute, (unsigned)c.second, SN_STR_ARG(r->method_text));
    put_quoted(b, r->target);
    sn_buf_printf(b, " HTTP/%s\" %d %llu \"",
                  r->version == 20   ? "2.0"
                  : r->version == 11 ? "1.1"
                                     : "1.0",
                  q->status ? q->status : q->x->status, (unsigned long long)q->x->bytes_out);
    put_quoted(b, ref.ptr ? ref : SN_STR("-"));
    sn_buf_cstr(b, "\" \"");
    put_quoted(b, agent.ptr ? agent : SN_STR("-"));
    sn_buf_cstr(b, "\"\n");
}

void gw_log_write(struct gw_log *l, const struct gw_req *q, int64_t took_ns)
{
    struct log_shard *s = &l->shards[q->worker];
    unsigned f = s->fill;
    if (!s->buf[f]) s->buf[f] = sn_alloc(LOG_BUF);
    if (!s->buf[f] || LOG_BUF - s->len[f] < LOG_LINE_MAX) {
        s->dropped++;
        shard_kick(s);
        return;
    }
    struct sn_buf b;
    sn_buf_init_fixed(&b, s->buf[f] + s->len[f], LOG_LINE_MAX);
    if (l->format == SN_GW_LOG_COMBINED)
        line_combined(&b, q);
    else
        line_pairs(&b, q, took_ns, l->format == SN_GW_LOG_JSON);
    if (b.err < 0) {
        s->dropped++;
        return;
    }
    s->len[f] += b.len;
    if (s->len[f] > LOG_BUF / 2) shard_kick(s);
}
