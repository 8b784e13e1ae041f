/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gen/gen.c - from sources to files. */
#include <stdlib.h>

#include "core/status.h"
#include "evm/gen/gen_int.h"

static const struct {
    const char *name, *other;
    enum sn_abigen_lang lang;
    int (*emit)(const struct gen_package *p, struct gen_files *files);
} langs[] = {
    {"ts", "typescript", SN_ABIGEN_TS, gen_ts},
    {"py", "python", SN_ABIGEN_PY, gen_py},
    {"rust", "rs", SN_ABIGEN_RUST, gen_rust},
    {"go", "golang", SN_ABIGEN_GO, gen_go},
    {"c", "C", SN_ABIGEN_C, gen_c},
};
int sn_abigen_lang_of(struct sn_str name)
{
    for (size_t i = 0; i < SN_COUNT_OF(langs); i++)
        if (sn_str_eqc(name, langs[i].name) || sn_str_eqc(name, langs[i].other))
            return (int)langs[i].lang;
    return SN_E_NOT_FOUND;
}

static int by_name(const void *x, const void *y)
{
    const struct gen_contract *a = x, *b = y;
    int r = sn_str_cmp(a->raw, b->raw);
    return r ? r : sn_str_cmp(a->source, b->source);
}
static int by_path(const void *x, const void *y)
{
    const struct sn_abigen_file *a = x, *b = y;
    return sn_str_cmp(a->path, b->path);
}
static bool same_items(const struct gen_items *a, const struct gen_items *b)
{
    if (a->len != b->len) return false;
    for (size_t i = 0; i < a->len; i++)
        if (strcmp(a->ptr[i].signature, b->ptr[i].signature) != 0) return false;
    return true;
}
/* The same contract met twice: in a build-info file and in its artifact, say. */
static bool same_contract(const struct gen_contract *a, const struct gen_contract *b)
{
    return sn_str_eq(a->raw, b->raw) && same_items(&a->methods, &b->methods) &&
           same_items(&a->events, &b->events) && same_items(&a->errors, &b->errors) &&
           sn_str_eq(a->bytecode, b->bytecode);
}
/* File and module names are unique even where a file system ignores case. */
static int name_modules(struct gen_mem *a, gen_contracts *all)
{
    size_t kept = 0;
    for (size_t i = 0; i < all->len; i++)
        if (kept == 0 || !same_contract(&all->ptr[kept - 1], &all->ptr[i]))
            all->ptr[kept++] = all->ptr[i];
    all->len = kept;
    struct sn_map taken;
    sn_map_init(&taken, 0, false);
    int r = 0;
    for (size_t i = 0; i < all->len && r >= 0; i++) {
        struct gen_contract *c = &all->ptr[i];
        const char *file = gen_case(a, c->raw, GEN_RAW), *module;
        for (unsigned n = 2;; n++) {
            module = gen_case(a, sn_str(file), GEN_SNAKE);
            if (!sn_map_find(&taken, sn_str(module))) break;
            file = gen_printf(a, "%s_%u", gen_case(a, c->raw, GEN_RAW), n);
        }
        c->file = file;
        c->module = module;
        r = sn_map_put(&taken, sn_str(module), c, NULL);
    }
    sn_map_done(&taken);
    return r < 0 ? r : 0;
}
static int check_opts(const struct sn_abigen_opts *o)
{
    struct sn_str p = o->package;
    bool ok = p.len == 0 || (p.ptr[0] >= 'a' && p.ptr[0] <= 'z');
    for (size_t i = 0; i < p.len; i++)
        ok &= (p.ptr[i] >= 'a' && p.ptr[i] <= 'z') || (p.ptr[i] >= '0' && p.ptr[i] <= '9') ||
              (p.ptr[i] == '-' && i + 1 < p.len);
    if (!ok)
        return sn_fail(SN_E_INVALID_ARGUMENT, "package \"%.*s\": lower-case letters, digits and "
                       "'-' only, a letter first", SN_STR_ARG(p));
    struct sn_str texts[] = {o->version, o->go_module};
    for (size_t k = 0; k < SN_COUNT_OF(texts); k++)
        for (size_t i = 0; i < texts[k].len; i++)
            if (texts[k].ptr[i] <= ' ' || texts[k].ptr[i] == '"' || texts[k].ptr[i] == '\\')
                return sn_fail(SN_E_INVALID_ARGUMENT, "\"%.*s\" is no version or module path",
                               SN_STR_ARG(texts[k]));
    return 0;
}
static int emit_all(struct gen_mem *mem, gen_contracts *all, const struct sn_abigen_opts *opts,
                    struct gen_files *files)
{
    struct sn_str name = opts->package.len ? opts->package : SN_STR("contracts");
    struct sn_str version = opts->version.len ? opts->version : SN_STR("0.1.0");
    struct gen_package pkg = {.contracts = all->ptr, .n = all->len, .mem = mem};
    pkg.name = gen_printf(mem, "%.*s", SN_STR_ARG(name));
    pkg.version = gen_printf(mem, "%.*s", SN_STR_ARG(version));
    pkg.go_module = opts->go_module.len ? gen_printf(mem, "%.*s", SN_STR_ARG(opts->go_module))
                                        : gen_printf(mem, "example.com/%s", pkg.name);
    unsigned want = opts->langs ? opts->langs : SN_ABIGEN_ALL;
    for (size_t i = 0; i < SN_COUNT_OF(langs); i++) {
        int r = want & langs[i].lang ? langs[i].emit(&pkg, files) : 0;
        if (r < 0) return r;
    }
    return mem->failed ? SN_E_NOMEM : 0;
}
int sn_abigen(struct sn_arena *a, const struct sn_abigen_source *sources, size_t n_sources,
              const struct sn_abigen_opts *opts, struct sn_abigen_result *ret)
{
    struct gen_mem mem = {.arena = a};
    gen_contracts all = {0};
    struct gen_files files = {.mem = &mem};
    int r = check_opts(opts);
    for (size_t i = 0; i < n_sources && r == 0; i++) r = gen_load(&mem, &sources[i], &all);
    if (r == 0 && all.len == 0) r = sn_fail(SN_E_NOT_FOUND, "no contract in what was given");
    if (r == 0) {
        qsort(all.ptr, all.len, sizeof(*all.ptr), by_name);
        r = name_modules(&mem, &all);
    }
    if (r == 0) r = emit_all(&mem, &all, opts, &files);
    if (r == 0) {
        struct sn_abigen_file *out = gen_alloc(&mem, (files.v.len + 1) * sizeof(*out));
        if (out) {
            if (files.v.len) memcpy(out, files.v.ptr, files.v.len * sizeof(*out));
            qsort(out, files.v.len, sizeof(*out), by_path);
            *ret = (struct sn_abigen_result){out, files.v.len, all.len};
        } else {
            r = SN_E_NOMEM;
        }
    }
    sn_vec_done(&all);
    sn_vec_done(&files.v);
    return r;
}
