/* SPDX-License-Identifier: Apache-2.0 */
/* kit/pprof.c - the profile.proto encoder. SPEC: google/pprof proto/profile.proto. */
#include "kit/pprof.h"

#include <zlib.h>

#include "kit/symbol.h"
#include "pprof/profile.pb.h"

#define PROFILE_BYTES_MAX ((size_t)256 << 20)

/* Names come from ELF and DWARF, where any byte may stand; protobuf strings must be UTF-8. */
static struct sn_str as_utf8(struct sn_pprof *p, struct sn_str s)
{
    if (SN_LIKELY(sn_utf8_valid(s))) return s;
    struct sn_str copy = sn_arena_str(&p->arena, s);
    for (size_t k = 0; copy.ptr && k < copy.len; k++)
        if ((unsigned char)copy.ptr[k] >= 0x80) ((char *)(uintptr_t)copy.ptr)[k] = '?';
    return copy;
}

static int64_t intern(struct sn_pprof *p, struct sn_str s)
{
    s = as_utf8(p, s);
    if (!s.ptr) s = SN_STR("");
    struct sn_map_slot *hit = sn_map_find(&p->strings, s);
    if (hit) return (int64_t)(uintptr_t)hit->value;
    struct sn_str copy = sn_arena_str(&p->arena, s);
    int64_t index = p->profile->string_table.len;
    if (!copy.ptr ||
        perftools_profiles_profile_add_string_table(p->profile, copy, &p->arena) < 0 ||
        sn_map_put(&p->strings, copy, (void *)(uintptr_t)index, NULL) < 0) {
        p->err = SN_E_NOMEM;
        return 0;
    }
    return index;
}
static void value_type(struct sn_pprof *p, struct perftools_profiles_value_type *v,
                       struct sn_pprof_type t)
{
    if (!v) {
        p->err = SN_E_NOMEM;
        return;
    }
    v->type = intern(p, sn_str(t.type));
    v->unit = intern(p, sn_str(t.unit));
}

void sn_pprof_init(struct sn_pprof *p, const struct sn_pprof_type *types, unsigned n,
                   const char *default_type)
{
    SN_ASSERT(n <= SN_PPROF_VALUES_MAX);
    memset(p, 0, sizeof *p);
    sn_arena_init(&p->arena, NULL, PROFILE_BYTES_MAX);
    sn_map_init(&p->strings, 1, false);
    sn_map_init(&p->locations, 2, false);
    sn_map_init(&p->functions, 3, false);
    sn_map_init(&p->samples, 4, false);
    p->n_values = n;
    p->profile = perftools_profiles_profile_new(&p->arena);
    if (!p->profile) {
        p->err = SN_E_NOMEM;
        return;
    }
    intern(p, SN_STR("")); /* index 0 must be the empty string */
    for (unsigned i = 0; i < n; i++)
        value_type(p, perftools_profiles_profile_add_sample_type(p->profile, &p->arena), types[i]);
    if (default_type) p->profile->default_sample_type = intern(p, sn_str(default_type));
}
void sn_pprof_done(struct sn_pprof *p)
{
    sn_map_done(&p->strings);
    sn_map_done(&p->locations);
    sn_map_done(&p->functions);
    sn_map_done(&p->samples);
    sn_arena_done(&p->arena);
}
void sn_pprof_period(struct sn_pprof *p, struct sn_pprof_type type, int64_t period)
{
    if (p->err < 0) return;
    value_type(p, perftools_profiles_profile_mut_period_type(p->profile, &p->arena), type);
    p->profile->period = period;
}
void sn_pprof_time(struct sn_pprof *p, int64_t wall_ns, int64_t duration_ns)
{
    if (p->err < 0) return;
    p->profile->time_nanos = wall_ns;
    p->profile->duration_nanos = duration_ns;
}
void sn_pprof_comment(struct sn_pprof *p, const char *text)
{
    if (p->err < 0) return;
    int64_t i = intern(p, sn_str(text));
    if (perftools_profiles_profile_add_comment(p->profile, i, &p->arena) < 0) p->err = SN_E_NOMEM;
}

