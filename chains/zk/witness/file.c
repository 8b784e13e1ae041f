/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/file.c - compiled witness programs as files (.snw), used where they are mapped.
 *
 * The container of iden3's formats (magic "snwp"), every section a table of little-endian 32-bit
 * words: instructions are executed in place. The head comes first and begins with a sum of
 * everything behind it, then the SHA-256 of everything behind that. Loading compares the sum, which
 * finds damage at the speed of memory; whoever keys by the digest compares it first
 * (sn_witness_verify). Nothing in a file is believed: instructions are checked against the frame
 * and the component they run in, so that the engine need not. */
#include "core/alloc.h"
#include "zk/witness/file_int.h"

uint64_t snw_sum(struct sn_str file)
{
    uint64_t h[4] = {1, 2, 3, 4};
    const uint8_t *p = (const uint8_t *)file.ptr + SNW_DIGEST_AT;
    size_t n = file.len - SNW_DIGEST_AT;
    for (; n >= 32; n -= 32, p += 32)
        for (unsigned i = 0; i < 4; i++) {
            h[i] = (h[i] ^ sn_le64(p + 8 * i)) * SNW_SUM_FACTOR;
            h[i] ^= h[i] >> 29;
        }
    for (; n > 0; n--, p++) h[0] = (h[0] ^ *p) * SNW_SUM_FACTOR;
    for (unsigned i = 1; i < 4; i++) h[0] = ((h[0] ^ h[0] >> 32) + h[i]) * SNW_SUM_FACTOR;
    return h[0] ^ h[0] >> 32;
}

int snw_table(const struct snw_file *f, unsigned id, uint32_t words, const uint32_t **ret,
              uint32_t *ret_n)
{
    struct sn_str s;
    int r = sn_bin_section(&f->bin, id, UINT64_MAX, ".snw", &s);
    if (r < 0) return r;
    if (s.len % (4 * words) || s.len / (4 * words) > SNW_RECORDS_MAX)
        return sn_fail(SN_E_DATA_LOSS, ".snw section %u of %zu bytes, not whole records", id, s.len);
    if ((uintptr_t)s.ptr % 4)
        return sn_fail(SN_E_INVALID_ARGUMENT, ".snw file is not aligned in memory");
    *ret = (const uint32_t *)(const void *)s.ptr;
    *ret_n = (uint32_t)(s.len / (4 * words));
    return 0;
}
int snw_table_of(const struct snw_file *f, unsigned id, uint32_t words, uint32_t n,
                 const uint32_t **ret)
{
    uint32_t found;
    const uint32_t *at;
    int r = snw_table(f, id, words, &at, &found);
    if (r < 0) return r;
    if (found != n)
        return sn_fail(SN_E_DATA_LOSS, ".snw section %u has %u records, expected %u", id, found, n);
    *ret = at;
    return 0;
}

static int read_head(struct snw_file *f, struct sn_str file)
{
    struct sn_witness_prog *p = &f->prog;
    const uint32_t *h = NULL;
    int r = sn_bin_open(file, "snwp", SNW_VERSION, ".snw", &f->bin);
    if (r == 0) r = snw_table_of(f, SNW_HEAD, 18 + SNW_HEAD_WORDS, 1, &h);
    if (r < 0) return r;
    if (f->bin.section[SNW_HEAD].ptr != file.ptr + SNW_SUM_AT)
        return sn_fail(SN_E_SYNTAX, ".snw file whose head is not its first section");
    if (snw_sum(file) != sn_le64((const uint8_t *)h))
        return sn_fail(SN_E_DATA_LOSS, ".snw file is damaged: its sum is another");
    memcpy(p->digest, h + 2, 32);
    f->file = file;
    h += 2;
    size_t n8 = 32;
    const uint8_t *prime = (const uint8_t *)(h + 8);
    while (n8 > 8 && sn_le64(prime + n8 - 8) == 0) n8 -= 8;
    p->field = sn_zk_field_of(prime, n8);
    if (!p->field) return sn_fail(SN_E_UNIMPLEMENTED, ".snw file over a prime that is not known");
    h += 16;
    p->n_instances = h[0];
    p->n_functions = h[1];
    p->n_strings = h[2];
    p->main = h[3];
    p->n_inputs = h[4];
    p->first_input = h[5];
    p->n_shapes = h[6];
    p->n_wires = h[7];
    if (p->main >= p->n_instances)
        return sn_fail(SN_E_OUT_OF_RANGE, ".snw main is instance %u of %u", p->main, p->n_instances);
    return 0;
}

