/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/home/config.c - keys by tables: defaults, reading, environment, flags, checks. */
#include "consensus/home/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "consensus/home/config_int.h"
#include "core/enc.h"
#include "core/status.h"
#include "kit/suggest.h"
#include "wire/toml.h"

static const struct sn_home_section *section_of(struct sn_str name)
{
    for (const struct sn_home_section *s = sn_home_sections_; s->name; s++)
        if (sn_str_ieq(name, sn_str(s->name))) return s;
    return NULL;
}

static const struct sn_conf_field *field_of(const struct sn_home_section *s, struct sn_str name)
{
    for (size_t i = 0; i < s->table->n_fields; i++)
        if (sn_str_ieq(name, sn_str(s->table->fields[i].name))) return &s->table->fields[i];
    return NULL;
}

static void *section_in(const struct sn_home_section *s, struct sn_home_config *c)
{
    return (char *)c + s->offset;
}

int sn_home_config_defaults(struct sn_arena *a, struct sn_home_config *ret)
{
    struct sn_home_config c = {.root = SN_STR_INIT("")};
    char host[256] = "";
    struct sn_conf conf;
    int r = 0;
    sn_conf_init(&conf, a, "config.toml");
    for (const struct sn_home_section *s = sn_home_sections_; s->name && r >= 0; s++)
        for (size_t i = 0; i < s->table->n_fields && r >= 0; i++) {
            const struct sn_conf_field *f = &s->table->fields[i];
            r = sn_conf_set_text(a, f,
                                 sn_str(f->def                          ? f->def
                                        : f->type == SN_CONF_T_STRING ||
                                                  f->type == SN_CONF_T_LIST
                                            ? ""
                                        : f->type == SN_CONF_T_BOOL ? "false"
                                                                    : "0"),
                                 section_in(s, &c));
        }
    if (r < 0) return r;
    bool named = gethostname(host, sizeof(host) - 1) == 0 && *host;
    c.moniker = sn_arena_str(a, named ? sn_str(host) : SN_STR("anonymous"));
    if (!c.moniker.ptr) return SN_E_NOMEM;
    *ret = c;
    return 0;
}

/* ---- one value ---- */

/* A duration may be a plain number: nanoseconds, as Go takes it. */
static int set_text(struct sn_arena *a, const struct sn_conf_field *f, struct sn_str text,
                    void *section)
{
    char ns[32];
    int64_t n;
    if (f->type == SN_CONF_T_DURATION && sn_str_to_i64(text, &n) == 0) {
        snprintf(ns, sizeof(ns), "%lldns", (long long)n);
        text = sn_str(ns);
    }
    bool number = f->type == SN_CONF_T_INT || f->type == SN_CONF_T_UINT ||
                  f->type == SN_CONF_T_DURATION;
    if (number && !text.len) text = SN_STR("0");
    if (f->type == SN_CONF_T_BOOL) {
        if (!text.len || sn_str_eqc(text, "F") || sn_str_eqc(text, "f") ||
            sn_str_ieq(text, SN_STR("false")))
            text = SN_STR("false");
        else if (sn_str_eqc(text, "T") || sn_str_eqc(text, "t") || sn_str_ieq(text, SN_STR("true")))
            text = SN_STR("true");
    }
    return sn_conf_set_text(a, f, text, section);
}

static int set_list(struct sn_arena *a, const struct sn_conf_field *f, const struct sn_toml *v,
                    void *section)
{
    int r = sn_conf_set_text(a, f, SN_STR(""), section);
    for (const struct sn_toml_item *it = v->array.first; it && r >= 0; it = it->next) {
        if (it->v.kind != SN_TOML_STRING)
            return sn_fail(SN_E_INVALID_ARGUMENT, "expected strings, got a %s among them",
                           sn_toml_kind_name(it->v.kind));
        r = sn_conf_append_text(a, f, it->v.str, section);
    }
    return r;
}

