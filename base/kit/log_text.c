/* SPDX-License-Identifier: Apache-2.0 */
/* kit/log_text.c - records in their binary form and as text. */
#include "core/status.h"
#include "core/time.h"
#include "kit/log_int.h"
#include "wire/json.h"

static size_t round8(size_t n) { return (n + 7) & ~(size_t)7; }

static size_t payload(const struct sn_log_field *f)
{
    if (f->type == SN_LOG_T_SECRET) return 0;
    return f->type == SN_LOG_T_STR ? round8(f->str.len) : 8;
}

size_t sn_log_rec_size_(const struct sn_log_field *f, size_t n)
{
    size_t size = sizeof(struct sn_log_rec);
    for (size_t i = 0; i < n; i++) {
        size += sizeof(struct sn_log_rec_field) + SN_MIN(payload(&f[i]), (size_t)SN_LOG_RECORD_MAX);
        if (size >= SN_LOG_RECORD_MAX) return SN_LOG_RECORD_MAX;
    }
    return size;
}

void sn_log_rec_fill_(struct sn_log_rec *r, size_t size, const struct sn_log_field *f, size_t n)
{
    char *p = (char *)(r + 1), *end = (char *)r + size;
    r->n_fields = 0;
    for (size_t i = 0; i < n; i++) {
        /* What does not fit is cut in this field, so that later short ones may still fit. */
        size_t later = 0;
        for (size_t j = i + 1; j < n; j++)
            later += sizeof(struct sn_log_rec_field) + SN_MIN(payload(&f[j]), (size_t)64);
        struct sn_log_rec_field h = {.key = f[i].key, .type = (uint16_t)f[i].type, .len = 8};
        size_t room = (size_t)(end - p);
        if (room < sizeof(h) + SN_MIN(payload(&f[i]), (size_t)8)) return;
        room -= sizeof(h);
        const void *from = &f[i].i;
        if (f[i].type == SN_LOG_T_SECRET) h.len = 0;
        if (f[i].type == SN_LOG_T_STR) {
            size_t most = later < room ? room - later : 0;
            size_t len = SN_MIN(f[i].str.len, most & ~(size_t)7);
            h.cut = len < f[i].str.len;
            while (h.cut && len > 0 && ((uint8_t)f[i].str.ptr[len] & 0xc0) == 0x80) len--;
            h.len = (uint32_t)len;
            from = f[i].str.ptr;
        }
        memcpy(p, &h, sizeof(h));
        if (h.len) memcpy(p + sizeof(h), from, h.len);
        p += sizeof(h) + round8(h.len);
        r->n_fields++;
    }
}

const char *sn_log_level_name(enum sn_log_level level)
{
    static const char *const names[] = {"off", "error", "warn", "info", "debug", "trace"};
    return (unsigned)level < SN_COUNT_OF(names) ? names[level] : "unknown";
}

/* ---- JSON ---- */

static void put_json_value(const struct sn_log_rec_field *h, const char *v, struct sn_buf *out)
{
    int64_t i = 0;
    double d = 0;
    if (h->len == 8) {
        memcpy(&i, v, 8);
        memcpy(&d, v, 8);
    }
    switch ((enum sn_log_type)h->type) {
    case SN_LOG_T_STR:
        sn_json_write_string(out, sn_str_of(v, h->len));
        if (h->cut && out->err == 0) {
            out->len--; /* inside the closing quote */
            sn_buf_cstr(out, "...\"");
        }
        break;
    case SN_LOG_T_I64: sn_buf_i64(out, i); break;
    case SN_LOG_T_U64: sn_buf_u64(out, (uint64_t)i); break;
    case SN_LOG_T_DOUBLE: sn_json_write_double(out, d); break;
    case SN_LOG_T_BOOL: sn_buf_cstr(out, i ? "true" : "false"); break;
    case SN_LOG_T_DURATION: sn_json_write_double(out, (double)i / 1e9); break;
    case SN_LOG_T_SECRET: sn_buf_cstr(out, "\"***\""); break;
    }
}

