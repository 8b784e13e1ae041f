/* SPDX-License-Identifier: Apache-2.0 */
/* wire/pb.c - tables: look-up, arrays, maps, and access to messages whose type is not known at
 * compile time. */
#include "wire/pb.h"

#include "wire/pb_int.h"

const uint8_t sn_pb_wire_type[19] = {
    [SN_PB_DOUBLE] = PB_WT_I64,      [SN_PB_FLOAT] = PB_WT_I32,     [SN_PB_INT64] = PB_WT_VARINT,
    [SN_PB_UINT64] = PB_WT_VARINT,   [SN_PB_INT32] = PB_WT_VARINT,  [SN_PB_FIXED64] = PB_WT_I64,
    [SN_PB_FIXED32] = PB_WT_I32,     [SN_PB_BOOL] = PB_WT_VARINT,   [SN_PB_STRING] = PB_WT_LEN,
    [SN_PB_GROUP] = PB_WT_SGROUP,    [SN_PB_MESSAGE] = PB_WT_LEN,   [SN_PB_BYTES] = PB_WT_LEN,
    [SN_PB_UINT32] = PB_WT_VARINT,   [SN_PB_ENUM] = PB_WT_VARINT,   [SN_PB_SFIXED32] = PB_WT_I32,
    [SN_PB_SFIXED64] = PB_WT_I64,    [SN_PB_SINT32] = PB_WT_VARINT, [SN_PB_SINT64] = PB_WT_VARINT,
};
const uint8_t sn_pb_elem_bytes[19] = {
    [SN_PB_DOUBLE] = 8,     [SN_PB_FLOAT] = 4,      [SN_PB_INT64] = 8,
    [SN_PB_UINT64] = 8,     [SN_PB_INT32] = 4,      [SN_PB_FIXED64] = 8,
    [SN_PB_FIXED32] = 4,    [SN_PB_BOOL] = 1,       [SN_PB_STRING] = sizeof(struct sn_str),
    [SN_PB_GROUP] = sizeof(void *), [SN_PB_MESSAGE] = sizeof(void *),
    [SN_PB_BYTES] = sizeof(struct sn_str), [SN_PB_UINT32] = 4, [SN_PB_ENUM] = 4,
    [SN_PB_SFIXED32] = 4,   [SN_PB_SFIXED64] = 8,   [SN_PB_SINT32] = 4,
    [SN_PB_SINT64] = 8,
};

size_t sn_pb_elem_size(unsigned type) { return sn_pb_elem_bytes[type]; }

/* ---- arrays ---------------------------------------------------------------------------------- */

void *sn_pb_array_grow(struct sn_pb_array *arr, size_t elem, uint32_t need, struct sn_arena *a)
{
    uint64_t cap = SN_MAX((uint64_t)need, SN_MAX((uint64_t)arr->cap * 2, (uint64_t)4));
    if (need <= arr->len && need != arr->len) return NULL; /* len + 1 wrapped */
    if (cap > UINT32_MAX) cap = UINT32_MAX;
    void *p = sn_arena_alloc(a, (size_t)cap * elem);
    if (!p) return NULL;
    if (arr->len) memcpy(p, arr->ptr, elem * arr->len);
    arr->ptr = p;
    arr->cap = (uint32_t)cap;
    return p;
}
void *sn_pb_array_add(void *array, size_t elem, struct sn_arena *a)
{
    void *slot = pb_array_slot(array, elem, a);
    return slot ? memset(slot, 0, elem) : NULL;
}

/* ---- maps ------------------------------------------------------------------------------------ */

