/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/home/testnet.c - folders of a whole network. */
#include <arpa/inet.h>
#include <stdio.h>

#include "consensus/home/files_int.h"
#include "consensus/privval.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "fiber/os.h"

struct making {
    const struct sn_home_testnet_opts *o;
    const struct sn_home_log *log;
    struct sn_arena a;
    int64_t n;
    struct sn_cons_genesis_validator *validators;
    struct sn_home_config *configs; /* each with its own root */
};

static int check(const struct sn_home_testnet_opts *o)
{
    struct in_addr ip;
    char text[64];
    if (o->validators < 0 || o->others < 0 || o->validators > SN_HOME_TESTNET_MAX ||
        o->others > SN_HOME_TESTNET_MAX || o->validators + o->others > SN_HOME_TESTNET_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "--v and --n: expected at most %d nodes together",
                       SN_HOME_TESTNET_MAX);
    if (o->n_hostnames && o->n_hostnames != (size_t)(o->validators + o->others))
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "testnet needs precisely %lld hostnames (number of validators plus "
                       "non-validators) if --hostname parameter is used",
                       (long long)(o->validators + o->others));
    if (o->initial_height < 0)
        return sn_fail(SN_E_INVALID_ARGUMENT, "--initial-height: expected 0 or more");
    if (o->p2p_port < 0 || o->p2p_port > 65535)
        return sn_fail(SN_E_INVALID_ARGUMENT, "--p2p-port: expected 0 to 65535");
    if (!o->n_hostnames && o->starting_ip_address.len &&
        (sn_str_cz(o->starting_ip_address, text, sizeof(text)) < 0 ||
         inet_pton(AF_INET, text, &ip) != 1))
        return sn_fail(SN_E_INVALID_ARGUMENT, "%.*s: non ipv4 address",
                       SN_STR_ARG(o->starting_ip_address));
    return 0;
}

/* Addresses count in the last byte alone, as CometBFT's do; there it wraps, here it is refused. */
static int host_of(struct making *m, int64_t i, struct sn_str *ret)
{
    const struct sn_home_testnet_opts *o = m->o;
    if (o->n_hostnames) {
        *ret = o->hostnames[i];
    } else if (!o->starting_ip_address.len) {
        *ret = sn_arena_printf(&m->a, "%.*s%lld%.*s", SN_STR_ARG(o->hostname_prefix), (long long)i,
                               SN_STR_ARG(o->hostname_suffix));
    } else {
        char text[64];
        struct in_addr ip;
        int r = sn_str_cz(o->starting_ip_address, text, sizeof(text));
        if (r < 0) return r;
        inet_pton(AF_INET, text, &ip);
        uint8_t b[4];
        memcpy(b, &ip, 4);
        if (b[3] + i > 255)
            return sn_fail(SN_E_INVALID_ARGUMENT, "--starting-ip-address: %s has no room for %lld "
                           "addresses in its last byte", text, (long long)m->n);
        *ret = sn_arena_printf(&m->a, "%d.%d.%d.%d", b[0], b[1], b[2], (int)(b[3] + i));
    }
    return ret->ptr ? 0 : SN_E_NOMEM;
}

static int moniker_of(struct making *m, int64_t i, struct sn_str *ret)
{
    const struct sn_home_testnet_opts *o = m->o;
    uint8_t b[8];
    if (!o->random_monikers && (o->n_hostnames || !o->starting_ip_address.len))
        return host_of(m, i, ret);
    int r = sn_secret_bytes(b, sizeof(b));
    if (r < 0) return r;
    *ret = sn_arena_printf(&m->a, "%02X%02X%02X%02X%02X%02X%02X%02X", b[0], b[1], b[2], b[3], b[4],
                           b[5], b[6], b[7]);
    return ret->ptr ? 0 : SN_E_NOMEM;
}

