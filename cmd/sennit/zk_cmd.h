/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/zk_cmd.h - what the files of `sennit zk` share. */
#pragma once
#include "kit/cli.h"
#include "sennit/files.h"
#include "wire/json.h"
#include "zk/groth16.h"

extern const struct sn_cli_command zk_cmd_check;
extern const struct sn_cli_command zk_cmd_compile;
extern const struct sn_cli_command zk_cmd_export;
extern const struct sn_cli_command zk_cmd_prove;
extern const struct sn_cli_command zk_cmd_ptau;
extern const struct sn_cli_command zk_cmd_setup;
extern const struct sn_cli_command zk_cmd_verify;
extern const struct sn_cli_command zk_cmd_witness;

/* A file being written through a sink. */
struct zk_out {
    struct files_out file;
    struct sn_zk_sink sink;
};
static inline SN_MUST_CHECK int zk_out_open(struct zk_out *o, struct sn_str path)
{
    o->sink = (struct sn_zk_sink){files_write, &o->file};
    return files_open(&o->file, path);
}
static inline int zk_out_commit(struct zk_out *o, int r) { return files_commit(&o->file, r); }

/* zk_par - plain threads on every processor this process may use: the commands have no runtime. */
const struct sn_par *zk_par(void);
/* zk_par_progress - told of n more jobs announced and of done finished; NULL until somebody cares. */
extern void (*zk_par_progress)(size_t n, size_t done);
/* zk_on_stack - fn(arg) on a thread with that much stack. Returns what fn does, its diagnostic
 * moved to the caller; SN_E_RESOURCE_EXHAUSTED without a thread. */
int zk_on_stack(size_t stack_bytes, int (*fn)(void *arg), void *arg) SN_MUST_CHECK;
/* zk_read_r1cs, wtns - map, read, unmap; the diagnostic names the path. */
int zk_read_r1cs(struct sn_str path, struct sn_r1cs *ret) SN_MUST_CHECK;
int zk_read_wtns(struct sn_str path, const struct sn_field **ret_f, struct sn_fe **ret,
                 size_t *ret_n) SN_MUST_CHECK;
/* zk_write_text - the whole file at once. */
int zk_write_text(struct sn_str path, const struct sn_buf *text) SN_MUST_CHECK;
/* zk_prove_files - a proof and its public signals, from the files of a key and of a witness. Returns 0,
 * as sn_zkey_open, sn_wtns_read and sn_groth_prove, or what writing failed with. */
int zk_prove_files(struct sn_str key, struct sn_str wtns, struct sn_str proof,
                   struct sn_str pub) SN_MUST_CHECK;
/* zk_random - secret bytes from the kernel. Returns 0 or SN_E_IO. */
int zk_random(void *out, size_t n) SN_MUST_CHECK;
/* zk_info_zkey - what a proving key holds and who contributed to it, into *o. Returns 0,
 * SN_E_NOMEM and as sn_zkey_open. */
int zk_info_zkey(struct sn_arena *a, struct sn_str file, struct sn_json *o) SN_MUST_CHECK;
/* zk_print_json - a tree on standard output. */
int zk_print_json(const struct sn_json *v) SN_MUST_CHECK;

/* Witness programs of sources already compiled, below $SENNIT_CACHE or the user's cache folder. A
 * program is used again where every source, the flags and this executable are the same. Without a
 * folder there is no cache, and no failure either.
 * zk_cache_open - flags: what decides beside the sources. zk_cache_find - the program, mapped (Owns:
 * files_unmap). zk_cache_saw - a source that was read, or a path where there was none (NULL).
 * zk_cache_put - the program made of them. */
struct zk_cache {
    char dir[FILES_PATH_MAX], key[65];
    struct sn_buf deps;
    bool on;
};
void zk_cache_open(struct zk_cache *c, const struct sn_buf *flags);
bool zk_cache_find(const struct zk_cache *c, struct sn_str *ret);
void zk_cache_saw(struct zk_cache *c, const char *path, const struct sn_str *text);
void zk_cache_put(struct zk_cache *c, struct sn_str program);
void zk_cache_close(struct zk_cache *c);

/* One line on a terminal for work that takes more than a second: what is being done, for how long,
 * and how many jobs of zk_par are finished. A thread draws it, so that no computation has to know.
 * zk_progress_begin - from here on; one at a time. zk_progress_stage - the step that starts now
 * (a static string). zk_progress_verbose - from here on each step and the time it took is a line of
 * standard error. zk_progress_clear - before other text is printed. zk_progress_end - clears the
 * line, ends the thread. */
void zk_progress_begin(const char *stage);
void zk_progress_stage(const char *stage);
void zk_progress_verbose(bool on);
void zk_progress_clear(void);
void zk_progress_end(void);
