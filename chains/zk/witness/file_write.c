/* SPDX-License-Identifier: Apache-2.0 */
/* zk/witness/file_write.c - writes .snw files, and knows their digest: apart from the reader, so that
 * who only runs programs links no hash. */
#include "core/alloc.h"
#include "core/map.h"
#include "core/vec.h"
#include "crypto/hash.h"
#include "zk/witness/file_int.h"

struct place_key {
    uint32_t file, text, line, column;
};
struct writer {
    const struct sn_witness_prog *p;
    SN_VEC(uint32_t) table[SNW_N]; /* by section; bytes of strings are in text */
    struct sn_buf text;
    struct sn_map string_of, place_of; /* number + 1 */
    int err;
};

static void word(struct writer *w, unsigned section, uint32_t v)
{
    if (w->err == 0) w->err = sn_vec_push(&w->table[section], v);
}

static void remember(struct writer *w, struct sn_map *m, struct sn_str key, uint32_t id)
{
    if (w->err < 0) return;
    int r = sn_map_put(m, key, (void *)(uintptr_t)id, NULL);
    if (r < 0) w->err = r;
}

static uint32_t string(struct writer *w, struct sn_str s)
{
    uint32_t id = (uint32_t)(uintptr_t)sn_map_get(&w->string_of, s);
    if (id) return id - 1;
    (void)sn_buf_str(&w->text, s);
    word(w, SNW_STRINGS, (uint32_t)w->text.len);
    id = (uint32_t)w->table[SNW_STRINGS].len;
    remember(w, &w->string_of, s, id);
    return id - 1;
}

static uint32_t words(struct writer *w, const uint32_t *v, uint32_t n)
{
    uint32_t at = (uint32_t)w->table[SNW_WORDS].len;
    for (uint32_t i = 0; i < n; i++) word(w, SNW_WORDS, v[i]);
    return at;
}

static void put_shapes(struct writer *w, const struct sn_witness_shape *s, uint32_t n)
{
    uint32_t first = (uint32_t)w->table[SNW_SHAPES].len;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t rec[SNW_SHAPE_WORDS] = {string(w, s[i].name), words(w, s[i].dims, s[i].n_dims),
                                               s[i].n_dims,          s[i].label,
                                               s[i].n_signals,       s[i].n_fields,
                                               0,                    s[i].is_public};
        for (unsigned k = 0; k < SNW_SHAPE_WORDS; k++) word(w, SNW_SHAPES, rec[k]);
    }
    for (uint32_t i = 0; i < n && w->err == 0; i++) {
        if (!s[i].n_fields) continue;
        w->table[SNW_SHAPES].ptr[first + i * SNW_SHAPE_WORDS + 6] =
            (uint32_t)(w->table[SNW_SHAPES].len / SNW_SHAPE_WORDS);
        put_shapes(w, s[i].fields, s[i].n_fields);
    }
}

static uint32_t place_id(struct writer *w, uint32_t place)
{
    struct sn_wplace at;
    if (!w->p->place || !w->p->place(w->p->ctx, place, &at)) return UINT32_MAX;
    struct place_key k = {string(w, at.file), string(w, at.text), at.line, at.column};
    struct sn_str key = sn_str_of((const char *)&k, sizeof(k));
    uint32_t id = (uint32_t)(uintptr_t)sn_map_get(&w->place_of, key);
    if (id) return id - 1;
    word(w, SNW_PLACES, k.file);
    word(w, SNW_PLACES, k.text);
    word(w, SNW_PLACES, k.line);
    word(w, SNW_PLACES, k.column);
    id = (uint32_t)(w->table[SNW_PLACES].len / SNW_PLACE_WORDS);
    remember(w, &w->place_of, key, id);
    return id - 1;
}

static void put_code(struct writer *w, const struct sn_wcode *c, const struct sn_winstance *inst)
{
    const uint32_t rec[SNW_CODE_WORDS] = {c->n,
                                          c->n_regs,
                                          c->n_args,
                                          c->ret_at,
                                          c->n_ret,
                                          inst ? inst->n_subs : 0,
                                          inst ? inst->n_signals : 0,
                                          inst ? inst->size : 0};
    for (unsigned k = 0; k < SNW_CODE_WORDS; k++) word(w, SNW_CODES, rec[k]);
    for (uint32_t i = 0; i < c->n; i++) {
        const struct sn_wins *ins = &c->ins[i];
        const uint32_t v[SNW_INS_WORDS] = {ins->op, ins->d, ins->a, ins->b, ins->c};
        for (unsigned k = 0; k < SNW_INS_WORDS; k++) word(w, SNW_INS, v[k]);
        word(w, SNW_INS_PLACES, place_id(w, c->place[i]));
    }
}

static void put_instance(struct writer *w, const struct sn_winstance *inst)
{
    put_code(w, &inst->code, inst);
    for (uint32_t i = 0; i < inst->n_subs; i++) {
        const struct sn_wsub *s = &inst->subs[i];
        const uint32_t rec[SNW_SUB_WORDS] = {s->instance,
                                             s->offset,
                                             string(w, s->name),
                                             words(w, s->index, s->n_index),
                                             s->n_index,
                                             inst->order[i]};
        for (unsigned k = 0; k < SNW_SUB_WORDS; k++) word(w, SNW_SUBS, rec[k]);
    }
}