static int make_folder(struct making *m, int64_t i)
{
    struct sn_home_config *c = &m->configs[i];
    struct sn_privval *pv;
    *c = *m->o->config;
    struct sn_str name = sn_arena_printf(&m->a, "%.*s%lld", SN_STR_ARG(m->o->node_dir_prefix),
                                         (long long)i);
    c->root = sn_arena_printf(&m->a, "%.*s/%.*s", SN_STR_ARG(m->o->dir), SN_STR_ARG(name));
    if (!name.ptr || !c->root.ptr) return SN_E_NOMEM;
    struct sn_str config = sn_home_path(&m->a, c, SN_STR("config")),
                  data = sn_home_path(&m->a, c, SN_STR("data")),
                  key = sn_home_path(&m->a, c, c->priv_validator_key_file),
                  state = sn_home_path(&m->a, c, c->priv_validator_state_file);
    if (!config.ptr || !data.ptr || !key.ptr || !state.ptr) return SN_E_NOMEM;
    int r = sn_mkdirs(config.ptr, 0755);
    if (r == 0) r = sn_mkdirs(data.ptr, 0755);
    if (r == 0) r = sn_home_init(c, m->log);
    if (r < 0 || i >= m->o->validators) return r;
    r = sn_privval_open(&(struct sn_privval_opts){.key_path = key.ptr, .state_path = state.ptr},
                        &pv);
    if (r < 0) return r;
    r = sn_home_validator_(sn_privval_key(pv), 1, name, &m->validators[i]);
    sn_privval_close(pv);
    return r;
}

/* One genesis for all, in place of those of one validator each. */
static int write_genesis(struct making *m)
{
    char chain[] = "chain-000000";
    int r = sn_home_random_name_(chain + 6, 6);
    struct sn_cons_genesis g = {.has_time = true, .time = sn_cons_time_of_ns(sn_wall_now()),
                                .chain_id = sn_str(chain), .params = sn_cons_params_default(),
                                .initial_height = m->o->initial_height,
                                .validators = m->validators,
                                .n_validators = (uint32_t)m->o->validators};
    for (int64_t i = 0; i < m->n && r == 0; i++) {
        struct sn_str path = sn_home_path(&m->a, &m->configs[i], m->configs[i].genesis_file);
        r = path.ptr ? sn_home_genesis_write_(path.ptr, &g) : SN_E_NOMEM;
    }
    return r;
}

static int list_peers(struct making *m, struct sn_buf *out)
{
    for (int64_t i = 0; i < m->n; i++) {
        uint8_t secret[SN_ED25519_SECRET_LEN];
        char id[SN_NODE_ID_LEN + 1];
        struct sn_str host, path = sn_home_path(&m->a, &m->configs[i], m->configs[i].node_key_file);
        int r = path.ptr ? sn_home_node_key_read(path.ptr, secret, id) : SN_E_NOMEM;
        sn_wipe(secret, sizeof(secret));
        if (r == 0) r = host_of(m, i, &host);
        if (r < 0) return r;
        sn_buf_printf(out, "%s%s@%.*s:%lld", i ? "," : "", id, SN_STR_ARG(host),
                      (long long)m->o->p2p_port);
    }
    return out->err;
}

static int write_configs(struct making *m)
{
    struct sn_buf peers SN_CLEANUP(sn_buf_done);
    int r = 0;
    sn_buf_init(&peers, 0);
    if (m->o->populate_persistent_peers) r = list_peers(m, &peers);
    for (int64_t i = 0; i < m->n && r == 0; i++) {
        struct sn_home_config *c = &m->configs[i];
        struct sn_str path = sn_home_path(&m->a, c, SN_STR("config/config.toml"));
        c->p2p.addr_book_strict = false;
        c->p2p.allow_duplicate_ip = true;
        if (m->o->populate_persistent_peers) c->p2p.persistent_peers = sn_buf_view(&peers);
        r = moniker_of(m, i, &c->moniker);
        if (r == 0) r = path.ptr ? sn_home_config_write(c, path.ptr) : SN_E_NOMEM;
    }
    return r;
}

int sn_home_testnet(const struct sn_home_testnet_opts *o, const struct sn_home_log *log)
{
    struct making m = {.o = o, .log = log, .n = o->validators + o->others};
    int r = check(o);
    if (r < 0) return r;
    sn_arena_init(&m.a, NULL, 0);
    m.validators = SN_ARENA_ARRAY(&m.a, struct sn_cons_genesis_validator, (size_t)o->validators + 1);
    m.configs = SN_ARENA_ARRAY(&m.a, struct sn_home_config, (size_t)m.n + 1);
    if (!m.validators || !m.configs) r = SN_E_NOMEM;
    for (int64_t i = 0; i < m.n && r == 0; i++) r = make_folder(&m, i);
    if (r == 0) r = write_genesis(&m);
    if (r == 0) r = write_configs(&m);
    sn_arena_done(&m.a);
    return r;
}
