/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/events/query.h"

#include "core/status.h"
#include "core/torture.h"
#include "tests/harness/test.h"

static const struct sn_query_attr attrs[] = {
    {SN_STR("tm.event"), SN_STR("Tx")},
    {SN_STR("tm.height"), SN_STR("15")},
    {SN_STR("transfer.amount"), SN_STR("8.045stake")},
    {SN_STR("transfer.amount"), SN_STR("100uatom")},
    {SN_STR("transfer.sender"), SN_STR("it's")},
    {SN_STR("rewards.withdraw.to"), SN_STR("")},
    {SN_STR("block.time"), SN_STR("2023-05-03T14:45:00.25Z")},
    {SN_STR("block.date"), SN_STR("2023-05-03")},
    {SN_STR("big.n"), SN_STR("099999999999999999999.50")},
    {SN_STR("alone"), SN_STR("x")},
};

SN_TEST(query_matches)
{
    static const struct {
        const char *query;
        bool yes;
    } rows[] = {
        {"tm.event = 'Tx'", true},
        {"tm.event='Tx'AND tm.height=15", true},
        {"tm.event = 'tx'", false},
        {"tm.event = 'Tx' AND tm.height > 15", false},
        {"tm.height >= 15 AND tm.height <= 15.0 AND tm.height < 15.01 AND tm.height > 14.99", true},
        {"tm.height = 015", true},
        {"tm.height = 15.", true},
        {"transfer.amount > 8.045", true}, /* the second one */
        {"transfer.amount < 8.05 AND transfer.amount >= 100", true},
        {"transfer.amount < 8", false},
        {"transfer.sender > 1", false},
        {"transfer.sender CONTAINS 't'", true},
        {"transfer.sender CONTAINS ''", true},
        {"transfer.sender CONTAINS 'x'", false},
        {"transfer.sender EXISTS", true},
        {"transfer EXISTS", true},
        {"trans EXISTS", false},
        {"transfer = ''", true},
        {"rewards EXISTS", false},
        {"rewards.withdraw EXISTS", true},
        {"rewards.withdraw.to EXISTS AND rewards.withdraw.to = ''", true},
        {"block.time = TIME 2023-05-03T14:45:00Z", false},
        {"block.time > TIME 2023-05-03T16:44:59+02:00", true},
        {"block.time <= TIME 2023-05-03T14:45:01Z", true},
        {"block.time > DATE 2000-01-01", false}, /* not a date */
        {"block.date = DATE 2023-05-03", true},
        {"block.date >= DATE 2023-05-04", false},
        {"big.n > 99999999999999999999 AND big.n < 100000000000000000000", true},
        {"big.n = 99999999999999999999.5", true},
        {"alone = 'x'", false}, /* no type */
        {"TIME.x EXISTS", false},
        {"TIME\tEXISTS", false},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_query *q;
        sn_test_row("%s", rows[i].query);
        T_OK(sn_query_parse(sn_str(rows[i].query), &q));
        T_EQ(sn_query_match(q, attrs, SN_COUNT_OF(attrs)), rows[i].yes);
        T_ASSERT(!sn_query_match(q, attrs, 0));
        sn_query_free(q);
    }
}

