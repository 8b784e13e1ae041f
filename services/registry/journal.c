/* SPDX-License-Identifier: Apache-2.0 */
/* registry/journal.c - see journal.h. A frame is length, CRC-32C of the length and the record (4
 * bytes each, little-endian), and the record: a run of zeroes is no frame. */
#include "registry/journal.h"

#include <fcntl.h>

#include "core/alloc.h"
#include "core/crc32c.h"
#include "fiber/os.h"
#include "kit/log.h"

SN_LOG_MODULE("registry");

#define MAGIC "SNREGJ1\n"
#define MAGIC_BYTES 8
#define RECORD_MAX (4u << 20)
#define FILE_MAX (2048ull << 20)

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> 8 * i);
}
static uint32_t get32(const char *p)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) v |= (uint32_t)(uint8_t)p[i] << 8 * i;
    return v;
}

static int frame(struct sn_buf *b, struct sn_str record)
{
    uint8_t head[8];
    put32(head, (uint32_t)record.len);
    put32(head + 4, sn_crc32c(sn_crc32c(0, head, 4), record.ptr, record.len));
    (void)sn_buf_put(b, head, 8);
    return sn_buf_str(b, record);
}

/* The next whole frame; false where there is none. */
static bool next_frame(struct sn_str *in, struct sn_str *ret)
{
    if (in->len < 8) return false;
    size_t n = get32(in->ptr);
    if (n == 0 || n > RECORD_MAX || in->len - 8 < n) return false;
    if (get32(in->ptr + 4) != sn_crc32c(sn_crc32c(0, in->ptr, 4), in->ptr + 8, n)) return false;
    *ret = sn_str_sub(*in, 8, 8 + n);
    *in = sn_str_from(*in, 8 + n);
    return true;
}

static int set_aside(struct reg_journal *j, struct sn_str tail)
{
    struct sn_buf path;
    sn_buf_init(&path, SN_FILE_PATH_MAX);
    (void)sn_buf_printf(&path, "%s.damaged", j->path);
    (void)sn_buf_cz(&path);
    int r = path.err;
    if (r >= 0) r = sn_file_write((char *)path.ptr, tail, 0600);
    sn_buf_done(&path);
    return r;
}

static int replay_all(struct reg_journal *j, struct sn_str all,
                      int (*replay)(void *, struct sn_str), void *arg, int64_t *ret_cut)
{
    if (!sn_str_starts(all, SN_STR(MAGIC)))
        return sn_fail(SN_E_DATA_LOSS, "%s is no registry journal; move it away to begin anew",
                       j->path);
    struct sn_str rest = sn_str_from(all, MAGIC_BYTES), record;
    while (next_frame(&rest, &record)) {
        int r = replay(arg, record);
        if (r < 0) return sn_wrap(r, "%s, byte %zu", j->path, (size_t)(record.ptr - all.ptr));
    }
    j->off = (int64_t)(all.len - rest.len);
    *ret_cut = (int64_t)rest.len;
    return rest.len ? set_aside(j, rest) : 0;
}

/* In front of the first record: the head, durable. */
static int begin_file(struct reg_journal *j)
{
    int r = sn_file_write(j->path, SN_STR(MAGIC), 0600);
    j->off = MAGIC_BYTES;
    return r;
}

int reg_journal_open(struct reg_journal *j, const char *path,
                     int (*replay)(void *arg, struct sn_str record), void *arg, int64_t *ret_cut)
{
    size_t n = strlen(path);
    *j = (struct reg_journal){.fd = -1, .path = sn_alloc(n + 1), .rewrite_min = 4 << 20};
    *ret_cut = 0;
    if (!j->path) return SN_E_NOMEM;
    memcpy(j->path, path, n + 1);
    sn_buf_init(&j->pending, 0);
    struct sn_arena a;
    struct sn_str all;
    sn_arena_init(&a, NULL, 0);
    int r = sn_file_read(&a, path, FILE_MAX, &all);
    if (r == SN_E_NOT_FOUND || (r >= 0 && all.len == 0))
        r = begin_file(j);
    else if (r >= 0)
        r = replay_all(j, all, replay, arg, ret_cut);
    sn_arena_done(&a);
    if (r >= 0) r = sn_file_open(path, O_RDWR, 0600, &j->fd);
    if (r >= 0 && *ret_cut) {
        r = sn_file_truncate(j->fd, j->off);
        if (r >= 0) r = sn_file_sync(j->fd);
    }
    j->dumped = j->off;
    if (r < 0) reg_journal_done(j);
    return r;
}