static int set_value(struct sn_arena *a, const struct sn_conf_field *f, const struct sn_toml *v,
                     void *section)
{
    char text[64];
    switch (v->kind) {
    case SN_TOML_STRING: return set_text(a, f, v->str, section);
    case SN_TOML_BOOL:
        if (f->type == SN_CONF_T_INT || f->type == SN_CONF_T_UINT)
            return set_text(a, f, v->b ? SN_STR("1") : SN_STR("0"), section);
        if (f->type == SN_CONF_T_STRING)
            return set_text(a, f, v->b ? SN_STR("1") : SN_STR("0"), section);
        return set_text(a, f, v->b ? SN_STR("true") : SN_STR("false"), section);
    case SN_TOML_INT:
        if (f->type == SN_CONF_T_BOOL)
            return set_text(a, f, v->i ? SN_STR("true") : SN_STR("false"), section);
        snprintf(text, sizeof(text), "%lld", (long long)v->i);
        return set_text(a, f, sn_str(text), section);
    case SN_TOML_ARRAY:
        if (f->type == SN_CONF_T_LIST) return set_list(a, f, v, section);
        __attribute__((fallthrough));
    default:
        return sn_fail(SN_E_INVALID_ARGUMENT, "expected %s, got a %s",
                       f->type == SN_CONF_T_BOOL       ? "true or false"
                       : f->type == SN_CONF_T_DURATION ? "a duration such as \"250ms\""
                       : f->type == SN_CONF_T_STRING   ? "a string"
                       : f->type == SN_CONF_T_LIST     ? "a list of strings"
                                                       : "a whole number",
                       sn_toml_kind_name(v->kind));
    }
}

/* ---- the file ---- */

struct reading {
    struct sn_arena *a;
    const char *file;
    struct sn_home_config *c;
    struct sn_buf *warnings;
    unsigned n_warnings;
};

static void warn(struct reading *rd, const struct sn_toml_entry *e,
                 const struct sn_home_section *s)
{
    if (!rd->warnings || rd->n_warnings++ >= SN_HOME_WARNINGS_MAX) return;
    struct sn_suggest near = sn_suggest_begin(e->key);
    for (size_t i = 0; i < s->table->n_fields; i++)
        sn_suggest_offer(&near, sn_str(s->table->fields[i].name));
    sn_buf_printf(rd->warnings, "%s:%u:%u: unknown key %s%s%.*s", rd->file, e->pos.line,
                  e->pos.column, s->name, *s->name ? "." : "", SN_STR_ARG(e->key));
    if (near.best.ptr)
        sn_buf_printf(rd->warnings, "; did you mean %.*s?", SN_STR_ARG(near.best));
    sn_buf_byte(rd->warnings, '\n');
}

static int read_section(struct reading *rd, const struct sn_home_section *s,
                        const struct sn_toml *t)
{
    for (const struct sn_toml_entry *e = t->table.first; e; e = e->next) {
        const struct sn_home_section *sub = *s->name ? NULL : section_of(e->key);
        const struct sn_conf_field *f = field_of(s, e->key);
        int r = 0;
        if (sub && e->v.kind == SN_TOML_TABLE) {
            r = read_section(rd, sub, &e->v);
            if (r < 0) return r;
            continue;
        }
        if (!f && !sub && !(sn_str_eqc(e->key, "home") && e->v.kind == SN_TOML_STRING))
            warn(rd, e, s);
        if (sub) r = sn_fail(SN_E_INVALID_ARGUMENT, "expected a table");
        else if (f) r = set_value(rd->a, f, &e->v, section_in(s, rd->c));
        if (r < 0)
            return sn_wrap(r, "%s:%u:%u: %s%s%.*s", rd->file, e->v.pos.line, e->v.pos.column,
                           s->name, *s->name ? "." : "", SN_STR_ARG(e->key));
    }
    return 0;
}

