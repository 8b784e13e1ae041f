/* SPDX-License-Identifier: Apache-2.0 */
/* wire/yaml.c - libyaml's events into a tree.
 * As in json.c, open containers lie on a stack of nodes; their children end up contiguous on top of
 * it and move to the arena, places beside them, when the container closes. */
#include "wire/yaml.h"

#include <stdio.h>
#include <yaml.h>

#include "core/alloc.h"
#include "core/map.h"
#include "core/status.h"
#include "core/vec.h"
#include "wire/yaml_int.h"

/* Marks, while building, a key that is the plain scalar "<<". */
#define MERGE_KEY 1
#define PAIRWISE_MAX 16

struct sn_yaml_block {
    const struct sn_yaml_block *next;
    const struct sn_json *nodes;
    const struct sn_yaml_pos *pos;
    size_t n;
};

struct frame {
    uint32_t at;    /* the container's index on the stack */
    int32_t anchor; /* -1 = none */
    uint64_t size;  /* values in it so far, aliases expanded */
    uint32_t depth; /* of the deepest child so far */
};
struct anchor {
    struct sn_str name;
    struct sn_json node;
    uint64_t size;
    uint32_t depth;
    bool complete;
};

struct builder {
    yaml_parser_t y;
    struct sn_arena *arena;
    const struct sn_yaml_opts *opts;
    unsigned depth_max;
    uint64_t nodes, nodes_max;
    SN_VEC(struct sn_json) stack;
    SN_VEC(struct sn_yaml_pos) places;
    SN_VEC(struct frame) frames;
    SN_VEC(struct anchor) anchors;
    const struct sn_yaml_block *blocks;
};

/* ---- errors ---- */

static struct sn_yaml_pos mark_pos(yaml_mark_t m)
{
    return (struct sn_yaml_pos){(uint32_t)m.line + 1, (uint32_t)m.column + 1};
}

static SN_COLD SN_PRINTF(4, 5) int fail(struct builder *b, struct sn_yaml_pos at, int code,
                                        const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (b->opts->error) *b->opts->error = at;
    return sn_fail(code, "%u:%u: %s", at.line, at.column, text);
}

static SN_COLD int fail_libyaml(struct builder *b)
{
    const yaml_parser_t *y = &b->y;
    if (y->error == YAML_MEMORY_ERROR) return SN_E_NOMEM;
    const char *problem = y->problem ? y->problem : "not YAML";
    if (y->error == YAML_READER_ERROR) /* an encoding error, found ahead of the scanner */
        return fail(b, mark_pos(y->mark), SN_E_SYNTAX, "%s (at byte %zu)", problem,
                    y->problem_offset);
    if (y->context)
        return fail(b, mark_pos(y->problem_mark), SN_E_SYNTAX, "%s, %s", y->context, problem);
    return fail(b, mark_pos(y->problem_mark), SN_E_SYNTAX, "%s", problem);
}

/* ---- scalars ---- */

static int count(struct builder *b, struct sn_yaml_pos at, uint64_t n)
{
    b->nodes += n;
    if (b->nodes > b->nodes_max)
        return fail(b, at, SN_E_TOO_LARGE, "more than %llu values (aliases expanded)",
                    (unsigned long long)b->nodes_max);
    return 0;
}

static int set_integer(struct builder *b, struct sn_str s, struct sn_json *ret)
{
    if (s.ptr[0] == '+') s = sn_str_from(s, 1);
    int64_t i;
    uint64_t u;
    if (sn_str_to_i64(s, &i) == 0) {
        *ret = i == 0 && s.ptr[0] == '-' ? sn_json_double(-0.0) : sn_json_i64(i);
    } else if (sn_str_to_u64(s, &u) == 0) {
        *ret = sn_json_u64(u);
    } else {
        *ret = sn_json_string(s);
        ret->kind = SN_JSON_BIGINT;
    }
    return 0;
}

static int set_based(struct builder *b, struct sn_yaml_pos at, struct sn_str digits, unsigned base,
                     bool neg, struct sn_json *ret)
{
    uint64_t v = 0;
    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.ptr[i];
        uint64_t d = (uint64_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
        if (d >= base) return fail(b, at, SN_E_SYNTAX, "%c is no octal digit", c);
        if (__builtin_mul_overflow(v, (uint64_t)base, &v) || __builtin_add_overflow(v, d, &v))
            return fail(b, at, SN_E_OUT_OF_RANGE, "the number is beyond 64 bits");
    }
    if (neg && v > INT64_MAX) return fail(b, at, SN_E_OUT_OF_RANGE, "the number is beyond 64 bits");
    *ret = neg ? sn_json_i64(-(int64_t)v) : sn_json_u64(v);
    return 0;
}