static void put_head(struct writer *w, uint32_t n_wires)
{
    const struct sn_witness_prog *p = w->p;
    const uint32_t rec[SNW_HEAD_WORDS] = {p->n_instances, p->n_functions, p->n_strings,
                                          p->main,        p->n_inputs,    p->first_input,
                                          (uint32_t)p->n_shapes, n_wires};
    for (unsigned i = 0; i < 10; i++) word(w, SNW_HEAD, 0); /* sum and digest */
    for (unsigned i = 0; i < 8; i++) word(w, SNW_HEAD, (uint32_t)(p->field->p.v[i / 2] >> i % 2 * 32));
    for (unsigned k = 0; k < SNW_HEAD_WORDS; k++) word(w, SNW_HEAD, rec[k]);
}

static void put_program(struct writer *w, const struct sn_r1cs *s)
{
    const struct sn_witness_prog *p = w->p;
    put_head(w, s ? s->n_wires : 0);
    for (uint32_t i = 0; i < p->n_strings; i++) { /* numbered as they are: no sharing among them */
        (void)sn_buf_str(&w->text, p->strings[i]);
        word(w, SNW_STRINGS, (uint32_t)w->text.len);
    }
    for (uint32_t i = 0; i < p->n_consts; i++) {
        struct sn_fe m;
        sn_zv_fe(p->field, &m, &p->consts[i]);
        sn_fe_from_mont(p->field, &m, &m);
        for (unsigned k = 0; k < 8; k++) word(w, SNW_CONSTS, (uint32_t)(m.v[k / 2] >> k % 2 * 32));
    }
    put_shapes(w, p->inputs, (uint32_t)p->n_shapes);
    for (uint32_t i = 0; i < p->n_instances; i++) put_instance(w, &p->instances[i]);
    for (uint32_t i = 0; i < p->n_instances; i++) {
        word(w, SNW_OWN, (uint32_t)(w->table[SNW_SHAPES].len / SNW_SHAPE_WORDS));
        put_shapes(w, p->instances[i].signals, p->instances[i].n_signals);
    }
    for (uint32_t i = 0; i < p->n_functions; i++) put_code(w, &p->functions[i], NULL);
    for (uint32_t i = 0; s && i < s->n_wires; i++)
        word(w, SNW_WIRES, s->label_of ? (uint32_t)s->label_of[i] : i);
    if (w->err == 0) w->err = w->text.err;
}

static void put_inverses(struct writer *w)
{
    struct sn_fe *pairs SN_CLEANUP(sn_freep) = NULL;
    uint32_t n;
    int r = sn_winverses_learn(w->p, &pairs, &n);
    if (r < 0) w->err = r;
    for (uint32_t i = 0; r == 0 && i < 2 * n; i++)
        for (unsigned k = 0; k < 8; k++)
            word(w, SNW_INVERSES, (uint32_t)(pairs[i].v[k / 2] >> k % 2 * 32));
}

static int emit(struct writer *w, const struct sn_zk_sink *sink)
{
    struct sn_buf b;
    struct sn_out o;
    sn_buf_init(&b, 0);
    struct sn_zk_sink to = sn_zk_sink_buf(&b);
    int r = sn_out_begin(&o, &to);
    if (r < 0) return r;
    sn_out_header(&o, "snwp", SNW_VERSION, SNW_N + 1 - SNW_HEAD);
    for (unsigned i = SNW_HEAD; i < SNW_N; i++) {
        sn_out_section(&o, i, 4 * w->table[i].len);
        for (size_t k = 0; k < w->table[i].len; k++) sn_out_u32(&o, w->table[i].ptr[k]);
    }
    sn_out_section(&o, SNW_TEXT, w->text.len);
    sn_out_put(&o, w->text.ptr, w->text.len);
    r = sn_out_end(&o);
    const uint8_t *body = b.ptr + SNW_BODY_AT;
    if (r == 0) r = sn_hash_once(SN_SHA256, body, b.len - SNW_BODY_AT, b.ptr + SNW_DIGEST_AT);
    if (r == 0) {
        sn_put_le64(b.ptr + SNW_SUM_AT, snw_sum(sn_buf_view(&b)));
        r = sink->write(sink->ctx, b.ptr, b.len);
    }
    sn_buf_done(&b);
    return r;
}

int sn_witness_write(const struct sn_witness_prog *p, const struct sn_r1cs *s,
                     const struct sn_zk_sink *out)
{
    struct writer w = {.p = p};
    if (s && s->n_labels != p->n_labels)
        return sn_fail(SN_E_INVALID_ARGUMENT, "a system of %llu labels for a program of %llu",
                       (unsigned long long)s->n_labels, (unsigned long long)p->n_labels);
    sn_buf_init(&w.text, UINT32_MAX);
    sn_map_init(&w.string_of, 1, false);
    sn_map_init(&w.place_of, 1, true);
    put_program(&w, s);
    if (w.err == 0) put_inverses(&w);
    int r = w.err;
    if (r == 0) r = emit(&w, out);
    for (unsigned i = 0; i < SNW_N; i++) sn_vec_done(&w.table[i]);
    sn_map_done(&w.string_of);
    sn_map_done(&w.place_of);
    sn_buf_done(&w.text);
    return r;
}

int sn_witness_verify(const struct sn_witness_prog *p)
{
    if (p->place != snw_place)
        return sn_fail(SN_E_INVALID_ARGUMENT, "a program that was not read from a file has no digest");
    const struct snw_file *f = p->ctx;
    uint8_t digest[32];
    int r = sn_hash_once(SN_SHA256, f->file.ptr + SNW_BODY_AT, f->file.len - SNW_BODY_AT, digest);
    if (r == 0 && memcmp(digest, p->digest, 32) != 0)
        r = sn_fail(SN_E_DATA_LOSS, ".snw file is damaged: its digest is another");
    return r;
}