static void put_json(const struct sn_log_rec *r, struct sn_buf *out)
{
    char ts[SN_RFC3339_MAX];
    sn_buf_cstr(out, "{\"ts\":\"");
    sn_buf_put(out, ts, sn_time_rfc3339(r->ts_ns, 6, ts));
    sn_buf_cstr(out, "\",\"level\":\"");
    sn_buf_cstr(out, sn_log_level_name((enum sn_log_level)r->site->level));
    sn_buf_cstr(out, "\",\"mod\":\"");
    sn_buf_cstr(out, r->site->mod->name);
    sn_buf_byte(out, '"');
    if (r->fiber) {
        sn_buf_cstr(out, ",\"fiber\":");
        sn_buf_u64(out, r->fiber);
    }
    if (r->trace_len) {
        sn_buf_cstr(out, ",\"trace\":");
        sn_json_write_string(out, sn_str_of(r->trace, r->trace_len));
    }
    sn_buf_cstr(out, ",\"msg\":");
    sn_json_write_string(out, sn_str(r->site->msg));
    const char *p = (const char *)(r + 1);
    for (uint32_t i = 0; i < r->n_fields; i++) {
        struct sn_log_rec_field h;
        memcpy(&h, p, sizeof(h));
        sn_buf_byte(out, ',');
        sn_json_write_string(out, sn_str(h.key));
        sn_buf_byte(out, ':');
        put_json_value(&h, p + sizeof(h), out);
        p += sizeof(h) + round8(h.len);
    }
    if (r->suppressed) {
        sn_buf_cstr(out, ",\"suppressed\":");
        sn_buf_u64(out, r->suppressed);
    }
    sn_buf_cstr(out, "}\n");
}

/* ---- logfmt ---- */

/* Bare where no reader could misunderstand it, else as a JSON string. */
static void put_word(struct sn_buf *out, struct sn_str s, bool cut)
{
    bool bare = s.len > 0 && !cut;
    for (size_t i = 0; i < s.len && bare; i++) {
        uint8_t c = (uint8_t)s.ptr[i];
        bare = c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
    }
    if (bare) {
        sn_buf_str(out, s);
        return;
    }
    sn_json_write_string(out, s);
    if (cut && out->err == 0) {
        out->len--;
        sn_buf_cstr(out, "...\"");
    }
}

static void put_logfmt(const struct sn_log_rec *r, struct sn_buf *out)
{
    char text[SN_RFC3339_MAX + SN_DURATION_MAX];
    sn_buf_cstr(out, "ts=");
    sn_buf_put(out, text, sn_time_rfc3339(r->ts_ns, 3, text));
    sn_buf_cstr(out, " level=");
    sn_buf_cstr(out, sn_log_level_name((enum sn_log_level)r->site->level));
    sn_buf_cstr(out, " mod=");
    sn_buf_cstr(out, r->site->mod->name);
    if (r->fiber) {
        sn_buf_cstr(out, " fiber=");
        sn_buf_u64(out, r->fiber);
    }
    if (r->trace_len) {
        sn_buf_cstr(out, " trace=");
        put_word(out, sn_str_of(r->trace, r->trace_len), false);
    }
    sn_buf_cstr(out, " msg=");
    put_word(out, sn_str(r->site->msg), false);
    const char *p = (const char *)(r + 1);
    for (uint32_t i = 0; i < r->n_fields; i++) {
        struct sn_log_rec_field h;
        memcpy(&h, p, sizeof(h));
        const char *v = p + sizeof(h);
        sn_buf_byte(out, ' ');
        sn_buf_cstr(out, h.key);
        sn_buf_byte(out, '=');
        if (h.type == SN_LOG_T_STR) {
            put_word(out, sn_str_of(v, h.len), h.cut);
        } else if (h.type == SN_LOG_T_DURATION) {
            int64_t ns;
            memcpy(&ns, v, 8);
            sn_buf_put(out, text, sn_duration_format(ns, text));
        } else if (h.type == SN_LOG_T_SECRET) {
            sn_buf_cstr(out, "***");
        } else {
            put_json_value(&h, v, out);
        }
        p = v + round8(h.len);
    }
    if (r->suppressed) sn_buf_printf(out, " suppressed=%u", r->suppressed);
    sn_buf_byte(out, '\n');
}

void sn_log_rec_text_(const struct sn_log_rec *r, bool json, struct sn_buf *out)
{
    if (!r->site) sn_buf_put(out, r + 1, r->n_fields);
    else if (json) put_json(r, out);
    else put_logfmt(r, out);
}