static int set_double(struct builder *b, struct sn_yaml_pos at, struct sn_str s,
                      struct sn_json *ret)
{
    /* To the stricter grammar of sn_str_to_double: no '+', digits on both sides of the point. */
    char *t = sn_arena_alloc(b->arena, s.len + 2), *p = t;
    if (!t) return SN_E_NOMEM;
    for (size_t i = s.ptr[0] == '+'; i < s.len; i++) {
        char c = s.ptr[i];
        bool before = i > 0 && s.ptr[i - 1] >= '0' && s.ptr[i - 1] <= '9';
        bool after = i + 1 < s.len && s.ptr[i + 1] >= '0' && s.ptr[i + 1] <= '9';
        if (c == '.' && !before) *p++ = '0';
        if (c == '.' && !after) continue;
        *p++ = c;
    }
    double d;
    int r = sn_str_to_double(sn_str_of(t, (size_t)(p - t)), &d);
    if (r == SN_E_OUT_OF_RANGE)
        return fail(b, at, r, "the number is beyond the range of a double");
    if (r < 0) return fail(b, at, r, "not a number");
    *ret = sn_json_double(d);
    return 0;
}

static int set_plain(struct builder *b, struct sn_yaml_pos at, struct sn_str s, struct sn_json *ret)
{
    bool yaml11 = b->opts->yaml11, sign;
    switch (sn_yaml_classify(s, yaml11)) {
    case SN_YAML_STRING: *ret = sn_json_string(s); return 0;
    case SN_YAML_NULL: *ret = sn_json_null(); return 0;
    case SN_YAML_TRUE: *ret = sn_json_bool(true); return 0;
    case SN_YAML_FALSE: *ret = sn_json_bool(false); return 0;
    case SN_YAML_INT: return set_integer(b, s, ret);
    case SN_YAML_BASED:
        return set_based(b, at, sn_str_from(s, 2), s.ptr[1] == 'x' ? 16 : 8, false, ret);
    case SN_YAML_FLOAT: return set_double(b, at, s, ret);
    case SN_YAML_NOT_FINITE:
        return fail(b, at, SN_E_OUT_OF_RANGE, "%.*s has no JSON form", SN_STR_ARG(s));
    case SN_YAML_ZEROS: break;
    }
    sign = s.ptr[0] == '-' || s.ptr[0] == '+';
    if (yaml11) return set_based(b, at, sn_str_from(s, sign), 8, s.ptr[0] == '-', ret);
    return fail(
        b, at, SN_E_SYNTAX,
        "%.*s is a different number in YAML 1.1 and 1.2: write it in quotes, as 0o... (octal), "
        "or without the zeros in front",
        SN_MIN((int)s.len, 40), s.ptr);
}

/* A "!!kind" tag asks for what the scalar must then be; "!!str" and "!" make it a string. */
static int set_tagged(struct builder *b, struct sn_yaml_pos at, const char *tag, struct sn_str s,
                      struct sn_json *ret)
{
    static const char prefix[] = "tag:yaml.org,2002:";
    const char *name =
        strncmp(tag, prefix, sizeof(prefix) - 1) == 0 ? tag + sizeof(prefix) - 1 : "";
    if (strcmp(tag, "!") == 0 || strcmp(name, "str") == 0) {
        *ret = sn_json_string(s);
        return 0;
    }
    struct sn_json v;
    bool null = strcmp(name, "null") == 0, boolean = strcmp(name, "bool") == 0,
         integer = strcmp(name, "int") == 0, real = strcmp(name, "float") == 0;
    if (!null && !boolean && !integer && !real)
        return fail(b, at, SN_E_SYNTAX, "tag %.80s is not supported", tag);
    int r = set_plain(b, at, s, &v);
    if (r < 0) return r;
    if (real && (v.kind == SN_JSON_INT || v.kind == SN_JSON_UINT))
        v = sn_json_double(v.kind == SN_JSON_INT ? (double)v.i : (double)v.u);
    if (v.kind != (null      ? SN_JSON_NULL
                   : boolean ? SN_JSON_BOOL
                   : real    ? SN_JSON_DOUBLE
                             : SN_JSON_INT) &&
        !(integer && (v.kind == SN_JSON_UINT || v.kind == SN_JSON_BIGINT)))
        return fail(b, at, SN_E_SYNTAX, "\"%.*s\" is not what its tag !!%s says",
                    SN_MIN((int)s.len, 40), s.ptr, name);
    *ret = v;
    return 0;
}

