/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "consensus/p2p/book_int.h"
#include "consensus/p2p/pex.h"
#include "core/alloc.h"
#include "core/status.h"
#include "core/torture.h"
#include "harness/test.h"

#define NOW (1700000000 * SN_SEC)
static struct sn_node_addr addr(uint32_t who, uint32_t ip)
{
    struct sn_node_addr a;
    char text[SN_NODE_ADDR_TEXT_MAX];
    snprintf(text, sizeof(text), "%040x@%u.%u.%u.%u:26656", who, ip >> 24, ip >> 16 & 255,
             ip >> 8 & 255, ip & 255);
    T_OK(sn_node_addr_parse(&a, sn_str(text)));
    return a;
}
static uint32_t random_ip(void) { return (uint32_t)(0x20000000 + sn_test_rand_below(0x40000000)); }
static struct sn_book *make(bool strict)
{
    struct sn_book *b;
    T_OK(sn_book_new(&(struct sn_book_opts){.seed = sn_test_seed(), .strict = strict}, &b));
    return b;
}
/* Every entry is in exactly the bucket it says, and all are counted. */
static void check(const struct sn_book *b)
{
    size_t fresh = 0, old = 0;
    for (unsigned i = 0; i < SN_BOOK_NEW_BUCKETS; i++)
        for (unsigned k = 0; k < b->fresh[i].n; k++, fresh++) {
            const struct book_entry *e = b->fresh[i].entry[k];
            T_ASSERT(!e->old && e->bucket == i);
            T_ASSERT(sn_map_get(&b->known, sn_str_of(e->addr.id, SN_NODE_ID_LEN)) == e);
        }
    for (unsigned i = 0; i < SN_BOOK_OLD_BUCKETS; i++)
        for (unsigned k = 0; k < b->old[i].n; k++, old++)
            T_ASSERT(b->old[i].entry[k]->old && b->old[i].entry[k]->bucket == i);
    T_EQ(fresh, b->n_fresh);
    T_EQ(old, b->n_old);
    T_EQ(fresh + old, b->known.len);
}
SN_TEST(addr_text)
{
    static const struct {
        const char *in, *out;
        bool valid, routable;
    } rows[] = {
        {"8.8.8.8:1", "8.8.8.8:1", true, true},
        {"10.1.2.3:1", "10.1.2.3:1", true, false},
        {"172.16.0.1:1", "172.16.0.1:1", true, false},
        {"172.32.0.1:1", "172.32.0.1:1", true, true},
        {"192.168.9.9:65535", "192.168.9.9:65535", true, false},
        {"127.0.0.1:26656", "127.0.0.1:26656", true, false},
        {"169.254.1.1:1", "169.254.1.1:1", true, false},
        {"0.0.0.0:1", "0.0.0.0:1", false, false},
        {"255.255.255.255:1", "255.255.255.255:1", false, false},
        {"[::1]:1", "[::1]:1", true, false},
        {"[::]:1", "[::]:1", false, false},
        {"[2001:db8::1]:1", "[2001:db8::1]:1", false, false},
        {"[fe80::1]:1", "[fe80::1]:1", true, false},
        {"[fd00::1]:1", "[fd00::1]:1", true, false},
        {"[2606:4700::1111]:443", "[2606:4700::1111]:443", true, true},
        {"[::ffff:8.8.4.4]:1", "8.8.4.4:1", true, true},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        char text[SN_NODE_ADDR_TEXT_MAX], out[SN_NODE_ADDR_TEXT_MAX];
        struct sn_node_addr a;
        sn_test_row("row %zu: %s", i, rows[i].in);
        snprintf(text, sizeof(text), "0123456789abcdef0123456789abcdef01234567@%s", rows[i].in);
        T_OK(sn_node_addr_parse(&a, sn_str(text)));
        T_EQ(sn_node_addr_text(&a, out), strlen(out));
        T_CSTR(out + SN_NODE_ID_LEN + 1, rows[i].out);
        T_EQ(sn_node_addr_is_valid(&a), rows[i].valid);
        T_EQ(sn_node_addr_is_routable(&a), rows[i].routable);
    }
    static const char *const bad[] = {
        "",
        "@1.2.3.4:1",
        "0123456789abcdef0123456789abcdef0123456@1.2.3.4:1",
        "0123456789ABCDEF0123456789abcdef01234567@1.2.3.4:1",
        "0123456789abcdef0123456789abcdef01234567@1.2.3:1",
        "0123456789abcdef0123456789abcdef01234567@1.2.3.4",
        "0123456789abcdef0123456789abcdef01234567@1.2.3.4:",
        "0123456789abcdef0123456789abcdef01234567@1.2.3.4:65536",
        "0123456789abcdef0123456789abcdef01234567@1.2.3.4:1x",
        "0123456789abcdef0123456789abcdef01234567@host:1",
    };
    for (size_t i = 0; i < SN_COUNT_OF(bad); i++) {
        struct sn_node_addr a;
        sn_test_row("%s", bad[i]);
        T_EQ(sn_node_addr_parse(&a, sn_str(bad[i])), SN_E_INVALID_ARGUMENT);
    }
}
/* Anything in any order: the tables stay whole and within their limits. */
SN_TEST(book_stays_whole)
{
    struct sn_book *b = make(true);
    for (unsigned i = 0; i < sn_test_cases(30000); i++) {
        uint32_t who = (uint32_t)sn_test_rand_below(20000);
        struct sn_node_addr a = addr(who, random_ip()),
                            from = addr(1000000 + who % 50, random_ip());
        int64_t now = NOW + (int64_t)i * SN_SEC;
        switch (sn_test_rand_below(8)) {
        case 0: sn_book_tried(b, now, a.id); break;
        case 1:
        case 2: T_OK(sn_book_good(b, now, a.id)); break;
        case 3: sn_book_remove(b, a.id); break;
        case 4:
            if (i % 64 == 0) T_OK(sn_book_ban(b, a.id, now + SN_HOUR));
            break;
        default: (void)!sn_book_add(b, now, &a, &from);
        }
        if (i % 1000 == 0) check(b);
    }
    check(b);
    T_ASSERT(b->n_old > 1000 && b->n_old <= 64 * 64 && b->n_fresh > 100);
    sn_book_free(b);
}
/* One teller, however much it tells, reaches 32 of the new buckets; one network 4 of the old ones.
 */
