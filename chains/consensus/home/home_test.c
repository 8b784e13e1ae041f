/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/home/home_test.c - config.toml there and back, who wins over whom, and folders. */
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "consensus/home/files.h"
#include "consensus/home/zip.h"
#include "consensus/privval.h"
#include "core/status.h"
#include "core/torture.h"
#include "fiber/os.h"
#include "harness/test.h"

static struct sn_arena arena;
static struct sn_home_config defaults(void)
{
    struct sn_home_config c;
    T_EQ(sn_home_config_defaults(&arena, &c), 0);
    return c;
}
static void done(void) { sn_arena_done(&arena); }

SN_TEST(home_config_defaults)
{
    struct sn_home_config c = defaults();
    char host[256] = "";
    gethostname(host, sizeof(host) - 1);
    T_STR(c.version, "0.38.25");
    T_STR(c.moniker, host);
    T_STR(c.proxy_app, "tcp://127.0.0.1:26658");
    T_STR(c.rpc.laddr, "tcp://127.0.0.1:26657");
    T_EQ(c.rpc.n_cors_allowed_origins, 0);
    T_EQ(c.rpc.n_cors_allowed_methods, 3);
    T_STR(c.rpc.cors_allowed_headers[4], "X-Server-Time");
    T_EQ(c.rpc.timeout_broadcast_tx_commit, 10000000000ll);
    T_EQ(c.p2p.send_rate, 5120000);
    T_ASSERT(c.p2p.pex && c.p2p.addr_book_strict && c.consensus.create_empty_blocks);
    T_EQ(c.statesync.trust_period, 168ll * 3600 * 1000000000);
    T_EQ(c.statesync.chunk_fetchers, 4);
    T_EQ(c.statesync.max_snapshot_chunks, 100000);
    T_EQ(c.consensus.block_time_tolerance, 60000000000ll);
    T_STR(c.instrumentation.namespace_, "cometbft");
    T_STR(c.tx_index.psql_conn, "");
    T_ASSERT(c.p2p.seeds.ptr);
    T_EQ(sn_home_config_check(&c), 0);
    done();
}

/* Every key is printed, and what is printed is read back: the same print comes of it. */
SN_TEST(home_config_round_trip)
{
    struct sn_home_config c = defaults(), d = defaults();
    struct sn_buf one, two, warnings;
    sn_buf_init(&one, 0);
    sn_buf_init(&two, 0);
    sn_buf_init(&warnings, 0);
    c.moniker = SN_STR("a \"b\" \\ é");
    c.rpc.laddr = SN_STR("");
    c.rpc.n_cors_allowed_origins = 2;
    c.rpc.cors_allowed_origins = (struct sn_str[]){SN_STR("*"), SN_STR("http://x,y")};
    c.consensus.timeout_commit = 1234567;
    c.statesync.chunk_fetchers = 7;
    c.statesync.max_snapshot_chunks = UINT32_MAX;
    c.mempool.max_batch_bytes = -1;
    T_EQ(sn_home_config_print(&c, &one), 0);
    T_EQ(sn_home_config_read(&arena, "x", sn_buf_view(&one), &d, &warnings), 0);
    T_EQ(warnings.len, 0);
    T_STR(d.moniker, "a \"b\" \\ é");
    T_STR(d.rpc.laddr, "");
    T_STR(d.rpc.cors_allowed_origins[1], "http://x,y");
    T_EQ(d.consensus.timeout_commit, 1234567);
    T_EQ(d.statesync.max_snapshot_chunks, UINT32_MAX);
    T_EQ(sn_home_config_print(&d, &two), 0);
    T_ASSERT(sn_str_eq(sn_buf_view(&one), sn_buf_view(&two)));
    sn_buf_done(&one);
    sn_buf_done(&two);
    sn_buf_done(&warnings);
    done();
}