/* ---- anchors ---- */

static int32_t anchor_new(struct builder *b, struct sn_yaml_pos at, const yaml_char_t *name,
                          int *ret_err)
{
    *ret_err = 0;
    if (!name) return -1;
    if (b->anchors.len >= SN_YAML_ANCHORS_MAX) {
        *ret_err = fail(b, at, SN_E_TOO_LARGE, "more than %d anchors", SN_YAML_ANCHORS_MAX);
        return -1;
    }
    struct anchor *a = sn_vec_add(&b->anchors);
    struct sn_str copy =
        a ? sn_arena_str(b->arena, sn_str((const char *)name)) : (struct sn_str){0};
    if (!copy.ptr) {
        *ret_err = SN_E_NOMEM;
        return -1;
    }
    a->name = copy;
    return (int32_t)(b->anchors.len - 1);
}

static void anchor_complete(struct builder *b, int32_t i, const struct sn_json *v, uint64_t size,
                            uint32_t depth)
{
    if (i < 0) return;
    struct anchor *a = &b->anchors.ptr[i];
    a->node = *v;
    a->size = size;
    a->depth = depth;
    a->complete = true;
}

/* ---- containers ---- */

static int push(struct builder *b, struct sn_json v, struct sn_yaml_pos at)
{
    if (sn_vec_push(&b->places, at) < 0) return SN_E_NOMEM;
    return sn_vec_push(&b->stack, v);
}

/* Whether the next value is a key: the innermost container is an object with whole members. */
static bool at_key(const struct builder *b)
{
    if (b->frames.len == 0) return false;
    const struct frame *f = &b->frames.ptr[b->frames.len - 1];
    return b->stack.ptr[f->at].kind == SN_JSON_OBJECT && (b->stack.len - f->at - 1) % 2 == 0;
}

/* Accounts a finished value of `size` values and `depth` levels to the container around it. */
static void account(struct builder *b, uint64_t size, uint32_t depth)
{
    if (b->frames.len == 0) return;
    struct frame *f = &b->frames.ptr[b->frames.len - 1];
    f->size += size;
    f->depth = SN_MAX(f->depth, depth);
}

static int on_scalar(struct builder *b, const yaml_event_t *e)
{
    struct sn_yaml_pos at = mark_pos(e->start_mark);
    bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    struct sn_str s = sn_str_of((const char *)e->data.scalar.value, e->data.scalar.length);
    struct sn_json v;
    int r = count(b, at, 1);
    if (r < 0) return r;
    s = sn_arena_str(b->arena, s);
    if (!s.ptr) return SN_E_NOMEM;
    int32_t anchor = anchor_new(b, at, e->data.scalar.anchor, &r);
    if (r < 0) return r;
    if (at_key(b)) {
        v = sn_json_string(s);
        if (plain && sn_str_eqc(s, "<<")) v.reserved = MERGE_KEY;
    } else if (e->data.scalar.tag) {
        r = set_tagged(b, at, (const char *)e->data.scalar.tag, s, &v);
    } else if (plain) {
        r = set_plain(b, at, s, &v);
    } else {
        v = sn_json_string(s);
    }
    if (r < 0) return r;
    anchor_complete(b, anchor, &v, 1, 0);
    account(b, 1, 0);
    return push(b, v, at);
}

static int on_alias(struct builder *b, const yaml_event_t *e)
{
    struct sn_yaml_pos at = mark_pos(e->start_mark);
    struct sn_str name = sn_str((const char *)e->data.alias.anchor);
    const struct anchor *a = NULL;
    for (size_t i = b->anchors.len; i-- > 0 && !a;)
        if (sn_str_eq(b->anchors.ptr[i].name, name)) a = &b->anchors.ptr[i];
    if (!a) return fail(b, at, SN_E_SYNTAX, "no anchor &%.*s before this alias", SN_STR_ARG(name));
    if (!a->complete)
        return fail(b, at, SN_E_SYNTAX, "alias *%.*s inside its own anchor", SN_STR_ARG(name));
    if (at_key(b) && a->node.kind != SN_JSON_STRING)
        return fail(b, at, SN_E_SYNTAX, "a key must be a string");
    if (b->frames.len + a->depth > b->depth_max)
        return fail(b, at, SN_E_DEPTH, "nested too deeply");
    int r = count(b, at, a->size);
    if (r < 0) return r;
    struct sn_json v = a->node;
    v.reserved = 0;
    account(b, a->size, a->depth);
    return push(b, v, at);
}