SN_TEST(book_bounds_what_one_network_reaches)
{
    struct sn_book *b = make(true);
    struct sn_node_addr teller = addr(1, 0x08080808);
    unsigned used = 0;
    for (unsigned i = 0; i < 20000; i++) {
        struct sn_node_addr a = addr(2 + i, random_ip());
        T_EQ(sn_book_add(b, NOW + i, &a, &teller), 1);
    }
    for (unsigned i = 0; i < SN_BOOK_NEW_BUCKETS; i++) used += b->fresh[i].n > 0;
    T_ASSERTF(used > 20 && used <= 32, "%u buckets", used);
    check(b);
    sn_book_free(b);
    b = make(true);
    used = 0;
    for (unsigned i = 0; i < 2000; i++) {
        struct sn_node_addr a = addr(2 + i, 0x08080000 + i), from = addr(1000000 + i, random_ip());
        T_EQ(sn_book_add(b, NOW + i, &a, &from), 1);
        T_OK(sn_book_good(b, NOW + i, a.id));
    }
    for (unsigned i = 0; i < SN_BOOK_OLD_BUCKETS; i++) used += b->old[i].n > 0;
    T_ASSERTF(used >= 1 && used <= 4, "%u buckets", used);
    check(b);
    sn_book_free(b);
}
SN_TEST(book_refuses)
{
    struct sn_book *b = make(true);
    struct sn_node_addr a = addr(2, 0x08080808), from = addr(1, 0x09090909),
                        moved = addr(2, 0x0b0b0b0b), got;
    struct sn_node_addr near = addr(3, 0x0a000001);
    T_EQ(sn_book_add(b, NOW, &near, &from), SN_E_INVALID_ARGUMENT);
    T_OK(sn_book_keep_out(b, a.id));
    T_EQ(sn_book_add(b, NOW, &a, &from), SN_E_PERMISSION_DENIED);
    T_EQ(sn_book_add(b, NOW, &from, &a), SN_E_PERMISSION_DENIED);
    b->n_own = 0;
    T_ASSERT(!sn_book_pick(b, 50, &got));
    T_EQ(sn_book_add(b, NOW, &a, &from), 1);
    T_OK(sn_book_good(b, NOW, a.id));
    T_EQ(sn_book_add(b, NOW, &moved, &from), 0); /* it keeps the address where we met it */
    T_ASSERT(sn_book_pick(b, 100, &got));
    T_ASSERT(memcmp(&got, &a, sizeof(a)) == 0);
    T_OK(sn_book_ban(b, a.id, NOW + SN_HOUR));
    T_ASSERT(!sn_book_pick(b, 50, &got));
    T_ASSERT(sn_book_is_banned(b, NOW, a.id) && !sn_book_is_banned(b, NOW + SN_HOUR, a.id));
    T_EQ(sn_book_add(b, NOW, &a, &from), SN_E_PERMISSION_DENIED);
    T_EQ(sn_book_add(b, NOW + SN_HOUR, &a, &from), 1);
    for (unsigned i = 0; i < SN_BOOK_BANS_MAX + 10; i++) {
        struct sn_node_addr x = addr(100 + i, 0x08080808);
        T_OK(sn_book_ban(b, x.id, NOW + i));
    }
    struct sn_book_counts n;
    sn_book_counts(b, &n);
    T_EQ(n.banned, SN_BOOK_BANS_MAX);
    struct sn_book *bad;
    T_EQ(sn_book_new(&(struct sn_book_opts){.key = "short"}, &bad), SN_E_INVALID_ARGUMENT);
    sn_book_free(b);
}
SN_TEST(book_saves_and_loads)
{
    struct sn_book *b = make(true), *c = make(true);
    struct sn_buf out = {0}, again = {0};
    for (unsigned i = 0; i < 3000; i++) {
        struct sn_node_addr a = addr(2 + i, random_ip()),
                            from = addr(1000000 + i % 100, random_ip());
        T_EQ(sn_book_add(b, NOW + i, &a, &from), 1);
        if (i % 3 == 0) T_OK(sn_book_good(b, NOW + i, a.id));
        if (i % 5 == 0) sn_book_tried(b, NOW + i, a.id);
    }
    T_OK(sn_book_save(b, &out));
    T_EQ(sn_book_load(c, NOW, sn_buf_view(&out)), 0);
    check(c);
    T_EQ(c->n_old, b->n_old);
    T_OK(sn_book_save(c, &again));
    T_ASSERT(sn_str_eq(sn_buf_view(&out), sn_buf_view(&again)));
    sn_book_free(c);
    c = make(true);
    T_EQ(sn_book_load(c, NOW, SN_STR("{\"key\":\"zz\",\"addrs\":[]}")), SN_E_SYNTAX);
    T_EQ(sn_book_load(c, NOW, SN_STR("[")), SN_E_SYNTAX);
    T_EQ(
        sn_book_load(
            c, NOW,
            SN_STR(
                "{\"key\":\"0123456789abcdef01234567\",\"addrs\":[null, {}, {\"addr\":{\"id\":1}},"
                "{\"addr\":{\"id\":\"0123456789abcdef0123456789abcdef01234567\",\"ip\":\"1.2.3.4\","
                "\"port\":1},\"src\":{\"id\":\"0123456789abcdef0123456789abcdef01234567\",\"ip\":"
                "\"1.2.3.4\",\"port\":1},\"buckets\":[256],\"bucket_type\":1}]}")),
        4);
    sn_book_free(c);
    sn_book_free(b);
    sn_buf_done(&out);
    sn_buf_done(&again);
}
/* Picks follow the preference, and everything in the book is picked some time. */
SN_TEST(book_picks)
{
    struct sn_book *b = make(true);
    struct sn_node_addr got, from = addr(1, 0x09090909);
    unsigned seen[40] = {0}, old = 0;
    for (unsigned i = 0; i < 40; i++) {
        struct sn_node_addr a = addr(100 + i, random_ip());
        T_EQ(sn_book_add(b, NOW, &a, &from), 1);
        if (i < 20) T_OK(sn_book_good(b, NOW, a.id));
    }
    for (unsigned i = 0; i < 20000; i++) {
        T_ASSERT(sn_book_pick(b, 30, &got));
        unsigned who = (unsigned)strtoul(got.id, NULL, 16) - 100;
        seen[who]++;
        old += who < 20;
    }
    T_ASSERTF(old > 13000 && old < 15000, "%u old ones", old);
    for (unsigned i = 0; i < 40; i++) T_ASSERT(seen[i] > 0);
    static struct sn_node_addr list[SN_BOOK_SELECT_MAX];
    T_EQ(sn_book_select(b, list), 32);
    for (unsigned i = 0; i < 32; i++)
        for (unsigned k = 0; k < i; k++)
            T_ASSERT(memcmp(list[i].id, list[k].id, SN_NODE_ID_LEN) != 0);
    sn_book_free(b);
}
SN_TEST(pex_rules)
{
    struct sn_book *a = make(true), *b = make(true);
    struct sn_pex pa = {0}, pb = {0};
    struct sn_node_addr na = addr(1, 0x09090909), nb = addr(2, 0x0b0b0b0b);
    struct sn_buf ask = {0}, answer = {0};
    for (unsigned i = 0; i < 2000; i++) {
        struct sn_node_addr x = addr(100 + i, random_ip()), from = addr(5000 + i % 64, random_ip());
        T_EQ(sn_book_add(b, NOW, &x, &from), 1);
    }
    T_EQ(sn_pex_ask(&pa, &ask), 1);
    T_EQ(sn_pex_ask(&pa, &ask), 0);
    T_ASSERT(sn_str_eq(sn_buf_view(&ask), SN_STR("\x0a\x00")));
    T_EQ(sn_pex_receive(&pb, b, NOW, &na, sn_buf_view(&ask), &answer), 0);
    T_EQ(sn_pex_receive(&pa, a, NOW, &nb, sn_buf_view(&answer), &ask), SN_BOOK_SELECT_MAX);
    check(a);
    /* The same again is unsolicited. */
    T_EQ(sn_pex_receive(&pa, a, NOW, &nb, sn_buf_view(&answer), &ask), SN_E_PROTOCOL);
    /* The second request is free, the third must wait. */
    T_EQ(sn_pex_receive(&pb, b, NOW + 1, &na, SN_STR("\x0a\x00"), &answer), 0);
    T_EQ(sn_pex_receive(&pb, b, NOW + SN_PEX_ASK_MIN_NS, &na, SN_STR("\x0a\x00"), &answer),
         SN_E_RESOURCE_EXHAUSTED);
    T_EQ(sn_pex_receive(&pb, b, NOW + SN_PEX_ASK_MIN_NS + 1, &na, SN_STR("\x0a\x00"), &answer), 0);
    T_EQ(sn_pex_receive(&pb, b, NOW, &na, SN_STR(""), &answer), SN_E_PROTOCOL);
    T_EQ(sn_pex_receive(&pb, b, NOW, &na, SN_STR("\x0a\x05"), &answer), SN_E_PROTOCOL);
    pa.asked = true; /* an address that is none */
    T_EQ(sn_pex_receive(&pa, a, NOW, &nb, SN_STR("\x12\x05\x0a\x03\x0a\x01x"), &ask),
         SN_E_PROTOCOL);
    sn_buf_done(&ask);
    sn_buf_done(&answer);
    sn_book_free(a);
    sn_book_free(b);
}
static int torture(void *arg)
{
    struct sn_book *a = NULL, *b = NULL;
    struct sn_pex p = {0};
    struct sn_buf out = {0}, file = {0};
    int r = sn_book_new(&(struct sn_book_opts){.seed = 1}, &a);
    if (r == 0) r = sn_book_new(&(struct sn_book_opts){.seed = 2}, &b);
    for (unsigned i = 0; i < 3 && r >= 0; i++) {
        struct sn_node_addr x = addr(100 + i, 0x08080808 + (i << 16)), from = addr(1, 0x09090909);
        r = sn_book_add(a, NOW, &x, &from);
        if (r >= 0 && i == 0) r = sn_book_good(a, NOW, x.id);
        if (r >= 0 && i == 1) r = sn_book_ban(a, x.id, NOW);
    }
    struct sn_node_addr peer = addr(9, 0x0b0b0b0b);
    if (r >= 0) r = sn_pex_receive(&p, a, NOW, &peer, SN_STR("\x0a\x00"), &out);
    if (r >= 0) r = sn_book_save(a, &file);
    if (r >= 0) r = sn_book_load(b, NOW, sn_buf_view(&file));
    sn_buf_done(&out);
    sn_buf_done(&file);
    sn_book_free(a);
    sn_book_free(b);
    return r;
}
SN_TEST(book_without_memory)
{
    int n = sn_torture(torture, NULL);
    T_ASSERTF(n >= 8, "%s", sn_diag_str(n));
}
