/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/chain_home.c - configuration and log lines of the commands on a home folder. */
#include "sennit/chain_home.h"

#include <stdio.h>

#include "core/status.h"
#include "core/time.h"
#include "fiber/os.h"
#include "kit/kv.h"
#include "wire/json.h"

static const struct sn_conf_field home_fields[] = {
    SN_HOME_FLAGS(struct chain_home_opts, home),
};
const struct sn_conf_table chain_home_table = SN_CONF_TABLE(struct chain_home_opts, home_fields);

/* "I[2026-11-30|08:55:13.977] Generated node key      module=main path=/..." */
static void put_plain(struct sn_buf *b, bool error, const char *what, const char *const *pairs)
{
    struct sn_civil t;
    sn_civil_from_unix(sn_wall_now(), &t);
    sn_buf_printf(b, "%c[%04lld-%02d-%02d|%02d:%02d:%02d.%03u] %-44s module=main", error ? 'E' : 'I',
                  (long long)t.year, t.month, t.day, t.hour, t.minute, t.second, t.nsec / 1000000,
                  what);
    for (; *pairs; pairs += 2) {
        struct sn_str v = sn_str(pairs[1]);
        bool quote = !v.len || sn_str_chr(v, ' ') >= 0 || sn_str_chr(v, '"') >= 0 ||
                     sn_str_chr(v, '=') >= 0;
        sn_buf_printf(b, " %s=", pairs[0]);
        if (quote) sn_json_write_string(b, v);
        else sn_buf_str(b, v);
    }
    sn_buf_byte(b, '\n');
}

static void put_json(struct sn_buf *b, bool error, const char *what, const char *const *pairs)
{
    sn_buf_cstr(b, "{\"_msg\":");
    sn_json_write_string(b, sn_str(what));
    for (const char *const *p = pairs; *p; p += 2) {
        sn_buf_byte(b, ',');
        sn_json_write_string(b, sn_str(p[0]));
        sn_buf_byte(b, ':');
        sn_json_write_string(b, sn_str(p[1]));
    }
    char ts[SN_RFC3339_MAX];
    sn_time_rfc3339(sn_wall_now(), 9, ts);
    sn_buf_printf(b, ",\"level\":\"%s\",\"module\":\"main\",\"ts\":\"%s\"}\n",
                  error ? "error" : "info", ts);
}

static void line(void *arg, bool error, const char *what, const char *const *pairs)
{
    struct chain_home_log *l = arg;
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    if (l->quiet && !error) return;
    if (l->json) put_json(&b, error, what, pairs);
    else put_plain(&b, error, what, pairs);
    fwrite(b.ptr, 1, b.len, stdout);
}

int chain_home_load(const struct sn_cli_call *call, const struct sn_home_flags *flags,
                    struct sn_home_config *ret, struct chain_home_log *ret_log)
{
    int r = sn_home_config_load(call->arena, flags, true, ret);
    if (r < 0) return r;
    *ret_log = (struct chain_home_log){
        .log = {.line = line, .arg = ret_log},
        .json = sn_str_eqc(ret->log_format, "json"),
        .quiet = sn_str_eqc(ret->log_level, "error") || sn_str_eqc(ret->log_level, "none")};
    return 0;
}

int chain_home_db(struct sn_arena *a, const struct sn_home_config *c, const char *name, bool make,
                  struct sn_kv **ret)
{
    struct sn_str dir = sn_home_path(a, c, c->db_dir);
    struct sn_str path = dir.ptr ? sn_arena_printf(a, "%s/%s.db", dir.ptr, name) : dir;
    struct stat st;
    if (!path.ptr) return SN_E_NOMEM;
    if (!sn_str_eqc(c->db_backend, "goleveldb"))
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "db_backend: expected goleveldb, the only one there is here, got \"%.*s\"",
                       SN_STR_ARG(c->db_backend));
    int r = make ? 0 : sn_file_stat(path.ptr, &st);
    if (r == SN_E_NOT_FOUND) return sn_fail(r, "no %s found in %s", name, dir.ptr);
    return r < 0 ? r : sn_kv_open(path.ptr, &(struct sn_kv_opts){.must_exist = !make}, ret);
}
