/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/p2p/node_info.h"
#include "core/enc.h"
#include "core/status.h"
#include "harness/test.h"

static void set_text(char *to, size_t cap, const char *text)
{
    T_ASSERT((size_t)snprintf(to, cap, "%s", text) < cap);
}
static struct sn_node_info sample(void)
{
    return (struct sn_node_info){
        .p2p_version = SN_P2P_VERSION,
        .block_version = SN_BLOCK_VERSION,
        .app_version = 1,
        .id = "0123456789abcdef0123456789abcdef01234567",
        .listen_addr = "tcp://0.0.0.0:26656",
        .network = "test-chain",
        .version = "0.38.25",
        .moniker = "node one",
        .tx_index = "on",
        .rpc_address = "tcp://127.0.0.1:26657",
        .channels = {0x40, 0x20, 0x21},
        .n_channels = 3,
    };
}
/* The bytes CometBFT's ToProto and its delimited writer give for this. */
static const char golden[] =
    "88010a060808100b1801122830313233343536373839616263646566303132333435363738396162"
    "6364656630313233343536371a137463703a2f2f302e302e302e303a3236363536220a746573742d"
    "636861696e2a07302e33382e323532034020213a086e6f6465206f6e65421b0a026f6e1215746370"
    "3a2f2f3132372e302e302e313a3236363537";

SN_TEST(node_info_bytes)
{
    struct sn_node_info info = sample(), got;
    struct sn_buf b = {0};
    char hex[512];
    T_OK(sn_node_info_put(&info, &b));
    T_STR(sn_str_of(hex, sn_hex_encode(b.ptr, b.len, hex)), golden);
    for (size_t n = 0; n < b.len; n++)
        T_EQ(sn_node_info_get(sn_str_sub(sn_buf_view(&b), 0, n), &got), 0);
    sn_buf_cstr(&b, "more");
    T_EQ(sn_node_info_get(sn_buf_view(&b), &got), (ssize_t)b.len - 4);
    T_ASSERT(memcmp(&info, &got, sizeof(got)) == 0);
    sn_buf_done(&b);
}
SN_TEST(node_info_of_key)
{
    uint8_t key[32];
    char id[SN_NODE_ID_LEN + 1];
    T_OK(sn_hex_decode(sn_str("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"),
                       key));
    T_OK(sn_node_id(key, id));
    T_CSTR(id, "21fe31dfa154a261626bf854046fd2271b7bed4b");
}
static ssize_t through(const struct sn_node_info *info)
{
    struct sn_node_info got;
    struct sn_buf b = {0};
    T_OK(sn_node_info_put(info, &b));
    ssize_t r = sn_node_info_get(sn_buf_view(&b), &got);
    sn_buf_done(&b);
    return r < 0 ? r : 0;
}
SN_TEST(node_info_refuses)
{
    struct sn_node_info i = sample();
    T_EQ(through(&i), 0);
    i.id[3] = 'A';
    T_EQ(through(&i), SN_E_PROTOCOL);
    i.id[3] = 0;
    T_EQ(through(&i), SN_E_PROTOCOL);
    static const char *const addresses[] = {"",         "host", "host:", ":port", "tcp://h:65536",
                                            "h:123456", "h:1x"};
    for (size_t k = 0; k < SN_COUNT_OF(addresses); k++) {
        i = sample();
        set_text(i.listen_addr, sizeof(i.listen_addr), addresses[k]);
        T_EQ(through(&i), SN_E_PROTOCOL);
    }
    i = sample();
    set_text(i.moniker, sizeof(i.moniker), "");
    T_EQ(through(&i), SN_E_PROTOCOL);
    set_text(i.moniker, sizeof(i.moniker), "   ");
    T_EQ(through(&i), SN_E_PROTOCOL);
    set_text(i.moniker, sizeof(i.moniker), "tab\there");
    T_EQ(through(&i), SN_E_PROTOCOL);
    set_text(i.moniker, sizeof(i.moniker), "caf\xc3\xa9");
    T_EQ(through(&i), SN_E_PROTOCOL);
    i = sample();
    set_text(i.tx_index, sizeof(i.tx_index), "maybe");
    T_EQ(through(&i), SN_E_PROTOCOL);
    i = sample();
    i.channels[1] = i.channels[0];
    T_EQ(through(&i), SN_E_PROTOCOL);
    i = sample();
    set_text(i.version, sizeof(i.version), "");
    set_text(i.rpc_address, sizeof(i.rpc_address), "");
    set_text(i.tx_index, sizeof(i.tx_index), "");
    T_EQ(through(&i), 0);
    /* More than any node info may have, said by its length alone. */
    struct sn_node_info got;
    T_EQ(sn_node_info_get(SN_STR("\xff\xff"), &got), SN_E_PROTOCOL);
    T_EQ(sn_node_info_get(SN_STR("\x81\x51"), &got), SN_E_PROTOCOL);
    T_EQ(sn_node_info_get(SN_STR("\x80\x50"), &got), 0);
    T_EQ(sn_node_info_get(SN_STR("\x02\x0a\x05"), &got), SN_E_PROTOCOL);
}
SN_TEST(node_info_fits)
{
    struct sn_node_info a = sample(), b = sample();
    T_OK(sn_node_info_fits(&a, &b));
    b.app_version = 9, b.p2p_version = 7, b.channels[0] = 1, b.channels[1] = 2;
    T_OK(sn_node_info_fits(&a, &b)); /* channel 21 is left */
    b.channels[2] = 3;
    T_EQ(sn_node_info_fits(&a, &b), SN_E_FAILED_PRECONDITION);
    a.n_channels = 0;
    T_OK(sn_node_info_fits(&a, &b));
    b.block_version = 10;
    T_EQ(sn_node_info_fits(&a, &b), SN_E_FAILED_PRECONDITION);
    b = sample();
    set_text(b.network, sizeof(b.network), "other");
    T_EQ(sn_node_info_fits(&a, &b), SN_E_FAILED_PRECONDITION);
}
