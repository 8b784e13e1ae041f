/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/files.c - static files.
 *
 * A path cannot leave its root: the kernel resolves it beneath the root's descriptor (openat2 with
 * RESOLVE_BENEATH), whatever dots, links or races are on the way. Cached files are opened and read
 * on the fiber; what would touch a disk goes to the offload pool.
 * Sources: RFC 9110 §8.8, §13, §14; openat2(2). */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/enc.h"
#include "core/time.h"
#include "gateway/compress.h"
#include "gateway/range.h"

#define READ_STEP (64u << 10)
#define REL_MAX 4096u

struct file {
    int fd;
    struct stat st;
    struct sn_str type, encoding;
    char etag[48], modified[SN_HTTP_DATE_MAX];
};

static void file_close(struct file *f)
{
    if (f->fd >= 0) (void)close(f->fd);
    f->fd = -1;
}

static const struct {
    const char *ext, *type;
} types[] = {
    {"html", "text/html; charset=utf-8"},
    {"htm", "text/html; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"js", "text/javascript; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"map", "application/json"},
    {"txt", "text/plain; charset=utf-8"},
    {"md", "text/markdown; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"xml", "application/xml"},
    {"svg", "image/svg+xml"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"avif", "image/avif"},
    {"ico", "image/x-icon"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"ttf", "font/ttf"},
    {"otf", "font/otf"},
    {"wasm", "application/wasm"},
    {"pdf", "application/pdf"},
    {"zip", "application/zip"},
    {"gz", "application/gzip"},
    {"zst", "application/zstd"},
    {"br", "application/x-brotli"},
    {"mp4", "video/mp4"},
    {"webm", "video/webm"},
    {"mp3", "audio/mpeg"},
    {"ogg", "audio/ogg"},
    {"wav", "audio/wav"},
    {"webmanifest", "application/manifest+json"},
    {"yaml", "application/yaml"},
    {"yml", "application/yaml"},
};

static struct sn_str type_of(struct sn_str path)
{
    ssize_t dot = sn_str_rchr(path, '.'), slash = sn_str_rchr(path, '/');
    struct sn_str ext = dot > slash ? sn_str_from(path, (size_t)dot + 1) : SN_STR("");
    for (size_t i = 0; i < SN_COUNT_OF(types); i++)
        if (sn_str_ieq(ext, sn_str(types[i].ext))) return sn_str(types[i].type);
    return SN_STR("application/octet-stream");
}

/* ---- opening -------------------------------------------------------------------------------- */

struct open_job {
    int root;
    const char *rel;
    uint64_t resolve;
    struct file *f;
    int err; /* errno, or 0 */
};

static int open_try(void *arg)
{
    struct open_job *j = arg;
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                           .resolve = j->resolve};
    long fd = syscall(SYS_openat2, j->root, j->rel, &how, sizeof(how));
    j->err = fd < 0 ? errno : 0;
    if (fd < 0) return 0;
    j->f->fd = (int)fd;
    if (fstat(j->f->fd, &j->f->st) < 0) {
        j->err = errno;
        file_close(j->f);
    }
    return 0;
}

/* Returns 0, or an errno: here they say more than our codes, and they go no further than a status.
 */
static int file_open(int root, const char *rel, struct file *f)
{
    struct open_job j = {root, rel, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_CACHED, f, 0};
    (void)open_try(&j);
    if (j.err != EAGAIN && j.err != EINVAL) return j.err;
    j.resolve &= ~(uint64_t)RESOLVE_CACHED; /* not in the cache, or a kernel before 5.12 */
    return sn_offload(open_try, &j) < 0 ? EINTR : j.err;
}

static int status_of_errno(int err)
{
    switch (err) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case EXDEV: return 404;
    case EACCES:
    case EPERM: return 403;
    default: return 503;
    }
}

/* ---- conditions ----------------------------------------------------------------------------- */

