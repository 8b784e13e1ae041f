/* SPDX-License-Identifier: Apache-2.0 */
/* zk/circom/circom_env_test.h - what the tests of the language share: files in memory, findings counted,
 * a compiler thread with the stack it asks for. Include tests/harness/test.h first. */
#pragma once
#include "zk/circom/circom.h"

#include <pthread.h>

#include "core/alloc.h"
#include "core/status.h"
#include "core/torture.h"
#include "zk/file.h"

#define HEAD "pragma circom 2.1.6;\n"
#define HEAD22 "pragma circom 2.2.0;\n"
#define MAIN "\ncomponent main = M();\n"

/* Files in memory: pairs of path and text, NULL-ended. */
struct env {
    const char *const *files;
    char first[1024];
    unsigned errors, warnings;
    struct sn_buf log;
};
static inline int read_env(void *ctx, const char *path, struct sn_buf *ret)
{
    struct env *e = ctx;
    for (const char *const *f = e->files; *f; f += 2)
        if (strcmp(*f, path) == 0) return sn_buf_cstr(ret, f[1]);
    return SN_E_NOT_FOUND;
}
static inline void report(void *ctx, const struct sn_circom_msg *m)
{
    struct env *e = ctx;
    if (m->level == SN_CIRCOM_WARNING) {
        e->warnings++;
        return;
    }
    if (e->errors++ == 0)
        snprintf(e->first, sizeof(e->first), "%u:%u %.*s", m->line, m->column, SN_STR_ARG(m->text));
}
static inline void log_line(void *ctx, struct sn_str line)
{
    struct env *e = ctx;
    (void)sn_buf_str(&e->log, line);
    (void)sn_buf_byte(&e->log, '\n');
}

/* The compiler's stack is larger than a test process's may be: a thread has it for certain. */
struct job {
    const struct sn_circom_opts *o;
    const char *path;
    struct sn_circom *c;
    int r;
};
static inline void *compile_thread(void *arg)
{
    struct job *j = arg;
    j->r = sn_circom_compile(j->o, j->path, &j->c);
    return NULL;
}
static inline int compile_files(struct env *e, const char *const *files, struct sn_circom **ret)
{
    *e = (struct env){.files = files};
    struct sn_circom_opts o = {.read = read_env, .report = report, .ctx = e};
    static const char *const dirs[] = {"lib"};
    o.include_dirs = dirs;
    o.n_include_dirs = 1;
    struct job j = {.o = &o, .path = files[0]};
    pthread_attr_t a;
    pthread_t t;
    T_EQ(pthread_attr_init(&a), 0);
    T_EQ(pthread_attr_setstacksize(&a, SN_CIRCOM_STACK_BYTES), 0);
    T_EQ(pthread_create(&t, &a, compile_thread, &j), 0); /* banned: a test has no runtime */
    T_EQ(pthread_join(t, NULL), 0);
    *ret = j.c;
    return j.r;
}
static inline int compile_text(struct env *e, const char *text, struct sn_circom **ret)
{
    static const char *files[3];
    files[0] = "main.circom";
    files[1] = text;
    return compile_files(e, files, ret);
}

/* The label of a signal by its name. */
static inline uint64_t label_of(const struct sn_circom *c, const char *name)
{
    struct sn_sym_source src = sn_circom_sym(c);
    struct sn_circom_stats st;
    struct sn_buf b;
    sn_circom_stats(c, &st);
    sn_buf_init(&b, 0);
    uint64_t found = 0;
    for (uint64_t i = 1; i < st.labels && !found; i++) {
        sn_buf_reset(&b);
        src.name(src.ctx, i, &b);
        if (sn_str_eqc(sn_buf_view(&b), name)) found = i;
    }
    sn_buf_done(&b);
    T_ASSERTF(found, "there is no signal %s", name);
    return found;
}

/* A witness from JSON; the caller frees it. r: what the run said. */
static inline struct sn_fe *witness(struct env *e, const struct sn_circom *c, const char *json,
                                    int *ret_r)
{
    const struct sn_witness_prog *p = sn_circom_witness(c);
    uint32_t first, n = sn_witness_n_inputs(p, &first);
    struct sn_fe *in = sn_zalloc(n + 1, sizeof(*in));
    struct sn_fe *w = sn_zalloc(sn_witness_n_labels(p), sizeof(*w));
    struct sn_witness_opts o = {.log = log_line, .ctx = e};
    T_ASSERT(in && w);
    T_OK(sn_witness_inputs_json(p, sn_str(json), SN_WITNESS_REDUCE, in));
    sn_buf_init(&e->log, 0);
    *ret_r = sn_witness_run(p, in, &o, w);
    sn_free(in);
    return w;
}

/* For sn_torture: everything from the text `arg` to its constraint system. */
static inline int torture_one(void *arg)
{
    const char *files[] = {"main.circom", arg, NULL};
    struct env e = {.files = files};
    struct sn_circom_opts o = {.read = read_env, .ctx = &e};
    struct sn_circom *c;
    struct sn_r1cs sys;
    int r = sn_circom_compile(&o, "main.circom", &c);
    if (r < 0) return r;
    r = sn_circom_r1cs(c, &sys);
    if (r == 0) sn_r1cs_done(&sys);
    sn_circom_free(c);
    return r;
}
