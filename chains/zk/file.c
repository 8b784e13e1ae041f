/* SPDX-License-Identifier: Apache-2.0 */
/* zk/file.c - .r1cs and .wtns. */
#include "zk/file.h"

#include "core/alloc.h"
#include "zk/bin.h"
#include "zk/gates_int.h"

/* Bytes a field element takes in files: whole 64-bit words of the modulus. */
static uint32_t n8_of(const struct sn_field *f) { return (f->bits + 63) / 64 * 8; }

/* Reads "n8, prime": the start of every header. */
static int take_field(struct sn_cursor *c, const char *what, const struct sn_field **ret)
{
    uint32_t n8 = sn_take32(c);
    const uint8_t *prime = n8 <= 4096 ? sn_take(c, n8) : NULL;
    if (!prime) return sn_fail(SN_E_DATA_LOSS, "%s header ends inside its prime", what);
    const struct sn_field *f = sn_zk_field_of(prime, n8);
    if (!f || n8_of(f) != n8)
        return sn_fail(SN_E_UNIMPLEMENTED, "%s file over a prime of %u bytes that is not known",
                       what, n8);
    *ret = f;
    return 0;
}

static void put_field(struct sn_out *o, const struct sn_field *f)
{
    sn_out_u32(o, n8_of(f));
    sn_out_put(o, f->p.v, n8_of(f)); /* little-endian words */
}

static int take_fe(struct sn_cursor *c, const struct sn_field *f, struct sn_fe *ret)
{
    uint8_t wide[32] = {0};
    const uint8_t *p = sn_take(c, n8_of(f));
    if (!p) return SN_E_DATA_LOSS;
    memcpy(wide, p, n8_of(f));
    return sn_fe_from_bytes_le(f, ret, wide);
}

static void put_fe(struct sn_out *o, const struct sn_field *f, const struct sn_fe *a)
{
    uint8_t wide[32];
    sn_fe_to_bytes_le(f, wide, a);
    sn_out_put(o, wide, n8_of(f));
}

/* ---- .r1cs ----------------------------------------------------------------------------------- */

static int r1cs_header(struct sn_str text, struct sn_r1cs *s)
{
    struct sn_cursor c = sn_cursor(text);
    int r = take_field(&c, ".r1cs", &s->field);
    if (r < 0) return r;
    s->n_wires = sn_take32(&c);
    s->n_outputs = sn_take32(&c);
    s->n_public = sn_take32(&c);
    s->n_private = sn_take32(&c);
    s->n_labels = sn_take64(&c);
    s->n_rows = sn_take32(&c);
    if (c.short_ || c.p != c.end)
        return sn_fail(SN_E_DATA_LOSS, ".r1cs header of %zu bytes, which is not its length",
                       text.len);
    if (s->n_wires > SN_R1CS_WIRES_MAX || s->n_rows > SN_R1CS_ROWS_MAX)
        return sn_fail(SN_E_TOO_LARGE, ".r1cs of %u wires and %u constraints", s->n_wires,
                       s->n_rows);
    /* Private inputs are labels, some of which may have lost their wire. */
    uint64_t fixed = 1ull + s->n_outputs + s->n_public;
    if (fixed > s->n_wires || fixed + s->n_private > s->n_labels || s->n_wires > s->n_labels)
        return sn_fail(SN_E_SYNTAX, ".r1cs header: %u wires and %llu labels for %u outputs, %u "
                       "public and %u private inputs", s->n_wires,
                       (unsigned long long)s->n_labels, s->n_outputs, s->n_public, s->n_private);
    return 0;
}

static int r1cs_lc(struct sn_cursor *c, const struct sn_r1cs *head, struct sn_lc_term *terms,
                   size_t *used, struct sn_lc *ret)
{
    uint32_t n = sn_take32(c);
    *ret = (struct sn_lc){terms + *used, n};
    for (uint32_t i = 0; i < n; i++) {
        struct sn_lc_term *t = &terms[(*used)++];
        t->wire = sn_take32(c);
        int r = take_fe(c, head->field, &t->coef);
        if (r < 0) return r;
        if (t->wire >= head->n_wires) return SN_E_OUT_OF_RANGE;
    }
    return 0;
}