/* strong: a weak tag in the list fits nothing (section 8.8.3.2). */
static bool etag_listed(struct sn_str list, struct sn_str etag, bool strong)
{
    while (list.ptr) {
        struct sn_str item = sn_str_trim(sn_str_cut(&list, ','));
        if (sn_str_starts(item, SN_STR("W/"))) {
            if (strong) continue;
            item = sn_str_from(item, 2);
        }
        if (sn_str_eqc(item, "*") || sn_str_eq(item, etag)) return true;
    }
    return false;
}

static bool before_or_at(const struct file *f, struct sn_str date)
{
    int64_t at;
    return sn_time_parse_http(date, sn_wall_now(), &at) == 0 && f->st.st_mtim.tv_sec <= at / SN_SEC;
}

/* 0 = send it; 304 or 412 otherwise. Order: RFC 9110 §13.2.2. */
static int precondition(const struct sn_http_headers *h, const struct file *f)
{
    struct sn_str etag = sn_str(f->etag), v;
    v = sn_http_headers_get(h, SN_STR("if-match"));
    if (v.ptr) {
        if (!etag_listed(v, etag, true)) return 412;
    } else {
        v = sn_http_headers_get(h, SN_STR("if-unmodified-since"));
        if (v.ptr && !before_or_at(f, v)) return 412;
    }
    v = sn_http_headers_get(h, SN_STR("if-none-match"));
    if (v.ptr) return etag_listed(v, etag, false) ? 304 : 0;
    v = sn_http_headers_get(h, SN_STR("if-modified-since"));
    return v.ptr && before_or_at(f, v) ? 304 : 0;
}

/* What of the file is sent. */
struct selection {
    int status; /* 200, 206, 416; 304 and 412 by a condition */
    unsigned n;
    struct sn_gw_range ranges[SN_GW_RANGES_MAX];
    struct sn_str heads[SN_GW_RANGES_MAX]; /* of several: what stands before each */
    struct sn_str tail;
    int64_t length; /* of the body */
};

static void select_ranges(const struct sn_http_req *req, const struct file *f, struct selection *s)
{
    const struct sn_http_headers *h = &req->headers;
    s->status = precondition(h, f);
    if (s->status) return;
    s->status = 200;
    s->length = f->st.st_size;
    struct sn_str v = sn_http_headers_get(h, SN_STR("range"));
    struct sn_str cond = sn_http_headers_get(h, SN_STR("if-range"));
    if (!v.ptr || req->method != SN_HTTP_GET) return;
    if (cond.ptr && !sn_str_eqc(cond, f->etag) && !sn_str_eqc(cond, f->modified)) return;
    s->status = sn_gw_ranges(v, (uint64_t)f->st.st_size, s->ranges, &s->n);
    if (s->status == 206) s->length = (int64_t)s->ranges[0].n;
}

/* ---- sending -------------------------------------------------------------------------------- */

struct read_job {
    int fd;
    char *buf;
    int64_t off;
};

static void compress_freep(struct gw_compressor **g) { gw_compress_free(*g); }

static int send_range(struct gw_req *q, const struct file *f, int64_t off, int64_t n)
{
    char *buf = sn_arena_alloc(q->x->arena, SN_MIN((size_t)n, (size_t)READ_STEP));
    if (!buf && n) return SN_E_NOMEM;
    while (n > 0) {
        struct iovec iov = {buf, SN_MIN((size_t)n, (size_t)READ_STEP)};
        ssize_t got = preadv2(f->fd, &iov, 1, off, RWF_NOWAIT);
        if (got <= 0) return sn_http_send_file(q->x, f->fd, off, n);
        int r = sn_http_write(q->x, sn_str_of(buf, (size_t)got));
        if (r < 0) return r;
        off += got;
        n -= got;
    }
    return 0;
}

static int read_offloaded(void *arg)
{
    struct read_job *j = arg;
    ssize_t n;
    do n = pread(j->fd, j->buf, READ_STEP, j->off);
    while (n < 0 && errno == EINTR);
    return n < 0 ? SN_E_IO : (int)n;
}