int sn_home_config_read(struct sn_arena *a, const char *file, struct sn_str text,
                        struct sn_home_config *c, struct sn_buf *warnings)
{
    struct reading rd = {.a = a, .file = file, .c = c, .warnings = warnings};
    struct sn_toml root;
    int r = sn_toml_parse(a, text, SN_HOME_CONFIG_BYTES_MAX, &root);
    if (r < 0) return r == SN_E_NOMEM ? r : sn_wrap(r, "%s", file);
    r = read_section(&rd, &sn_home_sections_[0], &root);
    if (r < 0) return r;
    if (rd.n_warnings > SN_HOME_WARNINGS_MAX)
        sn_buf_printf(warnings, "%s: and %u further unknown keys\n", file,
                      rd.n_warnings - SN_HOME_WARNINGS_MAX);
    return warnings && warnings->err < 0 ? warnings->err : 0;
}

int sn_home_config_set(struct sn_arena *a, struct sn_home_config *c, const char *key,
                       struct sn_str value)
{
    struct sn_str name = sn_str(key), section = SN_STR("");
    ssize_t dot = sn_str_chr(name, '.');
    if (dot >= 0) {
        section = sn_str_sub(name, 0, (size_t)dot);
        name = sn_str_from(name, (size_t)dot + 1);
    }
    const struct sn_home_section *s = section_of(section);
    const struct sn_conf_field *f = s ? field_of(s, name) : NULL;
    if (!f) return sn_fail(SN_E_NOT_FOUND, "there is no key %s", key);
    int r = set_text(a, f, value, section_in(s, c));
    return r < 0 ? sn_wrap(r, "%s", key) : 0;
}

/* ---- the environment ---- */

static const char *from_process(void *arg, const char *name)
{
    (void)arg;
    return getenv(name); /* banned: CometBFT's names, of any key, for the commands of a node */
}

int sn_home_config_env(struct sn_arena *a, struct sn_home_config *c,
                       const char *(*get)(void *arg, const char *name), void *arg)
{
    if (!get) get = from_process;
    for (const struct sn_home_section *s = sn_home_sections_; s->name; s++)
        for (size_t i = 0; i < s->table->n_fields; i++) {
            const struct sn_conf_field *f = &s->table->fields[i];
            char name[128];
            snprintf(name, sizeof(name), "CMT_%s%s%s", s->name, *s->name ? "_" : "", f->name);
            for (char *p = name; *p; p++)
                *p = *p == '-' ? '_' : *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
            const char *value = get(arg, name);
            if (!value || !*value) continue; /* as in viper, an empty variable is none */
            int r = set_text(a, f, sn_str(value), section_in(s, c));
            if (r < 0) return sn_wrap(r, "environment variable %s", name);
        }
    return 0;
}

/* ---- checks ---- */

static int check_numbers(const struct sn_home_config *c)
{
    for (const struct sn_home_section *s = sn_home_sections_; s->name; s++)
        for (size_t i = 0; i < s->table->n_fields; i++) {
            const struct sn_conf_field *f = &s->table->fields[i];
            int64_t v;
            if (f->max != INT64_MAX || f->size != sizeof(v)) continue;
            memcpy(&v, (const char *)c + s->offset + f->offset, sizeof(v));
            if (v < 0)
                return sn_fail(SN_E_INVALID_ARGUMENT, "%s%s%s: expected no negative value", s->name,
                               *s->name ? "." : "", f->name);
        }
    return 0;
}