/* Locations are numbered as their addresses appear; the key is the address's bytes. */
static uint64_t location(struct sn_pprof *p, uintptr_t pc)
{
    struct sn_str key = {(const char *)&pc, sizeof pc};
    struct sn_map_slot *hit = sn_map_find(&p->locations, key);
    if (hit) return ((struct perftools_profiles_location *)hit->value)->id;
    struct perftools_profiles_location *l =
        perftools_profiles_profile_add_location(p->profile, &p->arena);
    if (l) {
        l->id = p->profile->location.len;
        l->address = pc;
        key.ptr = (const char *)&l->address;
    }
    if (!l || sn_map_put(&p->locations, key, l, NULL) < 0) {
        p->err = SN_E_NOMEM;
        return 0;
    }
    return l->id;
}
static void label_add(struct sn_pprof *p, struct perftools_profiles_sample *s,
                      const struct sn_pprof_label *label)
{
    struct perftools_profiles_label *l = perftools_profiles_sample_add_label(s, &p->arena);
    if (!l) {
        p->err = SN_E_NOMEM;
        return;
    }
    l->key = intern(p, sn_str(label->key));
    if (label->str)
        l->str = intern(p, sn_str(label->str));
    else
        l->num = label->num, l->num_unit = intern(p, sn_str(label->unit));
}
void sn_pprof_add(struct sn_pprof *p, const uintptr_t *pcs, unsigned n_pcs, bool leaf_exact,
                  const int64_t *values, const struct sn_pprof_label *label)
{
    uint64_t head[1 + 128 + 2], *ids = head + 1;
    unsigned n = SN_MIN(n_pcs, 128u);
    if (p->err < 0) return;
    for (unsigned i = 0; i < n; i++) ids[i] = location(p, pcs[i] - (i > 0 || !leaf_exact));
    unsigned key_n = n;
    /* The key says what its numbers are: a label's could pass for two more locations, a text's
     * index for a number. */
    head[0] = (uint64_t)n << 2 | (label ? label->str ? 1 : 2 : 0);
    if (label) {
        ids[key_n++] = (uint64_t)intern(p, sn_str(label->key));
        ids[key_n++] = label->str ? (uint64_t)intern(p, sn_str(label->str)) : (uint64_t)label->num;
    }
    struct sn_str key = {(const char *)head, (1 + key_n) * sizeof *head};
    struct perftools_profiles_sample *s = sn_map_get(&p->samples, key);
    if (!s) {
        s = perftools_profiles_profile_add_sample(p->profile, &p->arena);
        key = sn_arena_str(&p->arena, key);
        if (!s || !key.ptr || sn_map_put(&p->samples, key, s, NULL) < 0) {
            p->err = SN_E_NOMEM;
            return;
        }
        for (unsigned i = 0; i < n; i++)
            if (perftools_profiles_sample_add_location_id(s, ids[i], &p->arena) < 0)
                p->err = SN_E_NOMEM;
        for (unsigned i = 0; i < p->n_values; i++)
            if (perftools_profiles_sample_add_value(s, 0, &p->arena) < 0) p->err = SN_E_NOMEM;
        if (label) label_add(p, s, label);
    }
    for (unsigned i = 0; p->err == 0 && i < p->n_values; i++) s->value.ptr[i] += values[i];
}

/* ---- writing --------------------------------------------------------------------------------- */

static uint64_t function_id(struct sn_pprof *p, const struct sn_symbol_frame *f)
{
    int64_t name = intern(p, f->function), file = intern(p, f->file);
    int64_t id[2] = {name, file};
    struct sn_str key = sn_arena_str(&p->arena, sn_str_of((const char *)id, sizeof id));
    struct perftools_profiles_function *fn = key.ptr ? sn_map_get(&p->functions, key) : NULL;
    if (fn) return fn->id;
    fn = perftools_profiles_profile_add_function(p->profile, &p->arena);
    if (!fn || !key.ptr || sn_map_put(&p->functions, key, fn, NULL) < 0) {
        p->err = SN_E_NOMEM;
        return 0;
    }
    fn->id = p->profile->function.len;
    fn->name = fn->system_name = name;
    fn->filename = file;
    fn->start_line = f->start_line;
    return fn->id;
}
static void add_mapping(const struct sn_symbol_module *m, void *arg)
{
    struct sn_pprof *p = arg;
    struct perftools_profiles_mapping *out =
        perftools_profiles_profile_add_mapping(p->profile, &p->arena);
    if (!out) {
        p->err = SN_E_NOMEM;
        return;
    }
    out->id = p->profile->mapping.len;
    out->memory_start = m->start;
    out->memory_limit = m->end;
    out->file_offset = m->file_offset;
    out->filename = intern(p, m->path);
    out->build_id = intern(p, sn_str(m->build_id));
    /* Said of every mapping: we looked, and what was not found will not be found by the reader
     * either. Without these pprof shows one frame, the file's name. */
    out->has_functions = out->has_filenames = out->has_line_numbers = true;
    out->has_inline_frames = true;
}
static void symbolise(struct sn_pprof *p, struct perftools_profiles_location *l)
{
    struct sn_symbol s;
    for (uint32_t i = 0; i < p->profile->mapping.len; i++) {
        const struct perftools_profiles_mapping *m = p->profile->mapping.ptr[i];
        if (l->address >= m->memory_start && l->address < m->memory_limit) l->mapping_id = m->id;
    }
    if (sn_symbol_at(l->address, &s) < 0) return;
    for (unsigned i = 0; i < s.n_frames; i++) {
        if (!s.frames[i].function.ptr) continue;
        struct perftools_profiles_line *line = perftools_profiles_location_add_line(l, &p->arena);
        if (!line) {
            p->err = SN_E_NOMEM;
            return;
        }
        line->function_id = function_id(p, &s.frames[i]);
        line->line = s.frames[i].line;
    }
}
static int gzip_to(struct sn_str in, struct sn_buf *out)
{
    z_stream z = {0};
    if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return SN_E_NOMEM;
    int r = sn_buf_reserve(out, deflateBound(&z, in.len));
    if (r == 0) {
        z.next_in = (Bytef *)(uintptr_t)in.ptr;
        z.avail_in = (uInt)in.len;
        z.next_out = out->ptr + out->len;
        z.avail_out = (uInt)(out->cap - out->len);
        if (deflate(&z, Z_FINISH) == Z_STREAM_END)
            out->len += z.total_out;
        else
            r = SN_E_INTERNAL;
    }
    deflateEnd(&z);
    return r;
}
int sn_pprof_write(struct sn_pprof *p, struct sn_buf *out)
{
    struct sn_buf raw SN_CLEANUP(sn_buf_done);
    sn_buf_init(&raw, PROFILE_BYTES_MAX);
    if (p->err < 0) return p->err;
    int r = sn_symbol_modules(add_mapping, p);
    if (r < 0) return r;
    for (uint32_t i = 0; i < p->profile->location.len; i++)
        symbolise(p, p->profile->location.ptr[i]);
    if (p->err < 0) return p->err;
    ssize_t n = perftools_profiles_profile_encode(p->profile, &raw);
    return n < 0 ? (int)n : gzip_to(sn_buf_view(&raw), out);
}
