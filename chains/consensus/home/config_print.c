/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/home/config_print.c - config.toml from the tables, each key below its help. */
#include "consensus/home/config_int.h"
#include "core/status.h"
#include "core/time.h"
#include "wire/toml.h"

static const char intro[] =
    "# config.toml of a CometBFT-compatible node. Paths are relative to the home folder, which is\n"
    "# $HOME/.cometbft unless CMTHOME or --home says otherwise. Flags and CMT_* variables\n"
    "# (CMT_P2P_LADDR for [p2p] laddr) come before what stands here. Durations are written as 250ms,\n"
    "# 3s or 1h30m.\n";

static int64_t load(const struct sn_conf_field *f, const char *at)
{
    int32_t i;
    int64_t v;
    uint32_t u;
    if (f->size == sizeof(v)) {
        memcpy(&v, at, sizeof(v));
        return v;
    }
    memcpy(&i, at, sizeof(i));
    memcpy(&u, at, sizeof(u));
    return f->type == SN_CONF_T_UINT ? (int64_t)u : i;
}

static void put_list(const struct sn_conf_field *f, const char *section, struct sn_buf *out)
{
    struct sn_str *list;
    size_t n;
    memcpy(&list, section + f->offset, sizeof(list));
    memcpy(&n, section + f->len_offset, sizeof(n));
    sn_buf_byte(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i) sn_buf_cstr(out, ", ");
        sn_toml_put_string(out, list[i]);
    }
    sn_buf_byte(out, ']');
}

static int put_value(const struct sn_conf_field *f, const char *section, struct sn_buf *out)
{
    const char *at = section + f->offset;
    char duration[SN_DURATION_MAX];
    struct sn_str s;
    bool b;
    switch (f->type) {
    case SN_CONF_T_BOOL:
        memcpy(&b, at, sizeof(b));
        return sn_buf_cstr(out, b ? "true" : "false");
    case SN_CONF_T_STRING:
        memcpy(&s, at, sizeof(s));
        return sn_toml_put_string(out, s);
    case SN_CONF_T_DURATION:
        sn_duration_format(load(f, at), duration);
        return sn_buf_printf(out, "\"%s\"", duration);
    case SN_CONF_T_LIST: put_list(f, section, out); return out->err;
    default: return sn_buf_i64(out, load(f, at));
    }
}

static void put_help(const char *help, struct sn_buf *out)
{
    struct sn_str rest = sn_str(help);
    while (rest.ptr && rest.len) {
        struct sn_str line = sn_str_cut(&rest, '\n');
        sn_buf_printf(out, "# %.*s\n", SN_STR_ARG(line));
    }
}

int sn_home_config_print(const struct sn_home_config *c, struct sn_buf *out)
{
    sn_buf_cstr(out, intro);
    for (const struct sn_home_section *s = sn_home_sections_; s->name; s++) {
        if (*s->name) sn_buf_printf(out, "\n###### %s ######\n[%s]\n", s->about, s->name);
        for (size_t i = 0; i < s->table->n_fields; i++) {
            const struct sn_conf_field *f = &s->table->fields[i];
            if (f->help && *f->help) {
                sn_buf_byte(out, '\n');
                put_help(f->help, out);
            }
            sn_buf_printf(out, "%s = ", f->name);
            int r = put_value(f, (const char *)c + s->offset, out);
            if (r < 0) return sn_wrap(r, "%s%s%s", s->name, *s->name ? "." : "", f->name);
            sn_buf_byte(out, '\n');
        }
    }
    return out->err;
}