uint64_t reg_journal_append(struct reg_journal *j, struct sn_str record)
{
    sn_mutex_lock_always(&j->lock);
    if (!record.len || record.len > RECORD_MAX || frame(&j->pending, record) < 0) j->failed = true;
    uint64_t seq = ++j->seq;
    sn_cond_signal(&j->work);
    sn_mutex_unlock(&j->lock);
    return seq;
}

int reg_journal_wait(struct reg_journal *j, uint64_t seq)
{
    int r = sn_mutex_lock(&j->lock);
    if (r < 0) return r;
    while (r >= 0 && j->synced < seq && !j->failed) r = sn_cond_wait(&j->done, &j->lock);
    if (r >= 0 && j->synced < seq) r = sn_fail(SN_E_IO, "%s cannot be written any more", j->path);
    sn_mutex_unlock(&j->lock);
    return r;
}

static int write_out(struct reg_journal *j, struct sn_buf *b)
{
    ssize_t r = sn_file_pwrite(j->fd, b->ptr, b->len, j->off);
    if (r >= 0) r = sn_file_sync(j->fd);
    if (r >= 0) j->off += (int64_t)b->len;
    return r < 0 ? (int)r : 0;
}

static int emit_frame(void *to, struct sn_str record)
{
    struct sn_buf *b = to;
    return frame(b, record);
}

/* The whole content into a new file that takes the place of the old one. */
static int rewrite(struct reg_journal *j, uint64_t *ret_seq)
{
    struct sn_buf all;
    sn_buf_init(&all, FILE_MAX);
    j->hold(j->arg);
    (void)sn_buf_cstr(&all, MAGIC);
    int r = j->dump(j->arg, emit_frame, &all);
    sn_mutex_lock_always(&j->lock);
    sn_buf_reset(&j->pending); /* all of it is in the content */
    *ret_seq = j->seq;
    sn_mutex_unlock(&j->lock);
    j->release(j->arg);
    if (r >= 0) r = all.err;
    if (r >= 0) r = sn_file_write(j->path, sn_buf_view(&all), 0600);
    if (r >= 0) {
        sn_file_close(j->fd);
        j->fd = -1;
        r = sn_file_open(j->path, O_RDWR, 0600, &j->fd);
    }
    j->off = j->dumped = (int64_t)all.len;
    sn_buf_done(&all);
    return r;
}

static void finished(struct reg_journal *j, int r, uint64_t seq)
{
    sn_mutex_lock_always(&j->lock);
    if (r < 0)
        j->failed = true;
    else
        j->synced = seq;
    sn_cond_broadcast(&j->done);
    sn_mutex_unlock(&j->lock);
    if (r < 0) SN_LOG_ERROR("journal: nothing is stored any more", SN_L_ERR(r));
}

static int flush(void *journal)
{
    struct reg_journal *j = journal;
    for (;;) {
        sn_mutex_lock_always(&j->lock);
        while (!j->stop && !j->failed && j->pending.len == 0)
            (void)!sn_cond_wait(&j->work, &j->lock);
        struct sn_buf b = j->pending;
        uint64_t seq = j->seq;
        bool end = j->failed || b.len == 0;
        bool grown = j->off > 2 * j->dumped + j->rewrite_min;
        if (!end && !grown) sn_buf_init(&j->pending, 0);
        sn_mutex_unlock(&j->lock);
        if (end) {
            finished(j, j->failed ? SN_E_IO : 0, seq);
            return 0;
        }
        int r = grown ? rewrite(j, &seq) : write_out(j, &b);
        if (!grown) sn_buf_done(&b);
        finished(j, r, seq);
    }
}

int reg_journal_run(void *journal)
{
    /* Whatever ends the program: what it has taken is written. It ends by reg_journal_stop. */
    return sn_shield(SN_FOREVER, flush, journal);
}

void reg_journal_stop(struct reg_journal *j)
{
    sn_mutex_lock_always(&j->lock);
    j->stop = true;
    sn_cond_signal(&j->work);
    sn_mutex_unlock(&j->lock);
}

void reg_journal_done(struct reg_journal *j)
{
    if (j->fd >= 0) sn_file_close(j->fd);
    sn_buf_done(&j->pending);
    sn_free(j->path);
    *j = (struct reg_journal){.fd = -1};
}
