/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-bpf/tables_test.c - tables as the programs read them, and services as text. */
#include "sennit-bpf/tables.h"

#include <arpa/inet.h>

#include "core/alloc.h"
#include "core/status.h"
#include "core/torture.h"
#include "harness/test.h"
#include "sennit-bpf/text.h"

#define BACKENDS 40

static struct sn_tk_table *build(const char *text)
{
    struct sn_arena a;
    struct sn_tkw_snapshot s;
    struct sn_tk_table *t = SN_NEW(struct sn_tk_table);
    sn_arena_init(&a, NULL, 0);
    T_ASSERT(t);
    T_OK(tk_text_read(&a, sn_str(text), &s));
    T_EQ(s.n, 1);
    T_OK(tk_table_build(&s.services[0], 7, t));
    sn_arena_done(&a);
    return t;
}

static void shares(const struct sn_tk_set *s, unsigned out[SN_TK_BACKENDS_MAX])
{
    memset(out, 0, SN_TK_BACKENDS_MAX * sizeof(*out));
    for (unsigned i = 0; i < SN_TK_SLOTS; i++) {
        T_ASSERT(s->slot[i] < s->n);
        out[s->slot[i]]++;
    }
}

SN_TEST(takeover_table_has_what_was_said)
{
    struct sn_tk_table *t =
        build("service s udp [fd00::5]:53 open sticky\n live [fd00::1]:5300\n via [fd00::2]:80\n"
              " direct [fd00::1]:5300 9 # last\n");
    T_EQ(t->counters, 7);
    T_EQ(t->lapsed, SN_TK_DIRECT);
    T_EQ(t->affinity, SN_TK_BY_CGROUP);
    T_EQ(t->live.n, 2);
    T_EQ(t->direct.n, 1);
    T_EQ(ntohs(t->live.backend[0].addr.port), 5300);
    T_ASSERT(!t->live.backend[0].via && t->live.backend[1].via);
    sn_free(t);
}

SN_TEST(takeover_table_shares_follow_weights)
{
    struct sn_tk_table *t =
        build("service s tcp 10.0.0.1:80 closed\n live 10.1.0.1:80 1\n live 10.1.0.2:80 2\n"
              " live 10.1.0.3:80 5\n");
    unsigned n[SN_TK_BACKENDS_MAX];
    shares(&t->live, n);
    const unsigned want[] = {1, 2, 5};
    for (unsigned i = 0; i < 3; i++) {
        int is = (int)n[i], ought = (int)(SN_TK_SLOTS * want[i] / 8);
        T_ASSERTF(is - ought <= SN_TK_SLOTS / 100 && ought - is <= SN_TK_SLOTS / 100,
                  "back-end %u has %d of %d slots, expected about %d", i, is, SN_TK_SLOTS, ought);
    }
    sn_free(t);
}

static void list(char *out, size_t cap, unsigned n, unsigned without, bool backwards)
{
    size_t at = (size_t)snprintf(out, cap, "service s tcp 10.0.0.1:80 closed\n");
    for (unsigned k = 0; k < n; k++) {
        unsigned i = backwards ? n - 1 - k : k;
        if (i != without)
            at +=
                (size_t)snprintf(out + at, cap - at, " live 10.1.%u.%u:80\n", i / 200, i % 200 + 1);
    }
}

SN_TEST(takeover_table_is_the_same_in_any_order_and_moves_little)
{
    char text[BACKENDS * 32 + 64];
    list(text, sizeof(text), BACKENDS, UINT32_MAX, false);
    struct sn_tk_table *a = build(text);
    list(text, sizeof(text), BACKENDS, UINT32_MAX, true);
    struct sn_tk_table *b = build(text);
    T_ASSERT(memcmp(a, b, sizeof(*a)) == 0);
    list(text, sizeof(text), BACKENDS, 17, false);
    struct sn_tk_table *c = build(text);
    unsigned moved = 0, had = 0;
    for (unsigned i = 0; i < SN_TK_SLOTS; i++) {
        const struct sn_tk_backend *x = &a->live.backend[a->live.slot[i]],
                                   *y = &c->live.backend[c->live.slot[i]];
        had += a->live.slot[i] == 17;
        moved += a->live.slot[i] != 17 && memcmp(x, y, sizeof(*x)) != 0;
    }
    T_ASSERTF(had > 0 && moved < SN_TK_SLOTS / 8, "%u of the others' slots moved when %u had to",
              moved, had);
    sn_free(a);
    sn_free(b);
    sn_free(c);
}