SN_TEST(home_config_meant_well)
{
    struct sn_home_config c = defaults();
    static const char text[] =
        "MONIKER = 'm'\nfilter_peers = 'true'\nhome = '/x'\n[RPC]\nmax_body_bytes = '5'\nunsafe = 1\n"
        "timeout_broadcast_tx_commit = 7\n[statesync]\nrpc_servers = 'a:1,b:2'\nchunk_fetchers = '3'\n"
        "[mempool]\nkeep-invalid-txs-in-cache = 'T'\n[rpcx]\na = 1\n[p2p]\nladdr_ = 'x'\n";
    struct sn_buf w;
    sn_buf_init(&w, 0);
    int r = sn_home_config_read(&arena, "c.toml", sn_str(text), &c, &w);
    T_ASSERTF(r == 0, "%s", sn_diag_str(r));
    T_STR(c.moniker, "m");
    T_ASSERT(c.filter_peers && c.rpc.unsafe && c.mempool.keep_invalid_txs_in_cache);
    T_EQ(c.rpc.max_body_bytes, 5);
    T_EQ(c.rpc.timeout_broadcast_tx_commit, 7);
    T_EQ(c.statesync.n_rpc_servers, 2);
    T_EQ(c.statesync.chunk_fetchers, 3);
    T_STR(sn_buf_view(&w), "c.toml:13:2: unknown key rpcx\n"
                           "c.toml:16:1: unknown key p2p.laddr_; did you mean laddr?\n");
    sn_buf_done(&w);
    done();
}

SN_TEST(home_config_refused)
{
    static const struct { const char *text, *want; } rows[] = {
        {"moniker = [1]", "c:1:11: moniker: expected a string, got a array"},
        {"[rpc]\nmax_body_bytes = 'x'",
         "c:2:18: rpc.max_body_bytes: expected a whole number, got \"x\""},
        {"[rpc]\nmax_body_bytes = -1",
         "c:2:18: rpc.max_body_bytes: expected a whole number of at least 0, got -1"},
        {"[consensus]\ntimeout_commit = 'soon'",
         "c:2:18: consensus.timeout_commit: expected a duration such as 250ms, got \"soon\""},
        {"[consensus]\ntimeout_commit = '-1s'",
         "c:2:18: consensus.timeout_commit: expected a duration of at least 0s, got \"-1s\""},
        {"[p2p]\npex = 'maybe'", "c:2:7: p2p.pex: expected true or false, got \"maybe\""},
        {"rpc = 1", "c:1:7: rpc: expected a table"},
        {"[rpc]\ncors_allowed_origins = [1]",
         "c:2:24: rpc.cors_allowed_origins: expected strings, got a integer among them"},
        {"[statesync]\nchunk_fetchers = 3000000000",
         "c:2:18: statesync.chunk_fetchers: expected a whole number of at most 2^31 - 1, got "
         "3000000000"},
        {"a = ", "c: 1:5: expected a value"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_home_config c = defaults();
        sn_test_row("%s", rows[i].text);
        int r = sn_home_config_read(&arena, "c", sn_str(rows[i].text), &c, NULL);
        T_ASSERT(r < 0);
        T_STR(sn_str(sn_diag_str(r)), rows[i].want);
    }
    done();
}

SN_TEST(home_config_checks)
{
    static const struct { const char *key, *value, *want; } rows[] = {
        {"version", "x", "version"}, {"version", "1.2", "version"}, {"version", "01.2.3", "version"},
        {"log_format", "xml", "log_format"}, {"mempool.type", "x", "mempool.type"},
        {"blocksync.version", "v1", "blocksync.version"},
        {"statesync.enable", "true", "statesync.rpc_servers"},
        {"rpc.experimental_subscription_buffer_size", "99",
         "rpc.experimental_subscription_buffer_size"},
        {"rpc.experimental_subscription_buffer_size", "300",
         "rpc.experimental_websocket_write_buffer_size"},
        {"consensus.block_time_tolerance", "0s", "consensus.block_time_tolerance"},
    };
    static const char *const fine[] = {"1.2.3", "0.38.25-rc.1+sennit", "0.38.25+x", ""};
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_home_config c = defaults();
        sn_test_row("%s = %s", rows[i].key, rows[i].value);
        T_EQ(sn_home_config_set(&arena, &c, rows[i].key, sn_str(rows[i].value)), 0);
        int r = sn_home_config_check(&c);
        T_EQ(r, SN_E_INVALID_ARGUMENT);
        T_ASSERTF(!strncmp(sn_diag_str(r), rows[i].want, strlen(rows[i].want)), "%s",
                  sn_diag_str(r));
    }
    for (size_t i = 0; i < SN_COUNT_OF(fine); i++) {
        struct sn_home_config c = defaults();
        c.version = sn_str(fine[i]);
        T_EQ(sn_home_config_check(&c), 0);
    }
    struct sn_home_config c = defaults();
    c.mempool.type = SN_STR("nop");
    T_EQ(sn_home_config_check(&c), 0);
    c.consensus.create_empty_blocks = false;
    T_EQ(sn_home_config_check(&c), SN_E_INVALID_ARGUMENT);
    c = defaults();
    c.p2p.recv_rate = -1;
    T_EQ(sn_home_config_check(&c), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_home_config_set(&arena, &c, "p2p.nothing", SN_STR("1")), SN_E_NOT_FOUND);
    T_EQ(sn_home_config_set(&arena, &c, "nothing", SN_STR("1")), SN_E_NOT_FOUND);
    done();
}

