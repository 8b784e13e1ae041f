/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling, the cache of compiled programs, and loading. */
#include "seccomp/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/status.h"
#include "crypto/blake2b.h"
#include "seccomp/seccomp_int.h"

int sn_seccomp_compile(struct sn_arena *a, const struct sn_json *seccomp,
                       struct sn_seccomp_filter *ret)
{
    struct sn_seccomp_filter f = {0};
    struct sc_profile p;
    int e = sc_profile_read(a, seccomp, &p);
    if (e == 0) e = sc_emit(a, &p, &f);
    if (e < 0) return e;
    f.flags = p.flags;
    f.notify = p.notify;
    f.listener_path = p.listener_path;
    f.listener_metadata = p.listener_metadata;
    f.unknown_names = p.unknown_names;
    *ret = f;
    return 0;
}

int sn_seccomp_load(const struct sn_seccomp_filter *f, int *ret_notify_fd)
{
    struct sock_fprog prog = {.len = (unsigned short)f->n, .filter = f->insns};
    long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, f->flags, &prog);
    if (r < 0) return -errno;
    if (ret_notify_fd) *ret_notify_fd = f->notify ? (int)r : -1;
    /* With TSYNC a positive answer without a listener is the thread that could not follow. */
    return r > 0 && !f->notify ? -ESRCH : 0;
}

/* ---- cache -------------------------------------------------------------------------------------
 */

#define SC_CACHE_VERSION \
    1 /* changes with the generator's output: other programs are other entries */
#define SC_CACHE_MAGIC "snsec01"

struct sc_entry_head {
    char magic[8];
    uint32_t n, flags, notify, unknown_names;
    uint8_t sum[64]; /* of what follows the head, and of the fields above */
};
#define SC_ENTRY_MAX \
    (sizeof(struct sc_entry_head) + SN_SECCOMP_INSNS_MAX * sizeof(struct sock_filter))

static void sc_sum(const struct sc_entry_head *h, const void *insns, uint8_t ret[64])
{
    struct sn_blake2b b;
    sn_blake2b_init(&b);
    sn_blake2b_put(&b, h, offsetof(struct sc_entry_head, sum));
    sn_blake2b_put(&b, insns, h->n * sizeof(struct sock_filter));
    sn_blake2b_final(&b, ret);
}

/* The profile's name in the cache: a hash over its text as we write it. */
static int sc_key(const struct sn_json *seccomp, char out[80])
{
    struct sn_buf text;
    uint8_t sum[64];
    struct sn_blake2b b;
    sn_buf_init(&text, 16u << 20);
    int e = sn_json_write(&text, seccomp, NULL);
    if (e == 0) {
        sn_blake2b_init(&b);
        sn_blake2b_put(&b, (const uint8_t[]){SC_CACHE_VERSION, (uint8_t)sc_native()}, 2);
        sn_blake2b_put(&b, text.ptr, text.len);
        sn_blake2b_final(&b, sum);
        int n = snprintf(out, 80, "seccomp-");
        for (unsigned i = 0; i < 32; i++) n += snprintf(out + n, 80 - (size_t)n, "%02x", sum[i]);
    }
    sn_buf_done(&text);
    return e;
}

/* Returns 1 where the entry is good, 0 where not. Anybody else's hand on the file or its folder
 * makes it worthless: it is a program for every container to come. */
static int sc_cache_get(struct sn_arena *a, int dir, const char *key, struct sn_seccomp_filter *f)
{
    struct stat d, st;
    if (fstat(dir, &d) < 0 || d.st_uid != geteuid() || d.st_mode & 022) return 0;
    int fd = openat(dir, key, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return 0;
    bool ours = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
                !(st.st_mode & 022) && st.st_size > (off_t)sizeof(struct sc_entry_head) &&
                st.st_size <= (off_t)SC_ENTRY_MAX;
    char *mem = ours ? sn_arena_alloc(a, (size_t)st.st_size) : NULL;
    ssize_t n = mem ? read(fd, mem, (size_t)st.st_size) : -1;
    close(fd);
    if (n < 0 || n != st.st_size) return 0;
    struct sc_entry_head *h = (void *)mem;
    uint8_t sum[64];
    struct sock_filter *insns = (void *)(h + 1);
    if (memcmp(h->magic, SC_CACHE_MAGIC, 8) != 0 || h->n == 0 || h->n > SN_SECCOMP_INSNS_MAX ||
        (size_t)n != sizeof(*h) + h->n * sizeof(*insns))
        return 0;
    sc_sum(h, insns, sum);
    if (memcmp(sum, h->sum, sizeof(sum)) != 0) return 0;
    *f = (struct sn_seccomp_filter){.insns = insns,
                                    .n = h->n,
                                    .flags = h->flags,
                                    .notify = h->notify != 0,
                                    .unknown_names = h->unknown_names};
    return 1;
}

/* Written beside and renamed, so that a reader sees all of it or nothing. What fails only costs the
 * next start its compilation. */
static void sc_cache_put(int dir, const char *key, const struct sn_seccomp_filter *f)
{
    char tmp[112];
    struct sc_entry_head h = {.magic = SC_CACHE_MAGIC,
                              .n = f->n,
                              .flags = f->flags,
                              .notify = f->notify,
                              .unknown_names = f->unknown_names};
    sc_sum(&h, f->insns, h.sum);
    snprintf(tmp, sizeof(tmp), "%s.%d.tmp", key, (int)getpid());
    int fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return;
    size_t n = f->n * sizeof(*f->insns);
    bool ok = write(fd, &h, sizeof(h)) == sizeof(h) && write(fd, f->insns, n) == (ssize_t)n;
    close(fd);
    if (!ok || renameat(dir, tmp, dir, key) < 0) unlinkat(dir, tmp, 0);
}

int sn_seccomp_cached(struct sn_arena *a, int dir, const struct sn_json *seccomp,
                      struct sn_seccomp_filter *ret, bool *ret_hit)
{
    char key[80];
    struct sn_seccomp_filter f;
    int e = sc_key(seccomp, key);
    bool hit = e == 0 && sc_cache_get(a, dir, key, &f) == 1;
    if (hit) {
        f.listener_path = sn_json_str(sn_json_get(seccomp, "listenerPath"));
        f.listener_metadata = sn_json_str(sn_json_get(seccomp, "listenerMetadata"));
    } else {
        int c = sn_seccomp_compile(a, seccomp, &f);
        if (c < 0) return c;
        if (e == 0) sc_cache_put(dir, key, &f);
    }
    if (ret_hit) *ret_hit = hit;
    *ret = f;
    return 0;
}