static int on_begin(struct builder *b, const yaml_event_t *e, enum sn_json_kind kind,
                    const yaml_char_t *anchor_name, const yaml_char_t *tag)
{
    struct sn_yaml_pos at = mark_pos(e->start_mark);
    const char *want = kind == SN_JSON_OBJECT ? "tag:yaml.org,2002:map" : "tag:yaml.org,2002:seq";
    if (tag && strcmp((const char *)tag, "!") != 0 && strcmp((const char *)tag, want) != 0)
        return fail(b, at, SN_E_SYNTAX, "tag %.80s is not supported", (const char *)tag);
    if (at_key(b)) return fail(b, at, SN_E_SYNTAX, "a key must be a scalar");
    if (b->frames.len >= b->depth_max) return fail(b, at, SN_E_DEPTH, "nested too deeply");
    int r = count(b, at, 1);
    if (r < 0) return r;
    int32_t anchor = anchor_new(b, at, anchor_name, &r);
    if (r < 0) return r;
    struct frame f = {.at = (uint32_t)b->stack.len, .anchor = anchor, .size = 1};
    if (sn_vec_push(&b->frames, f) < 0) return SN_E_NOMEM;
    return push(b, (struct sn_json){.kind = (uint8_t)kind}, at);
}

static int repeated(struct builder *b, const struct sn_json *key, struct sn_yaml_pos at)
{
    return fail(b, at, SN_E_ALREADY_EXISTS, "key \"%.*s\" is repeated", SN_MIN((int)key->len, 64),
                key->str);
}

static bool same_key(const struct sn_json *x, const struct sn_json *y)
{
    return x->len == y->len && memcmp(x->str, y->str, x->len) == 0;
}

static int check_repeated(struct builder *b, const struct sn_json *kids,
                          const struct sn_yaml_pos *pos, size_t n)
{
    if (n <= PAIRWISE_MAX) {
        for (size_t i = 1; i < n; i++)
            for (size_t j = 0; j < i; j++)
                if (same_key(&kids[2 * i], &kids[2 * j]))
                    return repeated(b, &kids[2 * i], pos[2 * i]);
        return 0;
    }
    struct sn_map seen SN_CLEANUP(sn_map_done);
    sn_map_init(&seen, (uint64_t)(uintptr_t)b, false);
    for (size_t i = 0; i < n; i++) {
        struct sn_str key = sn_str_of(kids[2 * i].str, kids[2 * i].len);
        int r = sn_map_put(&seen, key, b, NULL);
        if (r < 0) return r;
        if (r == 0) return repeated(b, &kids[2 * i], pos[2 * i]);
    }
    return 0;
}

static struct sn_yaml_pos find_pos(const struct sn_yaml_block *blocks, const struct sn_json *node)
{
    for (const struct sn_yaml_block *k = blocks; k; k = k->next)
        if (node >= k->nodes && node < k->nodes + k->n) return k->pos[node - k->nodes];
    return (struct sn_yaml_pos){0};
}

/* Adds the members of `from` that the object at `first` on the stack does not have yet. */
static int merge_members(struct builder *b, size_t first, const struct sn_json *from,
                         struct sn_yaml_pos at)
{
    if (from->kind != SN_JSON_OBJECT)
        return fail(b, at, SN_E_SYNTAX, "<< takes a mapping or a list of mappings");
    for (SN_JSON_MEMBERS(from, m)) {
        bool have = false;
        for (size_t i = first; i < b->stack.len && !have; i += 2)
            have = same_key(&b->stack.ptr[i], &m->key);
        if (have) continue;
        int r = count(b, at, 1);
        if (r < 0) return r;
        r = push(b, m->key, find_pos(b->blocks, &m->key));
        if (r < 0) return r;
        r = push(b, m->value, find_pos(b->blocks, &m->value));
        if (r < 0) return r;
    }
    return 0;
}

/* Takes the "<<" members out of the object whose children begin at `first`, then adds what they
 * name: own members win over merged ones, earlier merges over later ones. */