/* What CometBFT demands of [statesync], one at a time. */
SN_TEST(home_config_statesync)
{
    static const struct { const char *key, *value; } good[] = {
        {"enable", "true"}, {"rpc_servers", "a:1,b:2"}, {"trust_height", "5"},
        {"trust_hash", "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff"}},
        bad[] = {{"rpc_servers", "a:1"}, {"rpc_servers", "a:1,,b:1"}, {"trust_height", "0"},
                 {"trust_hash", ""}, {"trust_hash", "xyz"}, {"trust_period", "0s"},
                 {"discovery_time", "4s"}, {"chunk_request_timeout", "4s"},
                 {"chunk_fetchers", "0"}, {"max_snapshot_chunks", "0"}};
    for (size_t i = 0; i <= SN_COUNT_OF(bad); i++) {
        struct sn_home_config c = defaults();
        char key[64];
        for (size_t k = 0; k < SN_COUNT_OF(good); k++) {
            snprintf(key, sizeof(key), "statesync.%s", good[k].key);
            T_EQ(sn_home_config_set(&arena, &c, key, sn_str(good[k].value)), 0);
        }
        if (i == SN_COUNT_OF(bad)) {
            T_EQ(sn_home_config_check(&c), 0);
            break;
        }
        sn_test_row("%s = %s", bad[i].key, bad[i].value);
        snprintf(key, sizeof(key), "statesync.%s", bad[i].key);
        T_EQ(sn_home_config_set(&arena, &c, key, sn_str(bad[i].value)), 0);
        T_EQ(sn_home_config_check(&c), SN_E_INVALID_ARGUMENT);
    }
    done();
}

static const char *env(void *arg, const char *name)
{
    (void)arg;
    return !strcmp(name, "CMT_P2P_LADDR")                       ? "tcp://e:1"
           : !strcmp(name, "CMT_MEMPOOL_KEEP_INVALID_TXS_IN_CACHE") ? "true"
           : !strcmp(name, "CMT_MONIKER")                       ? "env"
           : !strcmp(name, "CMT_RPC_LADDR")                     ? ""
                                                                : NULL;
}
static const char *bad_env(void *arg, const char *name)
{
    (void)arg;
    return !strcmp(name, "CMT_MEMPOOL_SIZE") ? "many" : NULL;
}
SN_TEST(home_config_environment)
{
    struct sn_home_config c = defaults();
    T_EQ(sn_home_config_env(&arena, &c, env, NULL), 0);
    T_STR(c.p2p.laddr, "tcp://e:1");
    T_STR(c.moniker, "env");
    T_STR(c.rpc.laddr, "tcp://127.0.0.1:26657");
    T_ASSERT(c.mempool.keep_invalid_txs_in_cache);
    int r = sn_home_config_env(&arena, &c, bad_env, NULL);
    T_EQ(r, SN_E_INVALID_ARGUMENT);
    T_STR(sn_str(sn_diag_str(r)),
          "environment variable CMT_MEMPOOL_SIZE: expected a whole number, got \"many\"");
    done();
}

