/* SPDX-License-Identifier: Apache-2.0 */
/* sennit abi gen - SDK packages from contract ABIs, on disk.
 *
 * The folder keeps a manifest of what was generated, with digests: a file that was edited since, or
 * that was never ours, is not overwritten; one that is no longer generated goes away. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/enc.h"
#include "core/map.h"
#include "core/vec.h"
#include "crypto/hash.h"
#include "evm/gen/gen.h"
#include "fiber/os.h"
#include "kit/cli.h"
#include "sennit/commands.h"
#include "sennit/files.h"

#define MANIFEST ".sennit-abigen"
#define INPUT_BYTES_MAX (64u << 20)
#define FOLDER_DEPTH_MAX 32
#define SOURCES_MAX 100000
#define EDITED_SHOWN 10

struct gen_opts {
    struct sn_str *langs;
    size_t n_langs;
    struct sn_str out, package, version, go_module;
    bool force, check, quiet;
};
static const struct sn_conf_field fields[] = {
    SN_CONF_LIST(struct gen_opts, langs, n_langs, "lang", SN_CONF_T_STRING, .letter = 'l',
                 .metavar = "LANG",
                 .help = "Languages: ts, py, rust, go, c; several with commas. Default: all five."),
    SN_CONF_STRING(struct gen_opts, out, "out", .letter = 'o', .def = "sdk", .metavar = "FOLDER",
                   .help = "Where the packages go, one folder per language."),
    SN_CONF_STRING(struct gen_opts, package, "package", .letter = 'p', .def = "contracts",
                   .metavar = "NAME", .help = "Name of the packages."),
    SN_CONF_STRING(struct gen_opts, version, "package-version", .def = "0.1.0",
                   .metavar = "VERSION", .help = "Version of the packages."),
    SN_CONF_STRING(struct gen_opts, go_module, "go-module", .metavar = "PATH",
                   .help = "Import path of the Go package; by default example.com/NAME."),
    SN_CONF_BOOL(struct gen_opts, force, "force", .letter = 'f',
                 .help = "Overwrite files that were edited or are not ours."),
    SN_CONF_BOOL(struct gen_opts, check, "check",
                 .help = "Write nothing; fail where the folder is not what would be written."),
    SN_CONF_BOOL(struct gen_opts, quiet, "quiet", .letter = 'q', .help = "No summary."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct gen_opts, fields);

typedef SN_VEC(struct sn_abigen_source) source_list;

/* ---- reading ---- */

static int add_file(struct sn_arena *a, struct sn_str path, source_list *to)
{
    struct sn_abigen_source s = {.path = path};
    if (to->len >= SOURCES_MAX) return sn_fail(SN_E_TOO_LARGE, "more than %d files", SOURCES_MAX);
    int r = sn_file_read(a, path.ptr, INPUT_BYTES_MAX, &s.text);
    return r < 0 ? r : sn_vec_push(to, s);
}
static int by_name(const void *x, const void *y)
{
    return sn_str_cmp(*(const struct sn_str *)x, *(const struct sn_str *)y);
}
static bool is_input(struct sn_str name)
{
    return sn_str_ends(name, SN_STR(".json")) && !sn_str_ends(name, SN_STR(".dbg.json"));
}
static int add_path(struct sn_arena *a, struct sn_str path, unsigned depth, source_list *to);
static int add_folder(struct sn_arena *a, struct sn_str path, unsigned depth, source_list *to)
{
    if (depth > FOLDER_DEPTH_MAX)
        return sn_fail(SN_E_DEPTH, "%s: folders nested deeper than %d", path.ptr, FOLDER_DEPTH_MAX);
    SN_VEC(struct sn_str) names = {0};
    DIR *d = opendir(path.ptr);
    if (!d) return sn_fail_errno(errno, "%s", path.ptr);
    int r = 0;
    for (struct dirent *e; r == 0 && (e = readdir(d));) {
        struct sn_str name = sn_str(e->d_name);
        if (name.ptr[0] == '.' || sn_str_eqc(name, "node_modules")) continue;
        if (e->d_type != DT_DIR && !is_input(name)) continue;
        struct sn_str full = sn_arena_printf(a, "%s/%s", path.ptr, e->d_name);
        r = full.ptr ? sn_vec_push(&names, full) : SN_E_NOMEM;
    }
    closedir(d);
    if (names.len) qsort(names.ptr, names.len, sizeof(*names.ptr), by_name);
    for (size_t i = 0; i < names.len && r == 0; i++) r = add_path(a, names.ptr[i], depth + 1, to);
    sn_vec_done(&names);
    return r;
}
static int add_path(struct sn_arena *a, struct sn_str path, unsigned depth, source_list *to)
{
    struct stat st;
    path = sn_arena_str(a, path);
    if (!path.ptr) return SN_E_NOMEM;
    if (stat(path.ptr, &st) < 0) return sn_fail_errno(errno, "%s", path.ptr);
    return S_ISDIR(st.st_mode) ? add_folder(a, path, depth, to) : add_file(a, path, to);
}

