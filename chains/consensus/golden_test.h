/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/golden_test.h - reads the files of tests/golden/consensus, line by line. */
#pragma once
#include <stdio.h>

#include "core/arena.h"
#include "core/enc.h"
#include "core/status.h"
#include "core/str.h"

/* The including file has "harness/test.h" before. */

#define GOLDEN_FIELDS_MAX 64
struct golden {
    struct sn_arena arena;
    struct sn_str text, rest;
    struct sn_str fields[GOLDEN_FIELDS_MAX + 1]; /* ends with .ptr NULL */
};
/* Where golden_bytes decodes to: the file's that was opened last. */
static struct sn_arena *golden_arena;
/* golden_test.c: the folder, which SN_CONS_GOLDEN in the environment may replace. */
const char *golden_dir(void);
/* name: of a file of that folder. */
static inline void golden_open(struct golden *g, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", golden_dir(), name);
    FILE *f = fopen(path, "rb");
    T_ASSERTF(f, "%s is missing", path);
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    rewind(f);
    sn_arena_init(&g->arena, NULL, 0);
    golden_arena = &g->arena;
    char *mem = sn_arena_alloc(&g->arena, (size_t)n + 1);
    T_ASSERT(mem && fread(mem, 1, (size_t)n, f) == (size_t)n);
    fclose(f);
    g->text = g->rest = sn_str_of(mem, (size_t)n);
}
static inline void golden_close(struct golden *g) { sn_arena_done(&g->arena); }
static inline struct sn_str *golden_line(struct golden *g)
{
    if (!g->rest.ptr || g->rest.len == 0) return NULL;
    struct sn_str line = sn_str_cut(&g->rest, '\n');
    size_t n = 0;
    while (line.ptr && n < GOLDEN_FIELDS_MAX) g->fields[n++] = sn_str_cut(&line, ' ');
    g->fields[n] = (struct sn_str){0};
    return g->fields;
}
/* The bytes of a hex field; "-" is none. */
static inline struct sn_str golden_bytes(struct sn_str f)
{
    if (sn_str_eqc(f, "-")) return SN_STR("");
    char *mem = sn_arena_alloc(golden_arena, f.len / 2 + 1);
    T_ASSERT(mem && sn_hex_decode(f, mem) == (ssize_t)(f.len / 2));
    return sn_str_of(mem, f.len / 2);
}
static inline int64_t golden_i64(struct sn_str f)
{
    int64_t v;
    T_OK(sn_str_to_i64(f, &v));
    return v;
}
