/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/home/config_load.c - a command's configuration: home folder, file, environment, flags.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "consensus/home/config.h"
#include "core/status.h"
#include "fiber/os.h"

struct sn_str sn_home_path(struct sn_arena *a, const struct sn_home_config *c, struct sn_str path)
{
    if (path.len && path.ptr[0] == '/') return sn_arena_str(a, path);
    return sn_arena_printf(a, "%.*s/%.*s", SN_STR_ARG(c->root), SN_STR_ARG(path));
}

/* CometBFT asks the environment before the flag; so do we, though it is odd. */
static struct sn_str find_home(struct sn_arena *a, const struct sn_home_flags *flags)
{
    static const char *const names[] = {"CMTHOME", "CMT_HOME", "TMHOME"};
    for (size_t i = 0; i < SN_COUNT_OF(names); i++) {
        if (i == 1 && flags->home.len) return sn_arena_str(a, flags->home);
        const char *v = getenv(names[i]); /* banned: CometBFT's name for the home folder */
        if (v && *v) {
            if (i == 2) fprintf(stderr, "TMHOME is an old name: set CMTHOME instead\n");
            return sn_arena_str(a, sn_str(v));
        }
    }
    const char *user = getenv("HOME"); /* banned: where CometBFT's default home folder lies */
    return sn_arena_printf(a, "%s/.cometbft", user && *user ? user : "");
}

static int make_folders(struct sn_arena *a, struct sn_str root)
{
    static const char *const sub[] = {"", "/config", "/data"};
    for (size_t i = 0; i < SN_COUNT_OF(sub); i++) {
        struct sn_str path = sn_arena_printf(a, "%.*s%s", SN_STR_ARG(root), sub[i]);
        int r = path.ptr ? sn_mkdirs(path.ptr, 0700) : SN_E_NOMEM;
        if (r < 0) return r;
    }
    return 0;
}

int sn_home_config_write(const struct sn_home_config *c, const char *path)
{
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, SN_HOME_CONFIG_BYTES_MAX);
    int r = sn_home_config_print(c, &b);
    return r < 0 ? r : sn_file_write(path, sn_buf_view(&b), 0644);
}

int sn_home_config_read_file(struct sn_arena *a, const char *path, struct sn_home_config *c)
{
    struct sn_str text;
    struct sn_buf warnings SN_CLEANUP(sn_buf_done);
    sn_buf_init(&warnings, 0);
    int r = sn_file_read(a, path, SN_HOME_CONFIG_BYTES_MAX, &text);
    if (r >= 0) r = sn_home_config_read(a, path, text, c, &warnings);
    if (warnings.len) fwrite(warnings.ptr, 1, warnings.len, stderr);
    return r;
}

static int apply_flags(struct sn_arena *a, const struct sn_home_flags *f, struct sn_home_config *c)
{
    const struct {
        const char *key;
        struct sn_str value;
    } rows[] = {
        {"log_level", f->log_level},
        {"abci", f->abci},
        {"consensus.create_empty_blocks", f->consensus_create_empty_blocks},
        {"consensus.create_empty_blocks_interval", f->consensus_create_empty_blocks_interval},
        {"consensus.double_sign_check_height", f->consensus_double_sign_check_height},
        {"db_backend", f->db_backend},
        {"db_dir", f->db_dir},
        {"moniker", f->moniker},
        {"p2p.external_address", f->p2p_external_address},
        {"p2p.laddr", f->p2p_laddr},
        {"p2p.persistent_peers", f->p2p_persistent_peers},
        {"p2p.pex", f->p2p_pex},
        {"p2p.private_peer_ids", f->p2p_private_peer_ids},
        {"p2p.seed_mode", f->p2p_seed_mode},
        {"p2p.seeds", f->p2p_seeds},
        {"p2p.unconditional_peer_ids", f->p2p_unconditional_peer_ids},
        {"priv_validator_laddr", f->priv_validator_laddr},
        {"proxy_app", f->proxy_app},
        {"rpc.grpc_laddr", f->rpc_grpc_laddr},
        {"rpc.laddr", f->rpc_laddr},
        {"rpc.pprof_laddr", f->rpc_pprof_laddr},
        {"rpc.unsafe", f->rpc_unsafe},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        if (!rows[i].value.ptr) continue;
        int r = sn_home_config_set(a, c, rows[i].key, rows[i].value);
        if (r < 0) return sn_wrap(r, "--%s", rows[i].key);
    }
    return 0;
}

/* config/config.toml, or config.toml in the home folder itself; "" where there is neither. */
static int find_file(struct sn_arena *a, const struct sn_home_config *c, struct sn_str *ret)
{
    static const char *const names[] = {"config.toml", "config/config.toml"};
    for (size_t i = 0; i < SN_COUNT_OF(names); i++) {
        struct stat st;
        struct sn_str path = sn_home_path(a, c, sn_str(names[i]));
        int r = path.ptr ? sn_file_stat(path.ptr, &st) : SN_E_NOMEM;
        if (r < 0 && r != SN_E_NOT_FOUND) return r;
        *ret = r < 0 ? SN_STR("") : path;
        if (r >= 0) return 0;
    }
    return 0;
}

int sn_home_config_load(struct sn_arena *a, const struct sn_home_flags *flags, bool make,
                        struct sn_home_config *ret)
{
    struct sn_home_config c;
    struct sn_str file;
    int r = sn_home_config_defaults(a, &c);
    if (r < 0) return r;
    c.root = find_home(a, flags);
    if (!c.root.ptr) return SN_E_NOMEM;
    if (make) r = make_folders(a, c.root);
    if (r >= 0) r = find_file(a, &c, &file);
    if (r < 0) return r;
    if (make && !file.len) {
        file = sn_home_path(a, &c, SN_STR("config/config.toml"));
        r = file.ptr ? sn_home_config_write(&c, file.ptr) : SN_E_NOMEM;
        file = SN_STR("");
    }
    if (r >= 0 && file.len) r = sn_home_config_read_file(a, file.ptr, &c);
    if (r >= 0) r = sn_home_config_env(a, &c, NULL, NULL);
    if (r >= 0) r = apply_flags(a, flags, &c);
    if (r >= 0) {
        r = sn_home_config_check(&c);
        if (r < 0) r = sn_wrap(r, "%s", file.len ? file.ptr : "configuration");
    }
    if (r >= 0) *ret = c;
    return r;
}