/* A map entry's key is its field 1, its value field 2; both are always in the table. */
static int key_cmp(const struct sn_pb_field *key, const void *x, const void *y)
{
    const char *a = (const char *)x + key->offset, *b = (const char *)y + key->offset;
    if (key->type == SN_PB_STRING)
        return sn_str_cmp(*(const struct sn_str *)a, *(const struct sn_str *)b);
    uint64_t u = 0, v = 0;
    memcpy(&u, a, sn_pb_elem_bytes[key->type]);
    memcpy(&v, b, sn_pb_elem_bytes[key->type]);
    switch (key->type) {
    case SN_PB_INT32:
    case SN_PB_SINT32:
    case SN_PB_SFIXED32: u ^= 1u << 31, v ^= 1u << 31; break;
    case SN_PB_INT64:
    case SN_PB_SINT64:
    case SN_PB_SFIXED64: u ^= 1ull << 63, v ^= 1ull << 63; break;
    default: break;
    }
    return u < v ? -1 : u > v;
}
static bool sorted(const struct sn_pb_field *key, void **e, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        if (key_cmp(key, e[i - 1], e[i]) >= 0) return false;
    return true;
}
/* Bottom-up merge sort: stable, so that of equal keys the last to arrive stays last. */
static void **merge_sort(const struct sn_pb_field *key, void **src, void **dst, uint32_t n)
{
    for (uint64_t width = 1; width < n; width *= 2) {
        for (uint64_t lo = 0; lo < n; lo += 2 * width) {
            uint64_t mid = SN_MIN(lo + width, (uint64_t)n),
                     hi = SN_MIN(lo + 2 * width, (uint64_t)n);
            uint64_t i = lo, j = mid;
            for (uint64_t k = lo; k < hi; k++) {
                bool left = i < mid && (j >= hi || key_cmp(key, src[i], src[j]) <= 0);
                dst[k] = left ? src[i++] : src[j++];
            }
        }
        void **t = src;
        src = dst;
        dst = t;
    }
    return src;
}
static int map_finish(const struct sn_pb_desc *entry, struct sn_pb_array *arr, struct sn_arena *a)
{
    const struct sn_pb_field *key = &entry->fields[0], *value = &entry->fields[1];
    void **e = arr->ptr;
    if (value->type == SN_PB_MESSAGE)
        for (uint32_t i = 0; i < arr->len; i++)
            if (!sn_pb_mutable(e[i], value, a)) return SN_E_NOMEM;
    if (sorted(key, e, arr->len)) return 0;
    void **tmp = SN_ARENA_ARRAY(a, void *, arr->len);
    if (!tmp) return SN_E_NOMEM;
    void **s = merge_sort(key, e, tmp, arr->len);
    uint32_t out = 0;
    for (uint32_t i = 0; i < arr->len; i++)
        if (i + 1 == arr->len || key_cmp(key, s[i], s[i + 1]) != 0) tmp[out++] = s[i];
    memcpy(e, tmp, out * sizeof(void *));
    arr->len = out;
    return 0;
}
int sn_pb_maps_finish(const struct sn_pb_desc *d, void *msg, struct sn_arena *a)
{
    for (const struct sn_pb_field *f = d->fields; f < d->fields + d->n_fields; f++) {
        struct sn_pb_array *arr = (struct sn_pb_array *)((char *)msg + f->offset);
        if (f->flags & SN_PB_F_MAP && arr->len && map_finish(f->sub.msg, arr, a) < 0)
            return SN_E_NOMEM;
    }
    return 0;
}