/* Entries of the longest constraint, so that terms are allocated once. */
static int r1cs_scan(struct sn_str text, uint32_t rows, uint32_t n8, size_t *ret_max)
{
    struct sn_cursor c = sn_cursor(text);
    size_t max = 0;
    for (uint32_t i = 0; i < rows; i++) {
        size_t len = 0;
        for (int m = 0; m < 3; m++) {
            uint32_t n = sn_take32(&c);
            len += n;
            if (c.short_ || !sn_take(&c, (size_t)n * (4 + n8)))
                return sn_fail(SN_E_DATA_LOSS, ".r1cs constraint %u: the section ends in it", i);
        }
        max = SN_MAX(max, len);
    }
    if (c.p != c.end)
        return sn_fail(SN_E_DATA_LOSS, ".r1cs: %zu bytes behind the last constraint",
                       (size_t)(c.end - c.p));
    *ret_max = max;
    return 0;
}

static int r1cs_rows(struct sn_str text, const struct sn_r1cs *head, struct sn_r1cs_builder *b)
{
    size_t max = 0;
    int r = r1cs_scan(text, head->n_rows, n8_of(head->field), &max);
    if (r < 0) return r;
    struct sn_lc_term *terms SN_CLEANUP(sn_freep) = sn_alloc(max * sizeof(*terms));
    if (!terms) return SN_E_NOMEM;
    struct sn_cursor c = sn_cursor(text);
    for (uint32_t i = 0; i < head->n_rows; i++) {
        struct sn_lc abc[3];
        size_t used = 0;
        for (int m = 0; m < 3; m++) {
            r = r1cs_lc(&c, head, terms, &used, &abc[m]);
            if (r < 0)
                return sn_fail(r, ".r1cs constraint %u: a wire or a coefficient out of range", i);
        }
        r = sn_r1cs_add(b, abc);
        if (r < 0) return sn_wrap(r, ".r1cs constraint %u", i);
    }
    return 0;
}

static int r1cs_labels(struct sn_str text, const struct sn_r1cs *head, uint64_t **ret)
{
    uint64_t *of = sn_alloc((size_t)head->n_wires * sizeof(*of));
    if (!of) return SN_E_NOMEM;
    bool same = head->n_wires == head->n_labels;
    for (size_t i = 0; i < head->n_wires; i++) {
        of[i] = sn_le64((const uint8_t *)text.ptr + 8 * i);
        if (of[i] >= head->n_labels || (i == 0 && of[0] != 0)) {
            int r = sn_fail(SN_E_OUT_OF_RANGE, ".r1cs: wire %zu carries label %llu of %llu", i,
                            (unsigned long long)of[i], (unsigned long long)head->n_labels);
            sn_free(of);
            return r;
        }
        same &= of[i] == i;
    }
    if (same) {
        sn_free(of);
        of = NULL;
    }
    *ret = of;
    return 0;
}

static int r1cs_gates(const struct sn_bin *bin, struct sn_r1cs *head)
{
    struct sn_str gates = bin->section[4], uses = bin->section[5];
    if (!gates.ptr && !uses.ptr) return 0;
    if (!gates.ptr || !uses.ptr)
        return sn_fail(SN_E_SYNTAX, ".r1cs: of the sections 4 and 5 (custom gates) one is missing");
    return sn_r1cs_gates_read(gates, uses, head->field, head->n_wires, &head->gates);
}

int sn_r1cs_read(struct sn_str file, struct sn_r1cs *ret)
{
    struct sn_bin bin;
    struct sn_r1cs head = {0};
    struct sn_r1cs_builder b;
    struct sn_str header, rows, labels;
    uint64_t *label_of = NULL;
    int r = sn_bin_open(file, "r1cs", 1, ".r1cs", &bin);
    if (r == 0) r = sn_bin_section(&bin, 1, UINT64_MAX, ".r1cs", &header);
    if (r == 0) r = r1cs_header(header, &head);
    if (r == 0) r = sn_bin_section(&bin, 2, UINT64_MAX, ".r1cs", &rows);
    if (r == 0) r = sn_bin_section(&bin, 3, 8ull * head.n_wires, ".r1cs", &labels);
    if (r < 0) return r;
    r = r1cs_gates(&bin, &head);
    if (r == 0) r = r1cs_labels(labels, &head, &label_of);
    if (r == 0) r = sn_r1cs_builder_init(&b, head.field);
    if (r == 0) {
        r = r1cs_rows(rows, &head, &b);
        struct sn_r1cs_signals n = {.n_outputs = head.n_outputs, .n_public = head.n_public,
                                    .n_total = head.n_wires};
        struct sn_r1cs done;
        if (r == 0)
            r = sn_r1cs_builder_finish(&b, &n, &done);
        else
            sn_r1cs_builder_done(&b);
        if (r == 0) {
            done.n_private = head.n_private;
            done.n_labels = head.n_labels;
            done.label_of = label_of;
            done.gates = head.gates;
            *ret = done;
            return 0;
        }
    }
    sn_r1cs_gates_free(head.gates);
    sn_free(label_of);
    return r;
}