static int resolve_merges(struct builder *b, size_t first)
{
    struct { struct sn_json from; struct sn_yaml_pos at; } merges[8];
    size_t n = 0, to = first;
    for (size_t i = first; i < b->stack.len; i += 2) {
        if (b->stack.ptr[i].reserved == MERGE_KEY) {
            if (n == SN_COUNT_OF(merges))
                return fail(b, b->places.ptr[i], SN_E_TOO_LARGE, "more than 8 << in one mapping");
            merges[n].from = b->stack.ptr[i + 1];
            merges[n++].at = b->places.ptr[i + 1];
            continue;
        }
        memmove(&b->stack.ptr[to], &b->stack.ptr[i], 2 * sizeof(struct sn_json));
        memmove(&b->places.ptr[to], &b->places.ptr[i], 2 * sizeof(struct sn_yaml_pos));
        to += 2;
    }
    b->stack.len = b->places.len = to;
    for (size_t i = 0; i < n; i++) {
        int r = 0;
        if (merges[i].from.kind != SN_JSON_ARRAY) {
            r = merge_members(b, first, &merges[i].from, merges[i].at);
        } else {
            for (SN_JSON_EACH(&merges[i].from, it))
                if (r == 0) r = merge_members(b, first, it, merges[i].at);
        }
        if (r < 0) return r;
    }
    return 0;
}

static int on_end(struct builder *b)
{
    struct frame f = b->frames.ptr[b->frames.len - 1];
    size_t first = f.at + 1;
    int r;
    if (b->stack.ptr[f.at].kind == SN_JSON_OBJECT) {
        bool merges = false;
        for (size_t i = first; i < b->stack.len; i += 2)
            merges |= b->stack.ptr[i].reserved == MERGE_KEY;
        if (merges && (r = resolve_merges(b, first)) < 0) return r;
        r = check_repeated(b, &b->stack.ptr[first], &b->places.ptr[first],
                           (b->stack.len - first) / 2);
        if (r < 0) return r;
    }
    size_t n = b->stack.len - first;
    struct sn_json *v = &b->stack.ptr[f.at];
    v->len = (uint32_t)(v->kind == SN_JSON_OBJECT ? n / 2 : n);
    if (n) {
        struct sn_json *kids = sn_arena_alloc(b->arena, n * sizeof(*kids));
        struct sn_yaml_pos *pos = sn_arena_alloc(b->arena, n * sizeof(*pos));
        struct sn_yaml_block *block = sn_arena_alloc(b->arena, sizeof(*block));
        if (!kids || !pos || !block) return SN_E_NOMEM;
        memcpy(kids, &b->stack.ptr[first], n * sizeof(*kids));
        memcpy(pos, &b->places.ptr[first], n * sizeof(*pos));
        *block = (struct sn_yaml_block){.next = b->blocks, .nodes = kids, .pos = pos, .n = n};
        b->blocks = block;
        v->items = kids;
    }
    b->stack.len = b->places.len = first;
    b->frames.len--;
    anchor_complete(b, f.anchor, v, f.size, f.depth + 1);
    account(b, f.size, f.depth + 1);
    return 0;
}

/* ---- documents ---- */