static int send_compressed(struct gw_req *q, const struct file *f, struct gw_compressor *g)
{
    struct read_job j = {f->fd, sn_arena_alloc(q->x->arena, READ_STEP), 0};
    if (!j.buf) return SN_E_NOMEM;
    while (j.off < f->st.st_size) {
        struct iovec iov = {j.buf, READ_STEP};
        ssize_t n = preadv2(f->fd, &iov, 1, j.off, RWF_NOWAIT);
        if (n <= 0) n = sn_offload(read_offloaded, &j);
        if (n <= 0) return n < 0 ? (int)n : sn_fail(SN_E_EOF, "file shrank while it was sent");
        int r = gw_compress_write(g, sn_str_of(j.buf, (size_t)n));
        if (r < 0) return r;
        j.off += n;
    }
    return gw_compress_end(g);
}

static int file_headers(struct gw_req *q, const struct file *f)
{
    const struct sn_gw_conf_static *c = &q->route->conf->files;
    struct sn_http_x *x = q->x;
    int r = gw_response_headers(q);
    if (r == 0) r = sn_http_header_add(x, SN_STR("ETag"), sn_str(f->etag));
    if (r == 0) r = sn_http_header_add(x, SN_STR("Last-Modified"), sn_str(f->modified));
    if (r == 0) r = sn_http_header_add(x, SN_STR("Accept-Ranges"), SN_STR("bytes"));
    if (r == 0 && c->cache_control.ptr)
        r = sn_http_header_add(x, SN_STR("Cache-Control"), c->cache_control);
    if (r == 0 && c->precompressed)
        r = sn_http_header_add(x, SN_STR("Vary"), SN_STR("Accept-Encoding"));
    if (r == 0 && f->encoding.ptr)
        r = sn_http_header_add(x, SN_STR("Content-Encoding"), f->encoding);
    return r;
}

/* Fields of a whole file, of one range, of none. */
static int plain_fields(struct gw_req *q, const struct file *f, const struct selection *s)
{
    long long size = (long long)f->st.st_size;
    struct sn_str v = {0};
    if (s->status == 416) v = sn_arena_printf(q->x->arena, "bytes */%lld", size);
    if (s->status == 206)
        v = sn_arena_printf(q->x->arena, "bytes %llu-%llu/%lld", (unsigned long long)s->ranges[0].off,
                            (unsigned long long)(s->ranges[0].off + s->ranges[0].n - 1), size);
    int r = 0;
    if (s->status != 200)
        r = v.ptr ? sn_http_header_add(q->x, SN_STR("Content-Range"), v) : SN_E_NOMEM;
    return r == 0 && s->status != 416 ? sn_http_header_add(q->x, SN_STR("Content-Type"), f->type) : r;
}

/* Several ranges: multipart/byteranges (RFC 9110 section 14.6), whose length is known beforehand. */
static int multipart_fields(struct gw_req *q, const struct file *f, struct selection *s)
{
    struct sn_arena *a = q->x->arena;
    struct sn_str mark = sn_arena_printf(a, "%016llx%016llx", (unsigned long long)sn_random(),
                                         (unsigned long long)sn_random());
    if (!mark.ptr) return SN_E_NOMEM;
    s->length = 0;
    for (unsigned i = 0; i < s->n; i++) {
        const struct sn_gw_range *g = &s->ranges[i];
        s->heads[i] = sn_arena_printf(
            a, "%s--%.*s\r\nContent-Type: %.*s\r\nContent-Range: bytes %llu-%llu/%lld\r\n\r\n",
            i ? "\r\n" : "", SN_STR_ARG(mark), SN_STR_ARG(f->type), (unsigned long long)g->off,
            (unsigned long long)(g->off + g->n - 1), (long long)f->st.st_size);
        if (!s->heads[i].ptr) return SN_E_NOMEM;
        s->length += (int64_t)(s->heads[i].len + g->n);
    }
    s->tail = sn_arena_printf(a, "\r\n--%.*s--\r\n", SN_STR_ARG(mark));
    struct sn_str type = sn_arena_printf(a, "multipart/byteranges; boundary=%.*s", SN_STR_ARG(mark));
    s->length += (int64_t)s->tail.len;
    return s->tail.ptr && type.ptr ? sn_http_header_add(q->x, SN_STR("Content-Type"), type)
                                   : SN_E_NOMEM;
}