/* ---- the manifest ---- */

struct digest {
    char hex[65];
};
static int digest_of(struct sn_str text, struct digest *ret)
{
    uint8_t raw[SN_HASH_MAX];
    int r = sn_hash_once(SN_SHA256, text.ptr, text.len, raw);
    if (r < 0) return r;
    sn_hex_encode(raw, 32, ret->hex);
    ret->hex[64] = 0;
    return 0;
}
/* Lines of "DIGEST  PATH". What does not read like one is not believed. */
static int read_manifest(struct sn_arena *a, const char *folder, struct sn_map *ret)
{
    struct sn_str path = sn_arena_printf(a, "%s/" MANIFEST, folder), text;
    if (!path.ptr) return SN_E_NOMEM;
    int r = sn_file_read(a, path.ptr, INPUT_BYTES_MAX, &text);
    if (r == SN_E_NOT_FOUND) return 0;
    while (r >= 0 && text.ptr && text.len) {
        struct sn_str line = sn_str_cut(&text, '\n');
        if (line.len < 67 || line.ptr[64] != ' ') continue;
        struct sn_str name = sn_str_from(line, 66);
        bool inside = name.ptr[0] != '/' && sn_str_find(name, SN_STR("..")) < 0;
        if (inside) r = sn_map_put(ret, name, (void *)line.ptr, NULL);
    }
    return r < 0 ? r : 0;
}
static bool as_recorded(const struct sn_map *manifest, struct sn_str path, const struct digest *d)
{
    const char *line = sn_map_get(manifest, path);
    return line && memcmp(line, d->hex, 64) == 0;
}

/* ---- writing ---- */

struct writer {
    struct sn_arena *arena;
    const char *folder;
    const struct gen_opts *opts;
    struct sn_map manifest, made; /* made: path -> "" of what is generated now */
    size_t written, same, removed, edited;
};
static void complain(struct writer *w, const char *path)
{
    if (w->edited++ < EDITED_SHOWN)
        fprintf(stderr, "sennit: %s was edited, or is not generated\n", path);
}
/* What is there: 1 the same text, 0 nothing or ours to replace, -1 someone's. */
static int look(struct writer *w, const char *path, const struct sn_abigen_file *f)
{
    struct stat st;
    struct sn_str old;
    struct digest d;
    if (stat(path, &st) < 0) return 0;
    int r = sn_file_read(w->arena, path, INPUT_BYTES_MAX, &old);
    if (r == 0 && sn_str_eq(old, f->text)) return 1;
    if (w->opts->force) return 0;
    return r == 0 && digest_of(old, &d) == 0 && as_recorded(&w->manifest, f->path, &d) ? 0 : -1;
}
static int put(struct writer *w, const struct sn_abigen_file *f, bool dry)
{
    struct sn_str path = sn_arena_printf(w->arena, "%s/%.*s", w->folder, SN_STR_ARG(f->path));
    if (!path.ptr) return SN_E_NOMEM;
    int found = look(w, path.ptr, f);
    if (dry) {
        if (found < 0) complain(w, path.ptr);
        w->same += found > 0;
        return 0;
    }
    w->written += found == 0;
    return found > 0 ? 0 : files_replace(w->arena, path.ptr, f->text);
}
/* Files of an earlier run that this one does not make, in the languages it makes. */
static int sweep(struct writer *w, unsigned langs, struct sn_buf *keep)
{
    size_t it = 0;
    for (struct sn_map_slot *s; (s = sn_map_next(&w->manifest, &it));) {
        struct sn_str rest = s->key;
        int lang = sn_abigen_lang_of(sn_str_cut(&rest, '/'));
        if (sn_map_find(&w->made, s->key)) continue;
        if (lang > 0 && !(langs & (unsigned)lang)) {
            sn_buf_printf(keep, "%.64s  %.*s\n", (const char *)s->value, SN_STR_ARG(s->key));
            continue;
        }
        struct sn_str old, path = sn_arena_printf(w->arena, "%s/%.*s", w->folder,
                                                  SN_STR_ARG(s->key));
        struct digest d;
        if (!path.ptr) return SN_E_NOMEM;
        if (sn_file_read(w->arena, path.ptr, INPUT_BYTES_MAX, &old) < 0) continue;
        if (digest_of(old, &d) < 0 || !as_recorded(&w->manifest, s->key, &d)) continue;
        if (!w->opts->check) unlink(path.ptr);
        w->removed++;
    }
    return 0;
}
static int by_line(const void *x, const void *y)
{
    const struct sn_str *a = x, *b = y;
    return sn_str_cmp(sn_str_from(*a, 66), sn_str_from(*b, 66));
}
/* Sorted, so that two runs give one manifest. */
static int write_manifest(struct writer *w, const struct sn_abigen_result *res, struct sn_buf *b)
{
    SN_VEC(struct sn_str) lines = {0};
    struct sn_buf sorted;
    struct digest d;
    int r = 0;
    for (size_t i = 0; i < res->n_files && r == 0; i++) {
        r = digest_of(res->files[i].text, &d);
        if (r == 0) r = sn_buf_printf(b, "%s  %.*s\n", d.hex, SN_STR_ARG(res->files[i].path));
    }
    struct sn_str text = sn_buf_view(b);
    while (r == 0 && text.len) {
        struct sn_str line = sn_str_cut(&text, '\n');
        r = sn_vec_push(&lines, line);
    }
    sn_buf_init(&sorted, 0);
    if (lines.len) qsort(lines.ptr, lines.len, sizeof(*lines.ptr), by_line);
    for (size_t i = 0; i < lines.len; i++)
        sn_buf_printf(&sorted, "%.*s\n", SN_STR_ARG(lines.ptr[i]));
    if (r == 0) r = sorted.err;
    struct sn_str path = sn_arena_printf(w->arena, "%s/" MANIFEST, w->folder);
    if (r == 0) r = path.ptr ? files_replace(w->arena, path.ptr, sn_buf_view(&sorted)) : SN_E_NOMEM;
    sn_buf_done(&sorted);
    sn_vec_done(&lines);
    return r;
}
static int write_all(struct writer *w, const struct sn_abigen_result *res, unsigned langs)
{
    int r = read_manifest(w->arena, w->folder, &w->manifest);
    struct sn_buf keep;
    sn_buf_init(&keep, 0);
    for (size_t i = 0; i < res->n_files && r >= 0; i++)
        r = sn_map_put(&w->made, res->files[i].path, w, NULL);
    for (size_t i = 0; i < res->n_files && r >= 0; i++) r = put(w, &res->files[i], true);
    if (r >= 0 && w->edited && !w->opts->check)
        r = sn_fail(SN_E_FAILED_PRECONDITION, "%zu files would be overwritten: --force does it",
                    w->edited);
    if (r >= 0) r = sweep(w, langs, &keep);
    if (r >= 0 && w->opts->check) {
        if (w->same < res->n_files || w->removed)
            r = sn_fail(SN_E_FAILED_PRECONDITION, "%s is not up to date: %zu files differ",
                        w->folder, res->n_files - w->same + w->removed);
    } else if (r >= 0) {
        for (size_t i = 0; i < res->n_files && r >= 0; i++) r = put(w, &res->files[i], false);
        if (r >= 0) r = write_manifest(w, res, &keep);
    }
    sn_buf_done(&keep);
    return r < 0 ? r : 0;
}