SN_TEST(takeover_table_of_most_backends)
{
    char text[SN_TK_BACKENDS_MAX * 32 + 64];
    list(text, sizeof(text), SN_TK_BACKENDS_MAX, UINT32_MAX, false);
    struct sn_tk_table *t = build(text);
    unsigned n[SN_TK_BACKENDS_MAX];
    shares(&t->live, n);
    for (unsigned i = 0; i < SN_TK_BACKENDS_MAX; i++)
        T_ASSERTF(n[i] >= 10, "back-end %u has %u slots", i, n[i]);
    sn_free(t);
}

SN_TEST(takeover_text_errors_name_the_line)
{
    static const struct {
        const char *text, *says;
        int code;
    } rows[] = {
        {"service s tcp 10.0.0.1:80\n", "line 1: expected: service NAME", SN_E_SYNTAX},
        {"\n\nservice s sctp 10.0.0.1:80 open\n", "line 3: expected tcp or udp, got \"sctp\"",
         SN_E_SYNTAX},
        {"service s tcp ten:80 open\n", "line 1: expected an address", SN_E_SYNTAX},
        {"service s tcp 10.0.0.1:80 ajar\n", "expected closed, open or pass, got \"ajar\"",
         SN_E_SYNTAX},
        {"service s tcp 10.0.0.1:80 open clingy\n", "expected sticky", SN_E_SYNTAX},
        {"live 10.0.0.1:80\n", "line 1: a back-end before the first service", SN_E_SYNTAX},
        {"service s tcp 10.0.0.1:80 open\nlive 10.0.0.2:80 0\n", "line 2: expected a weight",
         SN_E_SYNTAX},
        {"service s tcp 10.0.0.1:80 open\nlive\n", "line 2: expected: live ADDRESS", SN_E_SYNTAX},
        {"ttl soon\n", "expected: ttl DURATION", SN_E_SYNTAX},
        {"frob\n", "expected service, live, via, direct or ttl", SN_E_SYNTAX},
        {"a b c d e f g h i\n", "line 1: more than 8 words", SN_E_SYNTAX},
        {"service s tcp 10.0.0.1:80 open\nlive [::1]:80\n", "not of the service's address family",
         SN_E_INVALID_ARGUMENT},
        {"service s tcp 10.0.0.1:80 open\nlive 10.0.0.1:80\n", "it is a service itself",
         SN_E_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct sn_tkw_snapshot s;
        sn_test_row("%s", rows[i].says);
        sn_arena_init(&a, NULL, 0);
        T_EQ(tk_text_read(&a, sn_str(rows[i].text), &s), rows[i].code);
        T_ASSERTF(strstr(sn_diag_str(rows[i].code), rows[i].says), "said: %s",
                  sn_diag_str(rows[i].code));
        sn_arena_done(&a);
    }
}

static int torture_body(void *arg)
{
    struct sn_arena a;
    struct sn_tkw_snapshot s;
    sn_arena_init(&a, NULL, 0);
    int r =
        tk_text_read(&a, sn_str("ttl 2s\nservice s tcp 10.0.0.1:80 open\nlive 10.0.0.2:80\n"), &s);
    if (r == 0) r = tk_table_build(&s.services[0], 0, arg);
    sn_arena_done(&a);
    return r;
}

SN_TEST(takeover_table_without_memory)
{
    struct sn_tk_table *t = SN_NEW(struct sn_tk_table);
    T_OK(sn_torture(torture_body, t));
    T_EQ(t->live.n, 1);
    sn_free(t);
}