/* One event. 1 = a document is complete, 2 = the stream is. */
static int on_event(struct builder *b, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT: return on_scalar(b, e);
    case YAML_ALIAS_EVENT: return on_alias(b, e);
    case YAML_SEQUENCE_START_EVENT:
        return on_begin(b, e, SN_JSON_ARRAY, e->data.sequence_start.anchor,
                        e->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return on_begin(b, e, SN_JSON_OBJECT, e->data.mapping_start.anchor,
                        e->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT: case YAML_MAPPING_END_EVENT: return on_end(b);
    case YAML_DOCUMENT_END_EVENT: return 1;
    case YAML_STREAM_END_EVENT: return 2;
    default: return 0;
    }
}

/* Reads up to the end of the next document. Returns 1 with the document, 0 at the stream's end. */
static int next_document(struct builder *b, struct sn_yaml_doc *ret)
{
    b->stack.len = b->places.len = b->frames.len = b->anchors.len = 0;
    b->blocks = NULL;
    for (;;) {
        yaml_event_t e;
        if (!yaml_parser_parse(&b->y, &e)) return fail_libyaml(b);
        int r = on_event(b, &e);
        yaml_event_delete(&e);
        if (r < 0) return r;
        if (r == 2) return 0;
        if (r == 1) break;
    }
    struct sn_json *root = sn_arena_alloc(b->arena, sizeof(*root));
    if (!root) return SN_E_NOMEM;
    *root = b->stack.len ? b->stack.ptr[0] : sn_json_null();
    *ret = (struct sn_yaml_doc){.root = root, .blocks = b->blocks, .root_pos = {1, 1}};
    if (b->places.len) ret->root_pos = b->places.ptr[0];
    return 1;
}

static int builder_init(struct builder *b, struct sn_arena *a, struct sn_str text,
                        const struct sn_yaml_opts *opts)
{
    static const struct sn_yaml_opts defaults;
    if (!opts) opts = &defaults;
    if (text.len == 0) text = SN_STR("");
    size_t bytes_max = opts->bytes_max ? opts->bytes_max : SN_YAML_BYTES_DEFAULT;
    unsigned depth_max = opts->depth_max ? opts->depth_max : SN_JSON_DEPTH_DEFAULT;
    memset(b, 0, sizeof(*b));
    b->arena = a;
    b->opts = opts;
    b->depth_max = SN_MIN(depth_max, (unsigned)SN_JSON_DEPTH_MAX);
    b->nodes_max = opts->nodes_max ? opts->nodes_max : SN_YAML_NODES_DEFAULT;
    if (text.len > bytes_max)
        return fail(b, (struct sn_yaml_pos){1, 1}, SN_E_TOO_LARGE,
                    "the text has %zu bytes, at most %zu are read", text.len, bytes_max);
    if (!yaml_parser_initialize(&b->y)) return SN_E_NOMEM;
    yaml_parser_set_encoding(&b->y, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b->y, (const unsigned char *)text.ptr, text.len);
    return 0;
}

static void builder_done(struct builder *b)
{
    yaml_parser_delete(&b->y);
    sn_vec_done(&b->stack);
    sn_vec_done(&b->places);
    sn_vec_done(&b->frames);
    sn_vec_done(&b->anchors);
}

int sn_yaml_parse(struct sn_arena *a, struct sn_str text, const struct sn_yaml_opts *opts,
                  struct sn_yaml_doc *ret)
{
    struct builder b;
    struct sn_yaml_doc doc, more;
    int r = builder_init(&b, a, text, opts);
    if (r < 0) return r;
    r = next_document(&b, &doc);
    if (r == 0) {
        struct sn_json *root = sn_arena_zalloc(a, sizeof(*root));
        doc = (struct sn_yaml_doc){.root = root, .root_pos = {1, 1}};
        if (!root) r = SN_E_NOMEM;
    } else if (r == 1) {
        r = next_document(&b, &more);
        if (r == 1)
            r = fail(&b, more.root_pos, SN_E_SYNTAX, "expected one document, this is a second");
    }
    builder_done(&b);
    if (r < 0) return r;
    *ret = doc;
    return 0;
}

int sn_yaml_parse_all(struct sn_arena *a, struct sn_str text, const struct sn_yaml_opts *opts,
                      struct sn_yaml_doc **ret, size_t *ret_n)
{
    struct builder b;
    SN_VEC(struct sn_yaml_doc) docs = {0};
    int r = builder_init(&b, a, text, opts);
    if (r < 0) return r;
    for (;;) {
        struct sn_yaml_doc doc;
        r = next_document(&b, &doc);
        if (r <= 0) break;
        if (docs.len >= SN_YAML_DOCUMENTS_MAX) {
            r = fail(&b, doc.root_pos, SN_E_TOO_LARGE, "more than %d documents",
                     SN_YAML_DOCUMENTS_MAX);
            break;
        }
        r = sn_vec_push(&docs, doc);
        if (r < 0) break;
    }
    builder_done(&b);
    if (r == 0) {
        struct sn_yaml_doc *out = sn_arena_alloc(a, docs.len * sizeof(*out));
        if (!out) {
            r = SN_E_NOMEM;
        } else {
            if (docs.len) memcpy(out, docs.ptr, docs.len * sizeof(*out));
            *ret = out;
            *ret_n = docs.len;
        }
    }
    sn_vec_done(&docs);
    return r;
}

struct sn_yaml_pos sn_yaml_pos(const struct sn_yaml_doc *doc, const struct sn_json *node)
{
    return node == doc->root ? doc->root_pos : find_pos(doc->blocks, node);
}