int sn_r1cs_write(const struct sn_r1cs *s, const struct sn_zk_sink *sink)
{
    struct sn_out o;
    int r = sn_out_begin(&o, sink);
    if (r < 0) return r;
    uint32_t n8 = n8_of(s->field);
    size_t entries = sn_r1cs_n_entries(s);
    uint8_t(*plain)[32] SN_CLEANUP(sn_freep) = sn_alloc(s->n_dict * sizeof(*plain));
    if (!plain) o.err = SN_E_NOMEM;
    for (uint32_t i = 0; plain && i < s->n_dict; i++)
        sn_fe_to_bytes_le(s->field, plain[i], &s->dict[i]);
    /* Constraints first, then the header: as circom itself does. */
    sn_out_header(&o, "r1cs", 1, s->gates ? 5 : 3);
    sn_out_section(&o, 2, 12ull * s->n_rows + (uint64_t)entries * (4 + n8));
    for (size_t i = 0; i < 3 * (size_t)s->n_rows && o.err == 0; i++) {
        sn_out_u32(&o, s->row_at[i + 1] - s->row_at[i]);
        for (uint32_t e = s->row_at[i]; e < s->row_at[i + 1]; e++) {
            sn_out_u32(&o, s->wire[e]);
            sn_out_put(&o, plain[s->coef[e]], n8);
        }
    }
    sn_out_section(&o, 1, 4 + n8 + 4 * 4 + 8 + 4);
    put_field(&o, s->field);
    sn_out_u32(&o, s->n_wires);
    sn_out_u32(&o, s->n_outputs);
    sn_out_u32(&o, s->n_public);
    sn_out_u32(&o, s->n_private);
    sn_out_u64(&o, s->n_labels);
    sn_out_u32(&o, s->n_rows);
    sn_out_section(&o, 3, 8ull * s->n_wires);
    for (uint32_t w = 0; w < s->n_wires; w++) sn_out_u64(&o, s->label_of ? s->label_of[w] : w);
    if (s->gates) sn_r1cs_gates_write(s->gates, s->field, &o);
    return sn_out_end(&o);
}

/* ---- .wtns ----------------------------------------------------------------------------------- */

int sn_wtns_read(struct sn_str file, const struct sn_field **ret_field, struct sn_fe **ret,
                 size_t *ret_n)
{
    struct sn_bin bin;
    struct sn_str header = {0}, values = {0};
    const struct sn_field *f = NULL;
    int r = sn_bin_open(file, "wtns", 2, ".wtns", &bin);
    if (r == 0) r = sn_bin_section(&bin, 1, UINT64_MAX, ".wtns", &header);
    if (r < 0) return r;
    struct sn_cursor c = sn_cursor(header);
    r = take_field(&c, ".wtns", &f);
    if (r < 0) return r;
    uint32_t n = sn_take32(&c);
    if (c.short_ || c.p != c.end)
        return sn_fail(SN_E_DATA_LOSS, ".wtns header of %zu bytes, which is not its length",
                       header.len);
    r = sn_bin_section(&bin, 2, (uint64_t)n * n8_of(f), ".wtns", &values);
    if (r < 0) return r;
    struct sn_fe *w = sn_alloc((size_t)n * sizeof(*w));
    if (!w) return SN_E_NOMEM;
    c = sn_cursor(values);
    for (uint32_t i = 0; i < n; i++) {
        r = take_fe(&c, f, &w[i]);
        if (r < 0) {
            sn_free(w);
            return sn_fail(r, ".wtns: value %u is not below the prime", i);
        }
    }
    *ret_field = f;
    *ret = w;
    *ret_n = n;
    return 0;
}

int sn_wtns_write(const struct sn_field *f, const struct sn_fe *w, size_t n,
                  const struct sn_zk_sink *sink)
{
    if (n > SN_R1CS_WIRES_MAX) return sn_fail(SN_E_TOO_LARGE, "a witness of %zu values", n);
    struct sn_out o;
    int r = sn_out_begin(&o, sink);
    if (r < 0) return r;
    sn_out_header(&o, "wtns", 2, 2);
    sn_out_section(&o, 1, 4 + n8_of(f) + 4);
    put_field(&o, f);
    sn_out_u32(&o, (uint32_t)n);
    sn_out_section(&o, 2, (uint64_t)n * n8_of(f));
    for (size_t i = 0; i < n; i++) put_fe(&o, f, &w[i]);
    return sn_out_end(&o);
}