/* Flags over environment over file over default. */
SN_TEST(home_config_load)
{
    struct sn_home_config c;
    char *dir = strdup(sn_test_tmpdir()), path[512];
    struct sn_home_flags flags = {.home = sn_str(dir)};
    unsetenv("CMTHOME");
    T_EQ(sn_home_config_load(&arena, &flags, true, &c), 0);
    snprintf(path, sizeof(path), "%s/config/config.toml", dir);
    struct stat st;
    T_EQ(stat(path, &st), 0);
    T_EQ(sn_file_write(path, SN_STR("moniker = 'file'\n[p2p]\nladdr = 'tcp://f:1'\nseeds = 's'\n"),
                       0644), 0);
    setenv("CMT_P2P_LADDR", "tcp://e:1", 1);
    setenv("CMT_P2P_SEEDS", "e", 1);
    flags.p2p_laddr = SN_STR("tcp://flag:1");
    flags.p2p_pex = SN_STR("false");
    T_EQ(sn_home_config_load(&arena, &flags, false, &c), 0);
    T_STR(c.moniker, "file");
    T_STR(c.p2p.laddr, "tcp://flag:1");
    T_STR(c.p2p.seeds, "e");
    T_ASSERT(!c.p2p.pex);
    T_STR(c.root, dir);
    T_STR(sn_home_path(&arena, &c, SN_STR("/abs")), "/abs");
    flags.p2p_pex = SN_STR("perhaps");
    T_EQ(sn_home_config_load(&arena, &flags, false, &c), SN_E_INVALID_ARGUMENT);
    free(dir);
    done();
}

/* ---- folders ---- */

static unsigned n_lines;
static void count_line(void *arg, bool error, const char *what, const char *const *pairs)
{
    (void)arg;
    T_ASSERTF(!error, "%s", what);
    while (*pairs) pairs++;
    n_lines++;
}
static const struct sn_home_log counting = {.line = count_line};

static struct sn_home_config home_in(const char *dir)
{
    struct sn_home_config c;
    struct sn_home_flags flags = {.home = sn_str(dir)};
    T_EQ(sn_home_config_load(&arena, &flags, true, &c), 0);
    return c;
}
static mode_t mode_of(const struct sn_home_config *c, const char *file)
{
    struct stat st;
    T_EQ(stat(sn_home_path(&arena, c, sn_str(file)).ptr, &st), 0);
    return st.st_mode & 0777;
}
static bool there(const struct sn_home_config *c, const char *file)
{
    return access(sn_home_path(&arena, c, sn_str(file)).ptr, F_OK) == 0;
}

SN_TEST(home_init)
{
    struct sn_home_config c = home_in(sn_test_tmpdir());
    struct sn_cons_genesis g;
    struct sn_str text;
    uint8_t secret[SN_ED25519_SECRET_LEN];
    char id[SN_NODE_ID_LEN + 1], again[SN_NODE_ID_LEN + 1];
    const char *node_key = sn_home_path(&arena, &c, c.node_key_file).ptr;
    T_EQ(sn_home_init(&c, &counting), 0);
    T_EQ(n_lines, 3);
    T_EQ(mode_of(&c, "config/node_key.json"), 0600);
    T_EQ(mode_of(&c, "config/priv_validator_key.json"), 0600);
    T_EQ(mode_of(&c, "data/priv_validator_state.json"), 0600);
    T_EQ(mode_of(&c, "config/genesis.json"), 0644);
    T_EQ(sn_home_node_key_read(node_key, secret, id), 0);
    T_EQ(sn_home_genesis_read(&arena, &c, &text, &g), 0);
    T_EQ(g.n_validators, 1);
    T_EQ(g.validators[0].v.power, 10);
    T_EQ(g.chain_id.len, 17);
    T_EQ(sn_home_init(&c, &counting), 0);
    T_EQ(sn_home_node_key_read(node_key, secret, again), 0);
    T_STR(sn_str(again), id);
    T_EQ(sn_home_node_key_make(node_key, id), SN_E_ALREADY_EXISTS);
    T_EQ(sn_file_write(node_key, SN_STR("{\"priv_key\":{\"type\":\"tendermint/PrivKeyEd25519\","
                                        "\"value\":\"AAAA\"}}"), 0600), 0);
    T_EQ(sn_home_node_key_read(node_key, secret, id), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_file_write(node_key, SN_STR("{"), 0600), 0);
    T_EQ(sn_home_node_key_read(node_key, secret, id), SN_E_SYNTAX);
    done();
}

