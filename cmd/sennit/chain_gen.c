/* SPDX-License-Identifier: Apache-2.0 */
/* sennit chain gen-node-key, gen-validator - new keys. */
#include <stdio.h>

#include "consensus/key.h"
#include "core/enc.h"
#include "core/status.h"
#include "crypto/hash.h"
#include "sennit/chain_home.h"
#include "sennit/files.h"

static int node_key_run(const struct sn_cli_call *call)
{
    const struct chain_home_opts *o = call->opts;
    struct sn_home_config c;
    struct chain_home_log log;
    char id[SN_NODE_ID_LEN + 1];
    int r = chain_home_load(call, &o->home, &c, &log);
    if (r < 0) return r;
    struct sn_str path = sn_home_path(call->arena, &c, c.node_key_file);
    r = path.ptr ? sn_home_node_key_make(path.ptr, id) : SN_E_NOMEM;
    if (r == 0) puts(id);
    return r;
}

const struct sn_cli_command sn_cmd_chain_gen_node_key = {
    .name = "gen-node-key",
    .alias = "gen_node_key",
    .brief = "Makes this node's key and prints its ID.",
    .table = &chain_home_table,
    .run = node_key_run,
};

static void put_key(struct sn_buf *b, const char *member, const char *type, const uint8_t *data,
                    size_t n)
{
    sn_buf_printf(b, "\"%s\":{\"type\":\"tendermint/%sEd25519\",\"value\":\"", member, type);
    sn_buf_base64(b, data, n, SN_BASE64_STD);
    sn_buf_cstr(b, "\"}");
}

static int validator_run(const struct sn_cli_call *call)
{
    struct sn_cons_key key = {.type = SN_CONS_ED25519, .len = 32};
    uint8_t secret[SN_ED25519_SECRET_LEN], addr[SN_CONS_ADDR_LEN];
    struct sn_buf b SN_CLEANUP(sn_buf_done);
    sn_buf_init(&b, 0);
    int r = sn_ed25519_generate(secret);
    if (r < 0) return r;
    memcpy(key.b, secret + 32, 32);
    r = sn_cons_key_addr(&key, addr);
    sn_buf_cstr(&b, "{\"Key\":{\"address\":\"");
    sn_buf_hex_upper(&b, addr, sizeof(addr));
    sn_buf_cstr(&b, "\",");
    put_key(&b, "pub_key", "PubKey", key.b, key.len);
    sn_buf_byte(&b, ',');
    put_key(&b, "priv_key", "PrivKey", secret, sizeof(secret));
    sn_buf_cstr(&b, "},\"LastSignState\":{\"height\":\"0\",\"round\":0,\"step\":0}}");
    sn_wipe(secret, sizeof(secret));
    if (r == 0) r = files_print(&b);
    sn_wipe(b.ptr, b.len);
    return r;
}

const struct sn_cli_command sn_cmd_chain_gen_validator = {
    .name = "gen-validator",
    .alias = "gen_validator",
    .brief = "Prints a new validator's key, the secret one too.",
    .table = &chain_home_table,
    .run = validator_run,
};
