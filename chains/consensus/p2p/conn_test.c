/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "consensus/p2p/conn.h"
#include "core/alloc.h"
#include "core/status.h"
#include "core/torture.h"
#include "harness/test.h"

static const struct sn_mconn_channel channels[] = {{.id = 0x20, .priority = 6},
                                                   {.id = 0x30, .priority = 1}};
static void set_text(char *to, size_t cap, const char *text)
{
    T_ASSERT((size_t)snprintf(to, cap, "%s", text) < cap);
}
struct end {
    uint8_t key[64];
    struct sn_node_info info;
    struct sn_conn *conn;
    struct sn_buf wire, got; /* what it sends; the messages it received */
    struct sn_conn_opts opts;
};
static int end_init(struct end *e, uint8_t who)
{
    uint8_t seed[32] = {who};
    memset(e, 0, sizeof(*e));
    int r = sn_ed25519_from_seed(e->key, seed);
    e->info = (struct sn_node_info){.p2p_version = 8,
                                    .block_version = 11,
                                    .listen_addr = "127.0.0.1:1",
                                    .network = "net",
                                    .moniker = "m",
                                    .channels = {0x20, 0x30},
                                    .n_channels = 2};
    if (r == 0) r = sn_node_id(e->key + 32, e->info.id);
    e->opts = (struct sn_conn_opts){.key = e->key,
                                    .self = &e->info,
                                    .mconn = {.channels = channels, .n_channels = 2}};
    return r;
}
static int end_start(struct end *e, uint8_t who)
{
    uint8_t ephemeral[32] = {7, who};
    return sn_conn_new(&e->opts, ephemeral, 0, &e->conn);
}
static void end_done(struct end *e)
{
    sn_conn_free(e->conn);
    sn_buf_done(&e->wire);
    sn_buf_done(&e->got);
}
static int take(void *arg, uint8_t channel, struct sn_str message)
{
    struct end *e = arg;
    sn_buf_byte(&e->got, channel);
    return sn_buf_str(&e->got, message);
}
/* Until both are quiet. Returns the first failure; *ret_who had it. */
static int run(struct end e[2], size_t most, unsigned *ret_who)
{
    for (bool busy = true; busy;) {
        busy = false;
        for (unsigned i = 0; i < 2; i++) {
            *ret_who = i;
            ssize_t n = sn_conn_pull(e[i].conn, 0, &e[i].wire, 5000);
            if (n < 0) return (int)n;
            size_t k = most ? SN_MIN(most, e[i].wire.len) : e[i].wire.len;
            *ret_who = !i;
            int r = sn_conn_feed(e[!i].conn, 0, e[i].wire.ptr, k, take, &e[!i]);
            if (r < 0) return r;
            sn_buf_consume(&e[i].wire, k);
            busy = busy || k > 0;
        }
    }
    return 0;
}
SN_TEST(conn_opens_and_talks)
{
    static const size_t pieces[] = {0, 1, 1000, 3000};
    for (size_t k = 0; k < SN_COUNT_OF(pieces); k++) {
        struct end e[2];
        unsigned who;
        T_OK(end_init(&e[0], 1));
        T_OK(end_init(&e[1], 2));
        e[0].opts.expected_id = e[1].info.id;
        for (unsigned i = 0; i < 2; i++) T_OK(end_start(&e[i], (uint8_t)(i + 1)));
        T_EQ(sn_conn_send(e[0].conn, 0x20, "x", 1), SN_E_FAILED_PRECONDITION);
        T_OK(run(e, pieces[k], &who));
        for (unsigned i = 0; i < 2; i++) {
            T_ASSERT(sn_conn_is_open(e[i].conn));
            T_CSTR(sn_conn_peer(e[i].conn)->id, e[!i].info.id);
        }
        static char block[30000];
        memset(block, 'b', sizeof(block));
        T_OK(sn_conn_send(e[0].conn, 0x30, block, sizeof(block)));
        T_OK(sn_conn_send(e[0].conn, 0x20, "vote", 4));
        T_OK(sn_conn_send(e[1].conn, 0x20, "", 0));
        T_OK(run(e, pieces[k], &who));
        T_EQ(e[1].got.len, sizeof(block) + 1 + 5);
        T_ASSERT(memcmp(e[1].got.ptr, "\x20vote\x30", 6) == 0);
        T_ASSERT(memcmp(e[1].got.ptr + 6, block, sizeof(block)) == 0);
        T_EQ(e[0].got.len, 1);
        end_done(&e[0]);
        end_done(&e[1]);
    }
}
/* How the second end's handshake fails the first, or the other way round. */
static int meet(struct end e[2], unsigned *ret_who)
{
    for (unsigned i = 0; i < 2; i++) T_OK(end_start(&e[i], (uint8_t)(i + 1)));
    int r = run(e, 0, ret_who);
    for (unsigned i = 0; i < 2; i++)
        T_ASSERT(r == 0 || !sn_conn_is_open(e[i].conn) || i != *ret_who);
    end_done(&e[0]);
    end_done(&e[1]);
    return r;
}
SN_TEST(conn_refuses_peers)
{
    struct end e[2];
    unsigned who;
    for (unsigned how = 0; how < 6; how++) {
        T_OK(end_init(&e[0], 1));
        T_OK(end_init(&e[1], how == 1 ? 1 : 2));
        static const int want[] = {SN_E_PERMISSION_DENIED,   SN_E_PERMISSION_DENIED,
                                   SN_E_PERMISSION_DENIED,   SN_E_FAILED_PRECONDITION,
                                   SN_E_FAILED_PRECONDITION, SN_E_PROTOCOL};
        sn_test_row("case %u", how);
        switch (how) {
        case 0: e[0].opts.expected_id = "0000000000000000000000000000000000000000"; break;
        case 1: break; /* ourselves */
        case 2: memcpy(e[1].info.id, "0000000000000000000000000000000000000000", 40); break;
        case 3: set_text(e[1].info.network, sizeof(e[1].info.network), "another"); break;
        case 4: e[1].info.block_version = 10; break;
        case 5: set_text(e[1].info.moniker, sizeof(e[1].info.moniker), ""); break;
        }
        T_EQ(meet(e, &who), want[how]);
    }
    T_OK(end_init(&e[0], 1));
    T_OK(end_init(&e[1], 2));
    T_EQ(meet(e, &who), 0);
}
static int torture(void *arg)
{
    struct end e[2];
    unsigned who;
    int r = end_init(&e[0], 1);
    if (r == 0) r = end_init(&e[1], 2);
    if (r < 0) return r;
    for (unsigned i = 0; i < 2 && r == 0; i++) r = end_start(&e[i], (uint8_t)(i + 1));
    if (r == 0) r = run(e, 0, &who);
    if (r == 0) r = sn_conn_send(e[0].conn, 0x20, "vote", 4);
    if (r == 0) r = run(e, 0, &who);
    end_done(&e[0]);
    end_done(&e[1]);
    return r;
}
SN_TEST(conn_without_memory)
{
    int n = sn_torture(torture, NULL);
    T_ASSERTF(n >= 10, "%s", sn_diag_str(n));
}