static int send_selection(struct gw_req *q, const struct file *f, const struct selection *s)
{
    if (s->status == 200) return send_range(q, f, 0, s->length);
    int r = 0;
    for (unsigned i = 0; r == 0 && i < s->n; i++) {
        if (s->heads[i].len) r = sn_http_write(q->x, s->heads[i]);
        if (r == 0) r = send_range(q, f, (int64_t)s->ranges[i].off, (int64_t)s->ranges[i].n);
    }
    return r == 0 && s->tail.len ? sn_http_write(q->x, s->tail) : r;
}

static int file_send(struct gw_req *q, struct file *f)
{
    struct sn_http_x *x = q->x;
    snprintf(f->etag, sizeof(f->etag), "\"%llx-%llx\"",
             (unsigned long long)f->st.st_mtim.tv_sec * 1000000 + f->st.st_mtim.tv_nsec / 1000,
             (unsigned long long)f->st.st_size);
    sn_time_http((int64_t)f->st.st_mtim.tv_sec * SN_SEC, f->modified);
    struct selection s = {0};
    select_ranges(&x->req, f, &s);
    int r = file_headers(q, f);
    q->status = s.status;
    if (r < 0) return r;
    if (s.status == 304) {
        r = sn_http_start(x, 304, 0);
        return r < 0 ? r : sn_http_end(x);
    }
    if (s.status != 412) r = s.n > 1 ? multipart_fields(q, f, &s) : plain_fields(q, f, &s);
    if (r < 0) return r;
    if (s.status >= 400) return sn_http_reply(x, s.status, (struct sn_str){0}, SN_STR(""));
    struct gw_compressor *comp SN_CLEANUP(compress_freep) = NULL;
    r = gw_compress_begin(q, s.status, s.length, &comp);
    if (r == 0) r = sn_http_start(x, s.status, comp ? -1 : s.length);
    if (r == 0 && x->req.method != SN_HTTP_HEAD)
        r = comp ? send_compressed(q, f, comp) : send_selection(q, f, &s);
    return r < 0 ? r : sn_http_end(x);
}

/* ---- finding -------------------------------------------------------------------------------- */

/* The file below the root that the path names, decoded; "" for the root itself. Hidden names are
 * not served, but for /.well-known (RFC 8615). Returns 0 or the status that refuses. */
static int rel_path(struct gw_req *q, char rel[REL_MAX], size_t *ret_n)
{
    struct sn_str p = q->path;
    if (!q->route->conf->files.keep_prefix) p = sn_str_from(p, q->matched.len);
    if (p.len >= REL_MAX - 16) return 414;
    ssize_t n = sn_pct_decode(p, false, rel);
    if (n < 0) return 400;
    size_t skip = 0;
    while (skip < (size_t)n && rel[skip] == '/') skip++;
    memmove(rel, rel + skip, (size_t)n - skip);
    n -= (ssize_t)skip;
    rel[n] = 0;
    if (strlen(rel) != (size_t)n) return 400;
    struct sn_str s = sn_str_of(rel, (size_t)n);
    while (s.ptr) {
        struct sn_str part = sn_str_cut(&s, '/');
        if (part.len && part.ptr[0] == '.' && !sn_str_eqc(part, ".well-known")) return 404;
    }
    /* An escaped slash would name another file than the router saw. */
    if (memmem(p.ptr, p.len, "%2F", 3)) return 404;
    *ret_n = (size_t)n;
    return 0;
}

