/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-witness - one witness as one process: PROGRAM.snw INPUT.json WITNESS.wtns.
 *
 * What the binary that circom's C++ generator makes for each circuit does, for any of them. A program of
 * its own because half a millisecond of computing does not wait for a dozen shared libraries. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/status.h"
#include "zk/witness/witness.h"

#define PATH_BYTES_MAX 4096

static int map(const char *path, struct sn_str *ret)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "open %s", path);
    void *p = NULL;
    int r = fstat(fd, &st) < 0 ? sn_fail_errno(errno, "stat %s", path) : 0;
    if (r == 0 && (!S_ISREG(st.st_mode) || st.st_size == 0))
        r = sn_fail(SN_E_INVALID_ARGUMENT, "%s is empty or not a regular file", path);
    if (r == 0) {
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
        if (p == MAP_FAILED) r = sn_fail_errno(errno, "map %s", path);
    }
    (void)close(fd);
    if (r == 0) *ret = sn_str_of(p, (size_t)st.st_size);
    return r;
}

static int write_all(void *ctx, const void *data, size_t n)
{
    const char *p = data;
    while (n > 0) {
        ssize_t done = write(*(int *)ctx, p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return sn_fail_errno(done < 0 ? errno : EIO, "write");
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

/* The file gets its name when it is complete. An older one of that name goes first: where a rename
 * replaces a file, ext4 has the new one's bytes written before it returns, which takes several times as
 * long as everything else here. */
static int run_to(const struct sn_witness_prog *p, const struct sn_fe *inputs, const char *path)
{
    char temp[PATH_BYTES_MAX];
    int n = snprintf(temp, sizeof(temp), "%s.%d.tmp", path, (int)getpid());
    if (n < 0 || n >= (int)sizeof(temp))
        return sn_fail(SN_E_TOO_LARGE, "a path of more than %d bytes", PATH_BYTES_MAX - 1);
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return sn_fail_errno(errno, "create %s", temp);
    struct sn_zk_sink sink = {write_all, &fd};
    int r = sn_witness_run_wtns(p, inputs, NULL, &sink);
    (void)close(fd);
    if (r == 0 && unlink(path) < 0 && errno != ENOENT) r = sn_fail_errno(errno, "replace %s", path);
    if (r == 0 && rename(temp, path) < 0) r = sn_fail_errno(errno, "rename %s to %s", temp, path);
    if (r < 0) (void)unlink(temp);
    return r;
}

static int run(const char *program, const char *json, const char *wtns)
{
    struct sn_str file, text;
    struct sn_witness_prog *p;
    uint32_t first;
    int r = map(program, &file);
    if (r < 0) return r;
    if ((r = sn_witness_read(file, &p)) < 0) return sn_wrap(r, "%s", program);
    if ((r = map(json, &text)) == 0) {
        uint32_t n = sn_witness_n_inputs(p, &first);
        struct sn_fe *in = sn_zalloc(n + 1u, sizeof(*in));
        r = in ? sn_witness_inputs_json(p, text, SN_WITNESS_REDUCE, in) : SN_E_NOMEM;
        if (r < 0) r = sn_wrap(r, "%s", json);
        if (r == 0) r = run_to(p, in, wtns);
        if (in) explicit_bzero(in, n * sizeof(*in));
        sn_free(in);
    }
    sn_witness_free(p);
    return r;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: sennit-witness PROGRAM.snw INPUT.json WITNESS.wtns\n");
        return 2;
    }
    int r = run(argv[1], argv[2], argv[3]);
    if (r < 0) fprintf(stderr, "sennit-witness: %s\n", sn_diag_str(r));
    return r < 0;
}
