/* SPDX-License-Identifier: Apache-2.0 */
/* shim/record.c - a few words in the bundle, for "delete" after the shim was killed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "clusters/shim/shim_int.h"

#define RECORD "sennit-shim"

int shim_root(const char *base, const char *ns, char *out, size_t cap)
{
    int n = snprintf(out, cap, "%s/%s", base && *base ? base : SN_SHIM_STATE_ROOT, ns);
    if (out[0] != '/') return sn_fail(SN_E_INVALID_ARGUMENT, "root %s: an absolute path is expected", base);
    return (size_t)n < cap ? 0 : sn_fail(SN_E_TOO_LARGE, "root %s: too long", base);
}

int shim_record_write(const char *bundle, const struct shim_record *r)
{
    char path[SHIM_PATH_MAX], tmp[SHIM_PATH_MAX], text[SHIM_PATH_MAX + 128];
    if (snprintf(path, sizeof(path), "%s/" RECORD, bundle) >= (int)sizeof(path) ||
        snprintf(tmp, sizeof(tmp), "%s/." RECORD, bundle) >= (int)sizeof(tmp))
        return sn_fail(SN_E_TOO_LARGE, "bundle %s: too long", bundle);
    int n = snprintf(text, sizeof(text), "pid %u\nstatus %u\nexited %lld\nroot %s\n", r->pid, r->status,
                     (long long)r->exited_ns, r->root);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return sn_fail_errno(errno, "open %s", tmp);
    bool ok = write(fd, text, (size_t)n) == n;
    int err = errno;
    close(fd);
    if (ok && rename(tmp, path) == 0) return 0;
    if (ok) err = errno;
    unlink(tmp);
    return sn_fail_errno(err, "write %s", path);
}

void shim_record_read(const char *bundle, struct shim_record *ret)
{
    char path[SHIM_PATH_MAX], text[SHIM_PATH_MAX + 128];
    *ret = (struct shim_record){0};
    if (snprintf(path, sizeof(path), "%s/" RECORD, bundle) >= (int)sizeof(path)) return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0) return;
    text[n] = 0;
    long long at = 0;
    int end = 0;
    if (sscanf(text, "pid %u\nstatus %u\nexited %lld\nroot %n", &ret->pid, &ret->status, &at, &end) < 3 || !end) return;
    ret->exited_ns = at;
    struct sn_str root = sn_str_trim(sn_str(text + end));
    if (sn_str_cz(root, ret->root, sizeof(ret->root)) < 0) ret->root[0] = 0;
}
