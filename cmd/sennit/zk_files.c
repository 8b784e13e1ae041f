/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/zk_files.c - from a key and a witness to a proof, file by file; see zk_cmd.h. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "sennit/zk_cmd.h"

int zk_read_wtns(struct sn_str path, const struct sn_field **ret_f, struct sn_fe **ret,
                 size_t *ret_n)
{
    struct sn_str file;
    int r = files_map(path, &file);
    if (r < 0) return r;
    r = sn_wtns_read(file, ret_f, ret, ret_n);
    files_unmap(&file);
    return r < 0 ? sn_wrap(r, "%.*s", SN_STR_ARG(path)) : 0;
}

int zk_write_text(struct sn_str path, const struct sn_buf *text)
{
    struct zk_out out;
    if (text->err < 0) return text->err;
    int r = zk_out_open(&out, path);
    if (r < 0) return r;
    out.file.no_sync = true; /* proofs and exports can be made again */
    return zk_out_commit(&out, out.sink.write(out.sink.ctx, text->ptr, text->len));
}

int zk_random(void *out, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t r = getrandom((char *)out + at, n - at, 0);
        if (r < 0 && errno == EINTR) continue;
        if (r <= 0) return sn_fail_errno(r < 0 ? errno : EIO, "random bytes");
        at += (size_t)r;
    }
    return 0;
}

static int prove_write(struct sn_str proof_path, struct sn_str public_path,
                       const struct sn_groth_proof *p, const struct sn_fe *pub, size_t n)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    (void)sn_groth_proof_write_json(p, &b);
    int r = zk_write_text(proof_path, &b);
    sn_buf_reset(&b);
    (void)sn_groth_public_write_json(p->curve->fr, pub, n, &b);
    if (r == 0) r = zk_write_text(public_path, &b);
    sn_buf_done(&b);
    return r;
}

static int prove_with(const struct sn_zkey *z, struct sn_str wtns, struct sn_str proof_path,
                      struct sn_str public_path)
{
    const struct sn_field *f;
    struct sn_groth_proof proof;
    struct sn_fe *w;
    size_t n;
    uint8_t random[SN_GROTH_RANDOM_BYTES];
    int r = zk_read_wtns(wtns, &f, &w, &n);
    if (r < 0) return r;
    if (f != z->curve->fr)
        r = sn_fail(SN_E_INVALID_ARGUMENT, "a witness over %s for a key over %s", f->name,
                    z->curve->name);
    if (r == 0) r = zk_random(random, sizeof(random));
    if (r == 0) r = sn_groth_prove(z, w, n, random, zk_par(), &proof);
    sn_wipe(random, sizeof(random));
    if (r == 0) r = prove_write(proof_path, public_path, &proof, w + 1, z->n_public);
    sn_wipe(w, n * sizeof(*w));
    sn_free(w);
    return r;
}

/* Pages wholly inside an array of the mapped key that is not needed again. */
static void let_go(const void *p, size_t n)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = ((uintptr_t)p + page - 1) & ~(page - 1);
    uintptr_t end = ((uintptr_t)p + n) & ~(page - 1);
    if (from < end) (void)madvise((void *)from, end - from, MADV_DONTNEED);
}

int zk_prove_files(struct sn_str key, struct sn_str wtns, struct sn_str proof, struct sn_str pub)
{
    struct sn_str file;
    struct sn_zkey z;
    int r = files_map(key, &file);
    if (r < 0) return r;
    r = sn_zkey_open(file, &z);
    if (r < 0) {
        r = sn_wrap(r, "%.*s", SN_STR_ARG(key));
    } else {
        z.used = let_go;
        r = prove_with(&z, wtns, proof, pub);
        sn_zkey_done(&z);
    }
    files_unmap(&file);
    return r;
}