static void *map_find(const struct sn_pb_array *arr, const struct sn_pb_field *key,
                      const void *probe)
{
    void *const *e = arr->ptr;
    uint32_t lo = 0, hi = arr->len;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = key_cmp(key, e[mid], probe);
        if (c == 0) return e[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    /* A map built by hand need not be sorted. */
    for (uint32_t i = arr->len; i-- > 0;)
        if (key_cmp(key, e[i], probe) == 0) return e[i];
    return NULL;
}
/* The probe is an address from which the entry's key offset reaches the key. */
static const void *probe_of(const struct sn_pb_field *key, const void *value)
{
    return (const void *)((uintptr_t)value - key->offset);
}
void *sn_pb_map_str(const void *map, const struct sn_pb_desc *d, struct sn_str key)
{
    return map_find(map, &d->fields[0], probe_of(&d->fields[0], &key));
}
void *sn_pb_map_int(const void *map, const struct sn_pb_desc *d, uint64_t key)
{
    return map_find(map, &d->fields[0], probe_of(&d->fields[0], &key));
}

/* ---- look-up --------------------------------------------------------------------------------- */

const struct sn_pb_field *sn_pb_field_by_number(const struct sn_pb_desc *d, uint32_t number)
{
    uint32_t lo = 0, hi = d->n_fields;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (d->fields[mid].number == number) return &d->fields[mid];
        if (d->fields[mid].number < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}
const struct sn_pb_field *sn_pb_field_by_name(const struct sn_pb_desc *d, struct sn_str name)
{
    for (const struct sn_pb_field *f = d->fields; f < d->fields + d->n_fields; f++)
        if (sn_str_eq(f->json_name, name) || sn_str_eq(f->name, name)) return f;
    return NULL;
}
struct sn_str sn_pb_enum_name(const struct sn_pb_enum *e, int32_t number)
{
    uint32_t lo = 0, hi = e->n_values;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (e->values[mid].number < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < e->n_values && e->values[lo].number == number) return e->values[lo].name;
    return (struct sn_str){NULL, 0};
}
int sn_pb_enum_number(const struct sn_pb_enum *e, struct sn_str name, int32_t *ret)
{
    for (uint32_t i = 0; i < e->n_values; i++) {
        if (!sn_str_eq(e->values[i].name, name)) continue;
        *ret = e->values[i].number;
        return 0;
    }
    return SN_E_NOT_FOUND;
}
/* Imports form a DAG; the depth bound keeps a hand-made cycle from looping. */
static const struct sn_pb_desc *find(const struct sn_pb_file *file, struct sn_str name, int depth)
{
    for (uint32_t i = 0; i < file->n_msgs; i++)
        if (sn_str_eq(file->msgs[i]->full_name, name)) return file->msgs[i];
    for (uint32_t i = 0; depth > 0 && i < file->n_deps; i++) {
        const struct sn_pb_desc *d = find(file->deps[i], name, depth - 1);
        if (d) return d;
    }
    return NULL;
}
const struct sn_pb_desc *sn_pb_find(const struct sn_pb_file *file, struct sn_str full_name)
{
    return find(file, full_name, 16);
}

/* ---- access by table ------------------------------------------------------------------------- */

bool sn_pb_has(const void *msg, const struct sn_pb_field *f)
{
    static const char zero[sizeof(union sn_pb_value)];
    const char *p = (const char *)msg + f->offset;
    if (f->flags & SN_PB_F_REPEATED) return ((const struct sn_pb_array *)p)->len != 0;
    if (f->flags & SN_PB_F_ONEOF) return *pb_case(msg, f) == f->number;
    if (f->flags & SN_PB_F_HASBIT) return sn_pb_has_bit(msg, f->presence);
    if (pb_is_text(f)) return ((const struct sn_str *)p)->len != 0;
    return memcmp(p, zero, sn_pb_elem_bytes[f->type]) != 0;
}
union sn_pb_value sn_pb_get(const void *msg, const struct sn_pb_field *f)
{
    union sn_pb_value v;
    memset(&v, 0, sizeof v);
    if (f->flags & SN_PB_F_ONEOF && *pb_case(msg, f) != f->number) return v;
    memcpy(&v, (const char *)msg + f->offset, sn_pb_elem_bytes[f->type]);
    return v;
}
void sn_pb_set(void *msg, const struct sn_pb_field *f, union sn_pb_value v)
{
    pb_mark(msg, f);
    memcpy((char *)msg + f->offset, &v, sn_pb_elem_bytes[f->type]);
}
void sn_pb_clear(void *msg, const struct sn_pb_field *f)
{
    if (f->flags & SN_PB_F_ONEOF) {
        if (*pb_case(msg, f) == f->number) *pb_case(msg, f) = 0;
        return;
    }
    if (f->flags & SN_PB_F_HASBIT) sn_pb_clear_bit(msg, f->presence);
    memset((char *)msg + f->offset, 0,
           f->flags & SN_PB_F_REPEATED ? sizeof(struct sn_pb_array) : sn_pb_elem_bytes[f->type]);
}
uint32_t sn_pb_len(const void *msg, const struct sn_pb_field *f)
{
    return ((const struct sn_pb_array *)((const char *)msg + f->offset))->len;
}
union sn_pb_value sn_pb_at(const void *msg, const struct sn_pb_field *f, uint32_t i)
{
    const struct sn_pb_array *arr = (const struct sn_pb_array *)((const char *)msg + f->offset);
    union sn_pb_value v;
    memset(&v, 0, sizeof v);
    memcpy(&v, (const char *)arr->ptr + (size_t)sn_pb_elem_bytes[f->type] * i,
           sn_pb_elem_bytes[f->type]);
    return v;
}
int sn_pb_append(void *msg, const struct sn_pb_field *f, union sn_pb_value v, struct sn_arena *a)
{
    void *slot = pb_array_slot((struct sn_pb_array *)((char *)msg + f->offset),
                               sn_pb_elem_bytes[f->type], a);
    if (!slot) return SN_E_NOMEM;
    memcpy(slot, &v, sn_pb_elem_bytes[f->type]);
    return 0;
}
void *sn_pb_mutable(void *msg, const struct sn_pb_field *f, struct sn_arena *a)
{
    pb_mark(msg, f);
    void **slot = (void **)((char *)msg + f->offset);
    if (!*slot) *slot = sn_pb_new(f->sub.msg, a);
    return *slot;
}

const struct sn_pb_field *sn_pb_missing(const struct sn_pb_desc *d, const void *msg)
{
    for (const struct sn_pb_field *f = d->fields; f < d->fields + d->n_fields; f++)
        if (f->flags & SN_PB_F_REQUIRED && !sn_pb_has(msg, f)) return f;
    return NULL;
}

static void discard(const struct sn_pb_desc *d, void *msg, int depth)
{
    if (!msg || depth > SN_PB_DEPTH_MAX) return;
    ((struct sn_pb_head *)msg)->unknown = NULL;
    for (const struct sn_pb_field *f = d->fields; f < d->fields + d->n_fields; f++) {
        if (!pb_is_msg(f)) continue;
        if (f->flags & SN_PB_F_REPEATED)
            for (uint32_t i = 0; i < sn_pb_len(msg, f); i++)
                discard(f->sub.msg, sn_pb_at(msg, f, i).msg, depth + 1);
        else
            discard(f->sub.msg, sn_pb_get(msg, f).msg, depth + 1);
    }
}
void sn_pb_discard_unknown(const struct sn_pb_desc *d, void *msg) { discard(d, msg, 0); }

int sn_pb_clone(const struct sn_pb_desc *d, const void *msg, struct sn_arena *a, void **ret)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    ssize_t r = sn_pb_encode(d, msg, &b);
    if (r < 0) return (int)r;
    return sn_pb_parse(d, sn_buf_view(&b), SN_PB_COPY | SN_PB_PARTIAL, a, ret);
}
int sn_pb_equal(const struct sn_pb_desc *d, const void *x, const void *y)
{
    struct sn_buf bx SN_CLEANUP(sn_buf_done), by SN_CLEANUP(sn_buf_done);
    sn_buf_init(&bx, 0);
    sn_buf_init(&by, 0);
    ssize_t r = sn_pb_encode(d, x, &bx);
    if (r >= 0) r = sn_pb_encode(d, y, &by);
    return r < 0 ? (int)r : sn_str_eq(sn_buf_view(&bx), sn_buf_view(&by));
}