static int count_signer(const struct sn_home_config *c, int64_t *ret_height)
{
    struct sn_privval *pv;
    int r = sn_privval_open(
        &(struct sn_privval_opts){
            .key_path = sn_home_path(&arena, c, c->priv_validator_key_file).ptr,
            .state_path = sn_home_path(&arena, c, c->priv_validator_state_file).ptr},
        &pv);
    if (r < 0) return r;
    *ret_height = sn_privval_height(pv);
    sn_privval_close(pv);
    return 0;
}

SN_TEST(home_reset)
{
    struct sn_home_config c = home_in(sn_test_tmpdir());
    int64_t height = -1;
    T_EQ(sn_home_init(&c, NULL), 0);
    T_EQ(sn_mkdirs(sn_home_path(&arena, &c, SN_STR("data/blockstore.db/x/y")).ptr, 0700), 0);
    T_EQ(sn_mkdirs(sn_home_path(&arena, &c, SN_STR("data/keep")).ptr, 0700), 0);
    T_EQ(sn_file_write(sn_home_path(&arena, &c, SN_STR("data/blockstore.db/x/f")).ptr, SN_STR("1"),
                       0600), 0);
    T_EQ(symlink("/etc", sn_home_path(&arena, &c, SN_STR("data/blockstore.db/etc")).ptr), 0);
    T_EQ(sn_file_write(sn_home_path(&arena, &c, SN_STR("config/addrbook.json")).ptr, SN_STR("{}"),
                       0600), 0);
    T_EQ(sn_file_write(sn_home_path(&arena, &c, c.priv_validator_state_file).ptr,
                       SN_STR("{\"height\":\"9\",\"round\":0,\"step\":2}"), 0600), 0);
    T_EQ(sn_home_reset_state(&c, &counting), 0);
    T_ASSERT(!there(&c, "data/blockstore.db") && there(&c, "data/keep"));
    T_ASSERT(access("/etc/passwd", F_OK) == 0);
    T_EQ(count_signer(&c, &height), 0);
    T_EQ(height, 9);
    T_EQ(sn_home_reset_all(&c, true, &counting), 0);
    T_ASSERT(!there(&c, "data/keep") && there(&c, "config/addrbook.json"));
    T_EQ(count_signer(&c, &height), 0);
    T_EQ(height, 0);
    T_EQ(sn_home_reset_all(&c, false, &counting), 0);
    T_ASSERT(!there(&c, "config/addrbook.json"));
    T_EQ(unlink(sn_home_path(&arena, &c, c.priv_validator_key_file).ptr), 0);
    T_EQ(sn_home_reset_signer(&c, &counting), 0);
    T_EQ(count_signer(&c, &height), 0);
    done();
}