static int check_statesync(const struct sn_home_statesync *s)
{
    if (!s->enable) return 0;
    if (s->n_rpc_servers < 2)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "statesync.rpc_servers: expected at least two servers, got %zu",
                       s->n_rpc_servers);
    for (size_t i = 0; i < s->n_rpc_servers; i++)
        if (!s->rpc_servers[i].len)
            return sn_fail(SN_E_INVALID_ARGUMENT, "statesync.rpc_servers: server %zu is empty", i);
    if (s->discovery_time && s->discovery_time < 5000000000ll)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "statesync.discovery_time: expected 0s or at least 5s");
    if (s->trust_period <= 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "statesync.trust_period: expected a positive one");
    if (s->trust_height <= 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "statesync.trust_height: expected a height above 0");
    uint8_t hash[64];
    if (!s->trust_hash.len || s->trust_hash.len > 2 * sizeof(hash) ||
        sn_hex_decode(s->trust_hash, hash) < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "statesync.trust_hash: expected a header's hash in hexadecimal, got \"%.*s\"",
                       SN_STR_ARG(s->trust_hash));
    if (s->chunk_request_timeout < 5000000000ll)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "statesync.chunk_request_timeout: expected at least 5s");
    if (s->chunk_fetchers <= 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "statesync.chunk_fetchers: expected at least 1");
    if (!s->max_snapshot_chunks)
        return sn_fail(SN_E_INVALID_ARGUMENT, "statesync.max_snapshot_chunks: expected at least 1");
    return 0;
}

static bool semver(struct sn_str s)
{
    struct sn_str core = s;
    ssize_t meta = sn_str_chr(core, '+');
    if (meta >= 0) core = sn_str_sub(core, 0, (size_t)meta);
    ssize_t pre = sn_str_chr(core, '-');
    if (pre >= 0) core = sn_str_sub(core, 0, (size_t)pre);
    for (int i = 0; i < 3; i++) {
        struct sn_str n = sn_str_cut(&core, '.');
        uint64_t v;
        if (sn_str_to_u64(n, &v) < 0 || (n.len > 1 && n.ptr[0] == '0')) return false;
        if ((i < 2) != (core.ptr != NULL)) return false;
    }
    return (meta < 0 || (size_t)meta + 1 < s.len) && (pre < 0 || (size_t)pre + 1 < s.len);
}

static int one_of(const char *key, struct sn_str v, const char *const *words)
{
    struct sn_buf b;
    char mem[128];
    sn_buf_init_fixed(&b, mem, sizeof(mem));
    for (unsigned i = 0; words[i]; i++) {
        if (sn_str_eqc(v, words[i])) return 0;
        if (*words[i]) sn_buf_printf(&b, "%s%s", i ? ", " : "", words[i]);
    }
    return sn_fail(SN_E_INVALID_ARGUMENT, "%s: expected one of %.*s, got \"%.*s\"", key,
                   SN_STR_ARG(sn_buf_view(&b)), SN_STR_ARG(v));
}

int sn_home_config_check(const struct sn_home_config *c)
{
    if (c->version.len && !semver(c->version))
        return sn_fail(SN_E_INVALID_ARGUMENT, "version: expected one such as 0.38.25, got \"%.*s\"",
                       SN_STR_ARG(c->version));
    int r = one_of("log_format", c->log_format, (const char *const[]){"plain", "json", NULL});
    if (r >= 0) r = check_numbers(c);
    if (r >= 0)
        r = one_of("mempool.type", c->mempool.type,
                   (const char *const[]){"flood", "nop", "", NULL});
    if (r >= 0) r = one_of("blocksync.version", c->blocksync.version,
                           (const char *const[]){"v0", NULL});
    if (r >= 0) r = check_statesync(&c->statesync);
    if (r < 0) return r;
    if (c->rpc.experimental_subscription_buffer_size < 100)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "rpc.experimental_subscription_buffer_size: expected at least 100");
    if (c->rpc.experimental_websocket_write_buffer_size <
        c->rpc.experimental_subscription_buffer_size)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "rpc.experimental_websocket_write_buffer_size: expected at least "
                       "rpc.experimental_subscription_buffer_size (%lld)",
                       (long long)c->rpc.experimental_subscription_buffer_size);
    if (c->consensus.block_time_tolerance <= 0)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "consensus.block_time_tolerance: expected a positive duration");
    if (!c->consensus.create_empty_blocks && sn_str_eqc(c->mempool.type, "nop"))
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "consensus.create_empty_blocks: expected true with mempool.type = \"nop\"");
    return 0;
}