static int read_strings(struct snw_file *f)
{
    const uint32_t *end;
    struct sn_str text;
    int r = snw_table(f, SNW_STRINGS, 1, &end, &f->n_strings);
    if (r == 0) r = sn_bin_section(&f->bin, SNW_TEXT, UINT64_MAX, ".snw", &text);
    if (r < 0) return r;
    f->strings = sn_arena_array(&f->arena, f->n_strings, sizeof(*f->strings));
    if (!f->strings) return SN_E_NOMEM;
    uint32_t at = 0;
    for (uint32_t i = 0; i < f->n_strings; i++) {
        if (end[i] < at || end[i] > text.len)
            return sn_fail(SN_E_OUT_OF_RANGE, ".snw string %u ends at byte %u", i, end[i]);
        f->strings[i] = sn_str_of(text.ptr + at, end[i] - at);
        at = end[i];
    }
    if (at != text.len || f->prog.n_strings > f->n_strings)
        return sn_fail(SN_E_DATA_LOSS, ".snw text of %zu bytes, %u strings end at %u", text.len,
                       f->n_strings, at);
    f->prog.strings = f->strings;
    return 0;
}

static int read_consts(struct snw_file *f)
{
    const uint32_t *v;
    struct sn_witness_prog *p = &f->prog;
    int r = snw_table(f, SNW_CONSTS, 8, &v, &p->n_consts);
    if (r < 0) return r;
    struct sn_zv *to = sn_arena_array(&f->arena, p->n_consts, sizeof(*to));
    if (!to) return SN_E_NOMEM;
    for (uint32_t i = 0; i < p->n_consts; i++) {
        struct sn_fe plain;
        memcpy(&plain, v + 8 * (size_t)i, sizeof(plain));
        if (sn_fe_cmp(&plain, &p->field->p) >= 0)
            return sn_fail(SN_E_OUT_OF_RANGE, ".snw constant %u is not below the prime", i);
        to[i] = sn_zv_from_plain(p->field, &plain);
    }
    p->consts = to;
    return 0;
}

static bool in_words(const struct snw_file *f, uint32_t at, uint32_t n)
{
    return n <= f->n_words && at <= f->n_words - n;
}

/* Dimensions and fields must make up the number of signals, or names would divide by zero. */
static int check_shape(const struct snw_file *f, uint32_t i)
{
    const struct sn_witness_shape *s = &f->shapes[i];
    uint64_t elements = 1;
    for (uint32_t k = 0; k < s->n_dims && elements <= UINT32_MAX; k++) elements *= s->dims[k];
    if (elements > s->n_signals || (elements && s->n_signals % elements) ||
        (s->n_signals && !elements))
        return sn_fail(SN_E_OUT_OF_RANGE, ".snw signal %u: %u signals in %llu elements", i,
                       s->n_signals, (unsigned long long)elements);
    uint64_t size = elements ? s->n_signals / elements : 0;
    if (!s->n_fields && size > 1)
        return sn_fail(SN_E_OUT_OF_RANGE, ".snw signal %u: elements of %llu signals", i,
                       (unsigned long long)size);
    for (uint32_t k = 0; k < s->n_fields; k++) {
        const struct sn_witness_shape *q = &s->fields[k];
        if ((uint64_t)q->label + q->n_signals > size && elements)
            return sn_fail(SN_E_OUT_OF_RANGE, ".snw signal %u: field %u lies outside of it", i, k);
    }
    return 0;
}

static int read_shapes(struct snw_file *f)
{
    const uint32_t *v;
    int r = snw_table(f, SNW_WORDS, 1, &f->words, &f->n_words);
    if (r == 0) r = snw_table(f, SNW_SHAPES, SNW_SHAPE_WORDS, &v, &f->n_shapes);
    if (r < 0) return r;
    f->shapes = sn_arena_array(&f->arena, f->n_shapes, sizeof(*f->shapes));
    if (!f->shapes) return SN_E_NOMEM;
    for (uint32_t i = 0; i < f->n_shapes; i++, v += SNW_SHAPE_WORDS) {
        struct sn_witness_shape *s = &f->shapes[i];
        if (v[0] >= f->n_strings || v[2] > SNW_DIMS_MAX || !in_words(f, v[1], v[2]) || v[7] > 1)
            return sn_fail(SN_E_OUT_OF_RANGE, ".snw signal %u: impossible name or dimensions", i);
        /* Fields lie further on: no shape contains itself. */
        if (v[5] && (v[6] <= i || v[6] > f->n_shapes || v[5] > f->n_shapes - v[6]))
            return sn_fail(SN_E_OUT_OF_RANGE, ".snw signal %u: impossible fields", i);
        *s = (struct sn_witness_shape){.name = f->strings[v[0]],
                                       .dims = f->words + v[1],
                                       .n_dims = v[2],
                                       .label = v[3],
                                       .n_signals = v[4],
                                       .n_fields = v[5],
                                       .fields = v[5] ? f->shapes + v[6] : NULL,
                                       .is_public = v[7] == 1};
    }
    for (uint32_t i = 0; r == 0 && i < f->n_shapes; i++) r = check_shape(f, i);
    return r;
}