SN_TEST(home_testnet)
{
    struct sn_home_config c = defaults(), one;
    struct sn_str text;
    struct sn_cons_genesis g;
    struct sn_home_testnet_opts o = {.config = &c, .dir = sn_str(strdup(sn_test_tmpdir())),
                                     .node_dir_prefix = SN_STR("n"), .validators = 2, .others = 1,
                                     .initial_height = 5, .populate_persistent_peers = true,
                                     .starting_ip_address = SN_STR("10.0.0.253"),
                                     .p2p_port = 1234};
    T_EQ(sn_home_testnet(&o, NULL), 0);
    for (int i = 0; i < 3; i++) {
        struct sn_str dir = sn_arena_printf(&arena, "%s/n%d", o.dir.ptr, i);
        one = home_in(dir.ptr);
        T_EQ(sn_home_genesis_read(&arena, &one, &text, &g), 0);
        T_EQ(g.n_validators, 2);
        T_EQ(g.initial_height, 5);
        T_STR(g.validators[1].name, "n1");
        T_ASSERT(!one.p2p.addr_book_strict && one.p2p.allow_duplicate_ip);
        T_EQ(one.moniker.len, 16);
        T_ASSERT(sn_str_find(one.p2p.persistent_peers, SN_STR("@10.0.0.255:1234")) > 0);
    }
    o.validators = 3;
    T_EQ(sn_home_testnet(&o, NULL), SN_E_INVALID_ARGUMENT);
    o.starting_ip_address = SN_STR("::1");
    T_EQ(sn_home_testnet(&o, NULL), SN_E_INVALID_ARGUMENT);
    o.starting_ip_address = SN_STR("");
    o.hostnames = (struct sn_str[]){SN_STR("h")};
    o.n_hostnames = 1;
    T_EQ(sn_home_testnet(&o, NULL), SN_E_INVALID_ARGUMENT);
    o.n_hostnames = 0;
    o.validators = SN_HOME_TESTNET_MAX;
    T_EQ(sn_home_testnet(&o, NULL), SN_E_INVALID_ARGUMENT);
    free((void *)o.dir.ptr);
    done();
}

/* Where things are missing, in the way, or damaged: errors, not crashes. */
SN_TEST(home_errors)
{
    struct sn_home_config c = home_in(sn_test_tmpdir());
    char id[SN_NODE_ID_LEN + 1];
    T_EQ(sn_home_node_key_make("/nowhere/node_key.json", id), SN_E_NOT_FOUND);
    c.genesis_file = SN_STR("/nowhere/genesis.json");
    T_EQ(sn_home_init(&c, NULL), SN_E_NOT_FOUND);
    c.db_dir = SN_STR("config/config.toml/data");
    T_ASSERT(sn_home_reset_state(&c, NULL) < 0);
    T_ASSERT(sn_home_reset_all(&c, true, NULL) < 0);
    done();
}

SN_TEST(home_zip)
{
    static struct sn_zip z;
    char name[300];
    sn_zip_init(&z);
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = 0;
    T_EQ(sn_zip_add(&z, "../x", SN_STR(""), 0), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_zip_add(&z, "/x", SN_STR(""), 0), SN_E_INVALID_ARGUMENT);
    T_EQ(sn_zip_add(&z, "", SN_STR(""), 0), SN_E_TOO_LARGE);
    T_EQ(sn_zip_add(&z, name, SN_STR(""), 0), SN_E_TOO_LARGE);
    for (unsigned i = 0; i < SN_ZIP_MEMBERS_MAX; i++)
        T_EQ(sn_zip_add(&z, "d/f", SN_STR("text text text text text"), 1700000000ll * 1000000000), 0);
    T_EQ(sn_zip_add(&z, "d/f", SN_STR(""), 0), SN_E_TOO_LARGE);
    T_EQ(sn_zip_finish(&z), 0);
    T_ASSERT(memcmp(z.out.ptr, "PK\3\4", 4) == 0);
    T_EQ(z.members[1].offset, z.members[0].packed + 30 + 3);
    sn_zip_done(&z);
}

static int torture(void *arg)
{
    struct sn_arena a;
    struct sn_home_config c;
    struct sn_buf out, warnings;
    (void)arg;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&out, 0);
    sn_buf_init(&warnings, 0);
    int r = sn_home_config_defaults(&a, &c);
    if (r == 0)
        r = sn_home_config_read(&a, "x", SN_STR("x = 1\n[rpc]\ncors_allowed_origins = ['a']\n"), &c,
                                &warnings);
    if (r == 0) r = sn_home_config_print(&c, &out);
    sn_buf_done(&out);
    sn_buf_done(&warnings);
    sn_arena_done(&a);
    return r;
}
SN_TEST(home_torture)
{
    int n = sn_torture(torture, NULL);
    T_ASSERTF(n >= 3, "%d: %s", n, sn_diag_str(n));
}
