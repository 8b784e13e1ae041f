/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/golden_test.h - reads the files of tests/golden/consensus, line by line. */
#pragma once
#include <stdio.h>
#include <stdlib.h>

#include "core/enc.h"
#include "core/status.h"
#include "core/str.h"
#include "harness/test.h"

#define GOLDEN_FIELDS_MAX 64
struct golden {
    char *mem;
    struct sn_str text, rest;
    struct sn_str fields[GOLDEN_FIELDS_MAX + 1]; /* ends with .ptr NULL */
};
/* name: of a file of the folder, or a path with a slash. */
static inline void golden_open(struct golden *g, const char *name)
{
    char path[512];
    if (strchr(name, '/')) snprintf(path, sizeof(path), "%s", name);
    else snprintf(path, sizeof(path), "%s/%s", SN_CONS_GOLDEN, name);
    FILE *f = fopen(path, "rb");
    T_ASSERTF(f, "%s is missing", path);
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    rewind(f);
    g->mem = malloc((size_t)n + 1);
    T_ASSERT(g->mem && fread(g->mem, 1, (size_t)n, f) == (size_t)n);
    fclose(f);
    g->text = g->rest = sn_str_of(g->mem, (size_t)n);
}
static inline void golden_close(struct golden *g) { free(g->mem); }
static inline struct sn_str *golden_line(struct golden *g)
{
    if (!g->rest.ptr || g->rest.len == 0) return NULL;
    struct sn_str line = sn_str_cut(&g->rest, '\n');
    size_t n = 0;
    while (line.ptr && n < GOLDEN_FIELDS_MAX) g->fields[n++] = sn_str_cut(&line, ' ');
    g->fields[n] = (struct sn_str){0};
    return g->fields;
}
/* The bytes of a hex field, decoded in place once; later calls find them decoded. */
static inline struct sn_str golden_bytes(struct sn_str f)
{
    static struct {
        const char *key;
        char *bytes;
    } kept[16];
    static unsigned turn;
    if (sn_str_eqc(f, "-")) return SN_STR("");
    for (unsigned i = 0; i < 16; i++)
        if (kept[i].key == f.ptr) return sn_str_of(kept[i].bytes, f.len / 2);
    unsigned i = turn++ % 16;
    free(kept[i].bytes);
    kept[i].bytes = malloc(f.len / 2 + 1);
    kept[i].key = f.ptr;
    T_ASSERT(kept[i].bytes && sn_hex_decode(f, kept[i].bytes) == (ssize_t)(f.len / 2));
    return sn_str_of(kept[i].bytes, f.len / 2);
}
static inline int64_t golden_i64(struct sn_str f)
{
    int64_t v;
    T_OK(sn_str_to_i64(f, &v));
    return v;
}