static int read_inputs(struct snw_file *f)
{
    struct sn_witness_prog *p = &f->prog;
    uint64_t sum = 0;
    if (p->n_shapes > f->n_shapes || (uint64_t)p->first_input + p->n_inputs > p->n_labels ||
        p->first_input == 0)
        return sn_fail(SN_E_OUT_OF_RANGE, ".snw inputs lie outside of the circuit");
    p->inputs = f->shapes;
    for (size_t i = 0; i < p->n_shapes; i++) {
        const struct sn_witness_shape *s = &p->inputs[i];
        if (s->label < p->first_input ||
            (uint64_t)s->label + s->n_signals > (uint64_t)p->first_input + p->n_inputs)
            return sn_fail(SN_E_OUT_OF_RANGE, ".snw input %zu lies outside of the inputs", i);
        sum += s->n_signals;
    }
    if (sum != p->n_inputs)
        return sn_fail(SN_E_OUT_OF_RANGE, ".snw inputs of %llu signals, expected %u",
                       (unsigned long long)sum, p->n_inputs);
    return 0;
}

bool snw_place(void *ctx, uint32_t place, struct sn_wplace *ret)
{
    const struct snw_file *f = ctx;
    if (place >= f->n_places) return false;
    const uint32_t *v = f->places + (size_t)SNW_PLACE_WORDS * place;
    *ret = (struct sn_wplace){f->strings[v[0]], f->strings[v[1]], v[2], v[3]};
    return true;
}

static int read_places(struct snw_file *f)
{
    int r = snw_table(f, SNW_PLACES, SNW_PLACE_WORDS, &f->places, &f->n_places);
    if (r < 0) return r;
    for (uint32_t i = 0; i < f->n_places; i++) {
        const uint32_t *v = f->places + (size_t)SNW_PLACE_WORDS * i;
        if (v[0] >= f->n_strings || v[1] >= f->n_strings)
            return sn_fail(SN_E_OUT_OF_RANGE, ".snw place %u: impossible file or text", i);
    }
    f->prog.place = snw_place;
    f->prog.ctx = f;
    return 0;
}

static int read_wires(struct snw_file *f)
{
    struct sn_witness_prog *p = &f->prog;
    int r = snw_table_of(f, SNW_WIRES, 1, p->n_wires, &p->wires);
    if (r < 0) return r;
    for (uint32_t i = 0; i < p->n_wires; i++)
        if (p->wires[i] >= p->n_labels || (i == 0) != (p->wires[i] == 0))
            return sn_fail(SN_E_OUT_OF_RANGE, ".snw wire %u is label %u", i, p->wires[i]);
    if (p->n_wires == 0) p->wires = NULL;
    return 0;
}

static int read_inverses(struct snw_file *f)
{
    const uint32_t *pairs;
    uint32_t n;
    int r = snw_table(f, SNW_INVERSES, SN_WINVERSE_WORDS, &pairs, &n);
    return r < 0 ? r : sn_winverses_set(&f->prog, &f->arena, pairs, n);
}

static int read_all(struct snw_file *f, struct sn_str file)
{
    int r = read_head(f, file);
    if (r == 0) r = read_strings(f);
    if (r == 0) r = read_consts(f);
    if (r == 0) r = read_shapes(f);
    if (r == 0) r = read_places(f);
    if (r == 0) r = snw_read_code(f);
    if (r < 0) return r;
    f->prog.n_labels = 1 + (uint64_t)f->prog.instances[f->prog.main].size;
    r = read_inputs(f);
    if (r == 0) r = read_wires(f);
    return r < 0 ? r : read_inverses(f);
}

int sn_witness_read(struct sn_str file, struct sn_witness_prog **ret)
{
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    return sn_fail(SN_E_UNIMPLEMENTED, ".snw files are read on little-endian machines");
#endif
    struct snw_file *f = SN_NEW(struct snw_file);
    if (!f) return SN_E_NOMEM;
    sn_arena_init(&f->arena, NULL, 0);
    int r = read_all(f, file);
    if (r < 0) {
        sn_witness_free(&f->prog);
        return r;
    }
    *ret = &f->prog;
    return 0;
}

void sn_witness_free(struct sn_witness_prog *p)
{
    if (!p) return;
    struct snw_file *f = (struct snw_file *)((char *)p - offsetof(struct snw_file, prog));
    sn_arena_done(&f->arena);
    sn_free(f);
}
