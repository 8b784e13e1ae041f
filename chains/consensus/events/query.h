/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/events/query.h - the language CometBFT's users pick events with: conditions on
 * attributes, joined by AND, as in  tm.event = 'Tx' AND transfer.amount > 100
 *
 *   tag = 'text' | number | DATE 2006-01-02 | TIME 2006-01-02T15:04:05Z      tag CONTAINS 'text'
 *   tag < <= > >= number | date | time                                       tag EXISTS
 *
 * A tag is an event's type, a dot and an attribute's name; with EXISTS also a type alone. Numbers
 * are compared as decimals of any length, and only an attribute's leading digits count ("8stake" is
 * 8). Each condition must be met by some attribute, not all by the same event. Source: CometBFT
 * v0.38.25, libs/pubsub/query/syntax/doc.go. */
#pragma once
#include "core/buf.h"
#include "core/str.h"

#define SN_QUERY_BYTES_MAX 4096
#define SN_QUERY_CONDS_MAX 256

enum sn_query_op {
    SN_QUERY_EQ,
    SN_QUERY_LT,
    SN_QUERY_LE,
    SN_QUERY_GT,
    SN_QUERY_GE,
    SN_QUERY_CONTAINS,
    SN_QUERY_EXISTS,
};
enum sn_query_type { SN_QUERY_NONE, SN_QUERY_TEXT, SN_QUERY_NUMBER, SN_QUERY_DATE, SN_QUERY_TIME };

struct sn_query_cond {
    struct sn_str tag;
    enum sn_query_op op;
    enum sn_query_type type; /* of arg; NONE with EXISTS */
    struct sn_str arg;       /* without quotes and without DATE or TIME */
    int64_t at_ns;           /* of a date or time */
};
/* Compiled; for indexers to read. */
struct sn_query {
    size_t n;
    struct sn_query_cond *conds;
};

/* sn_query_parse - Returns 0, SN_E_SYNTAX with the offset and what was expected there,
 * SN_E_OUT_OF_RANGE for years outside 1900..2261, SN_E_TOO_LARGE, SN_E_NOMEM. Owns: *ret, with a
 * copy of the text. */
int sn_query_parse(struct sn_str text, struct sn_query **ret) SN_MUST_CHECK;
void sn_query_free(struct sn_query *q);
/* sn_query_text - with one space between its parts: what a subscription is known by. Returns 0,
 * SN_E_NOMEM. */
int sn_query_text(const struct sn_query *q, struct sn_buf *out) SN_MUST_CHECK;

struct sn_query_attr {
    struct sn_str key; /* "type.name" */
    struct sn_str value;
};
/* sn_query_match - whether each condition is met by one of the attributes; never where there are
 * none. */
bool sn_query_match(const struct sn_query *q, const struct sn_query_attr *attrs, size_t n);
/* sn_query_cond_match - the condition against one attribute. */
bool sn_query_cond_match(const struct sn_query_cond *c, const struct sn_query_attr *a);
/* sn_query_number_cmp - the leading numbers of two texts, as decimals: < 0, 0, > 0 in *ret. False
 * where one of them does not begin with a digit. */
bool sn_query_number_cmp(struct sn_str a, struct sn_str b, int *ret);