static void open_compressed(struct gw_req *q, char rel[REL_MAX], size_t n, struct file *f)
{
    static const struct {
        const char *coding, *suffix;
    } kinds[] = {{"br", ".br"}, {"zstd", ".zst"}, {"gzip", ".gz"}};
    struct sn_str accept = sn_http_headers_get(&q->x->req.headers, SN_STR("accept-encoding"));
    for (size_t i = 0; accept.ptr && i < SN_COUNT_OF(kinds); i++) {
        if (!gw_accepts(accept, sn_str(kinds[i].coding))) continue;
        struct file c = {.fd = -1, .type = f->type};
        memcpy(rel + n, kinds[i].suffix, strlen(kinds[i].suffix) + 1);
        int r = file_open(q->route->root_fd, rel, &c);
        rel[n] = 0;
        if (r) continue;
        if (S_ISREG(c.st.st_mode)) {
            file_close(f);
            *f = c;
            f->encoding = sn_str(kinds[i].coding);
            return;
        }
        file_close(&c);
    }
}

static int open_at(struct gw_req *q, char rel[REL_MAX], size_t n, struct file *f)
{
    int r = file_open(q->route->root_fd, n ? rel : ".", f);
    if (r) return r;
    f->type = type_of(sn_str_of(rel, n));
    if (S_ISREG(f->st.st_mode) && q->route->conf->files.precompressed)
        open_compressed(q, rel, n, f);
    return 0;
}

static int redirect_to_folder(struct gw_req *q)
{
    struct sn_str query = q->x->req.query, path = q->path;
    while (path.len > 1 && path.ptr[1] == '/') path = sn_str_from(path, 1);
    struct sn_str loc = sn_arena_printf(q->x->arena, "%.*s/%s%.*s", SN_STR_ARG(path),
                                        query.ptr ? "?" : "", SN_STR_ARG(query));
    if (!loc.ptr) return SN_E_NOMEM;
    int r = sn_http_header_add(q->x, SN_STR("Location"), loc);
    q->status = 301;
    return r < 0 ? r : sn_http_reply(q->x, 301, (struct sn_str){0}, SN_STR(""));
}

static int find_and_send(struct gw_req *q, char rel[REL_MAX], struct file *f)
{
    const struct sn_gw_conf_static *c = &q->route->conf->files;
    size_t n = 0;
    int status = rel_path(q, rel, &n);
    if (status) return gw_answer(q, status, "path not served");
    int r = open_at(q, rel, n, f);
    if (r == 0 && S_ISDIR(f->st.st_mode)) {
        file_close(f);
        if (q->path.ptr[q->path.len - 1] != '/') return redirect_to_folder(q);
        if (n + c->index.len + 8 > REL_MAX) return gw_answer(q, 414, "path too long");
        memcpy(rel + n, c->index.ptr, c->index.len);
        n += c->index.len;
        rel[n] = 0;
        r = open_at(q, rel, n, f);
    }
    if ((r == ENOENT || r == ENOTDIR) && c->fallback.ptr && c->fallback.len + 8 < REL_MAX) {
        memcpy(rel, c->fallback.ptr, c->fallback.len);
        n = c->fallback.len;
        rel[n] = 0;
        r = open_at(q, rel, n, f);
    }
    if (r) {
        status = status_of_errno(r);
        return gw_answer(q, status, status == 503 ? "file cannot be opened" : "no such file");
    }
    if (!S_ISREG(f->st.st_mode)) return gw_answer(q, 404, "not a file");
    return file_send(q, f);
}

int gw_files(struct gw_req *q)
{
    if (q->x->req.method != SN_HTTP_GET && q->x->req.method != SN_HTTP_HEAD) {
        int r = sn_http_header_add(q->x, SN_STR("Allow"), SN_STR("GET, HEAD"));
        q->status = 405;
        q->fault = "method not allowed";
        return r < 0 ? r : sn_http_reply(q->x, 405, (struct sn_str){0}, SN_STR(""));
    }
    char *rel = sn_arena_alloc(q->x->arena, REL_MAX);
    if (!rel) return SN_E_NOMEM;
    struct file f SN_CLEANUP(file_close) = {.fd = -1};
    return find_and_send(q, rel, &f);
}