static int languages(const struct gen_opts *o, unsigned *ret)
{
    unsigned langs = o->n_langs ? 0 : SN_ABIGEN_ALL;
    for (size_t i = 0; i < o->n_langs; i++) {
        struct sn_str list = o->langs[i];
        while (list.ptr) {
            struct sn_str name = sn_str_trim(sn_str_cut(&list, ','));
            int lang = sn_abigen_lang_of(name);
            if (lang < 0)
                return sn_fail(SN_E_INVALID_ARGUMENT,
                               "no generator for \"%.*s\": ts, py, rust, go and c are there",
                               SN_STR_ARG(name));
            langs |= (unsigned)lang;
        }
    }
    *ret = langs;
    return 0;
}
static int gen_run(const struct sn_cli_call *call)
{
    const struct gen_opts *o = call->opts;
    unsigned langs = 0;
    source_list sources = {0};
    struct sn_abigen_result res = {0};
    int r = languages(o, &langs);
    for (size_t i = 0; i < call->n_args && r == 0; i++)
        r = add_path(call->arena, call->args[i], 0, &sources);
    struct sn_abigen_opts gen = {.langs = langs, .package = o->package, .version = o->version,
                                 .go_module = o->go_module};
    if (r == 0) r = sn_abigen(call->arena, sources.ptr, sources.len, &gen, &res);
    sn_vec_done(&sources);
    if (r < 0) return r;
    struct writer w = {.arena = call->arena, .folder = sn_arena_str(call->arena, o->out).ptr,
                       .opts = o};
    if (!w.folder) return SN_E_NOMEM;
    sn_map_init(&w.manifest, 0, false);
    sn_map_init(&w.made, 0, false);
    r = write_all(&w, &res, langs);
    sn_map_done(&w.manifest);
    sn_map_done(&w.made);
    if (r == 0 && !o->quiet)
        printf("%zu contracts, %zu files in %s: %zu written, %zu unchanged, %zu removed\n",
               res.n_contracts, res.n_files, w.folder, w.written, w.same, w.removed);
    return r;
}

const struct sn_cli_command sn_cmd_abi_gen = {
    .name = "gen",
    .brief = "Generates typed SDKs in TypeScript, Python, Rust, Go and C.",
    .usage = "PATH...",
    .about = "PATH is an ABI, an artifact of Foundry, Hardhat or solc, or a folder of them. "
             "One package per language, one module per contract; the same input gives the same "
             "bytes. Files that were edited are not overwritten.",
    .table = &table,
    .args_min = 1,
    .args_max = 1000,
    .run = gen_run,
};