SN_TEST(query_errors)
{
    static const struct {
        const char *query;
        int code;
        const char *text;
    } rows[] = {
        {"", SN_E_SYNTAX, "offset 0: the query ends; an attribute's name is expected"},
        {"  ", SN_E_SYNTAX, "offset 2: the query ends; an attribute's name is expected"},
        {"a.b", SN_E_SYNTAX,
         "offset 3: the query ends; =, <, <=, >, >=, CONTAINS or EXISTS is expected"},
        {"a.b = ", SN_E_SYNTAX,
         "offset 6: the query ends; a 'text', number, DATE or TIME is expected"},
        {"a.b > 'x'", SN_E_SYNTAX, "offset 6: \"'x'\"; a number, DATE or TIME is expected"},
        {"a.b CONTAINS 5", SN_E_SYNTAX, "offset 13: \"5\"; a 'text' is expected"},
        {"a.b = 'x", SN_E_SYNTAX,
         "offset 8: the query ends; the quote that ends the text is expected"},
        {"a.b = 1 OR c.d = 2", SN_E_SYNTAX, "offset 8: \"OR c.d = 2\"; AND or the end is expected"},
        {"a.b = 1 AND", SN_E_SYNTAX, "offset 11: the query ends; an attribute's name is expected"},
        {"5a = 1", SN_E_SYNTAX, "offset 0: \"5a = 1\"; an attribute's name is expected"},
        {"AND = 1", SN_E_SYNTAX, "offset 0: \"AND = 1\"; an attribute's name is expected"},
        {"a.b = DATE 2023-02-30", SN_E_SYNTAX,
         "offset 11: \"2023-02-30\"; a date like 2006-01-02 is expected"},
        {"a.b = DATE  2023-02-03", SN_E_SYNTAX,
         "offset 11: \" 2023-02-03\"; a date like 2006-01-02 is expected"},
        {"a.b = TIME 2023-02-03", SN_E_SYNTAX,
         "offset 11: \"2023-02-03\"; a time like 2006-01-02T15:04:05Z is expected"},
        {"a.b = DATE 1899-12-31", SN_E_OUT_OF_RANGE,
         "offset 11: year 1899 is outside of 1900..2261"},
        {"a.b == 1", SN_E_SYNTAX, "offset 5: \"= 1\"; a 'text', number, DATE or TIME is expected"},
        {"a.b @ 1", SN_E_SYNTAX,
         "offset 4: \"@ 1\"; =, <, <=, >, >=, CONTAINS or EXISTS is expected"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_query *q;
        sn_test_row("%s", rows[i].query);
        T_EQ(sn_query_parse(sn_str(rows[i].query), &q), rows[i].code);
        T_CSTR(sn_diag_str(rows[i].code), rows[i].text);
    }
}

SN_TEST(query_limits)
{
    struct sn_buf b = {0};
    struct sn_query *q;
    for (unsigned i = 0; i < SN_QUERY_CONDS_MAX; i++)
        T_OK(sn_buf_printf(&b, "%sa>1", i ? " AND " : ""));
    T_OK(sn_query_parse(sn_buf_view(&b), &q));
    T_EQ(q->n, SN_QUERY_CONDS_MAX);
    sn_query_free(q);
    T_OK(sn_buf_cstr(&b, " AND a>1"));
    T_EQ(sn_query_parse(sn_buf_view(&b), &q), SN_E_TOO_LARGE);
    while (b.len <= SN_QUERY_BYTES_MAX) T_OK(sn_buf_cstr(&b, " "));
    T_EQ(sn_query_parse(sn_buf_view(&b), &q), SN_E_TOO_LARGE);
    sn_buf_done(&b);
}

SN_TEST(query_texts)
{
    struct sn_buf b = {0};
    struct sn_query *q;
    T_OK(sn_query_parse(
        SN_STR("\n a.b='x  y'  AND c<=TIME 2023-05-03T14:45:00Z AND d EXISTS AND e >1.0"), &q));
    T_OK(sn_query_text(q, &b));
    T_STR(sn_buf_view(&b),
          "a.b = 'x  y' AND c <= TIME 2023-05-03T14:45:00Z AND d EXISTS AND e > 1.0");
    sn_query_free(q);
    sn_buf_done(&b);
}

static int parsed(void *arg)
{
    struct sn_query *q;
    int r = sn_query_parse(SN_STR("a.b = 1 AND c EXISTS"), &q);
    if (r == 0) sn_query_free(q);
    return r;
}
SN_TEST(query_torture)
{
    T_EQ(sn_torture(parsed, NULL), 1);
}
