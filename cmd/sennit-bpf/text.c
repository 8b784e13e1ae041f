/* SPDX-License-Identifier: Apache-2.0 */
#include "sennit-bpf/text.h"

#include "core/status.h"

#define WORDS_MAX 8

struct words {
    struct sn_str w[WORDS_MAX];
    unsigned n;
};

/* Words between spaces, up to a '#'. Returns false where there are more than fit. */
static bool split(struct sn_str line, struct words *ret)
{
    ssize_t comment = sn_str_chr(line, '#');
    if (comment >= 0) line.len = (size_t)comment;
    ret->n = 0;
    for (line = sn_str_trim(line); line.len; line = sn_str_trim(line)) {
        size_t n = 0;
        while (n < line.len && line.ptr[n] != ' ' && line.ptr[n] != '\t') n++;
        if (ret->n == WORDS_MAX) return false;
        ret->w[ret->n++] = sn_str_sub(line, 0, n);
        line = sn_str_from(line, n);
    }
    return true;
}

static int read_service(const struct words *l, struct sn_tkw_service *v)
{
    if (l->n < 5)
        return sn_fail(SN_E_SYNTAX,
                       "expected: service NAME tcp|udp ADDRESS closed|open|pass [sticky]");
    v->name = l->w[1];
    bool udp = sn_str_eqc(l->w[2], "udp");
    if (!udp && !sn_str_eqc(l->w[2], "tcp"))
        return sn_fail(SN_E_SYNTAX, "expected tcp or udp, got \"%.*s\"", SN_STR_ARG(l->w[2]));
    v->proto = udp ? 17 : 6;
    int r = sn_tkw_addr_parse(l->w[3], v->ip, &v->port);
    if (r < 0) return r;
    static const char *const policies[] = {"closed", "open", "pass"};
    unsigned p = 0;
    while (p < SN_COUNT_OF(policies) && !sn_str_eqc(l->w[4], policies[p])) p++;
    if (p == SN_COUNT_OF(policies))
        return sn_fail(SN_E_SYNTAX, "expected closed, open or pass, got \"%.*s\"",
                       SN_STR_ARG(l->w[4]));
    v->lapsed = (uint8_t)p;
    for (unsigned i = 5; i < l->n; i++) {
        if (!sn_str_eqc(l->w[i], "sticky"))
            return sn_fail(SN_E_SYNTAX, "expected sticky, got \"%.*s\"", SN_STR_ARG(l->w[i]));
        v->by_cgroup = true;
    }
    return 0;
}

static int read_endpoint(struct sn_arena *a, const struct words *l, struct sn_tkw_service *v)
{
    bool direct = sn_str_eqc(l->w[0], "direct");
    struct sn_tkw_endpoint **list = direct ? &v->direct : &v->live;
    uint32_t *n = direct ? &v->n_direct : &v->n_live;
    uint64_t weight = 1;
    if (!*list) *list = SN_ARENA_ARRAY(a, struct sn_tkw_endpoint, SN_TKW_ENDPOINTS_MAX);
    if (!*list) return SN_E_NOMEM;
    if (*n == SN_TKW_ENDPOINTS_MAX)
        return sn_fail(SN_E_SYNTAX, "more than %u back-ends", SN_TKW_ENDPOINTS_MAX);
    struct sn_tkw_endpoint *e = &(*list)[*n];
    if (l->n < 2 || l->n > 3)
        return sn_fail(SN_E_SYNTAX, "expected: %.*s ADDRESS [WEIGHT]", SN_STR_ARG(l->w[0]));
    if (l->n == 3 &&
        (sn_str_to_u64(l->w[2], &weight) < 0 || weight < 1 || weight > SN_TKW_WEIGHT_MAX))
        return sn_fail(SN_E_SYNTAX, "expected a weight from 1 to %u, got \"%.*s\"",
                       SN_TKW_WEIGHT_MAX, SN_STR_ARG(l->w[2]));
    int r = sn_tkw_addr_parse(l->w[1], e->ip, &e->port);
    if (r < 0) return r;
    e->weight = (uint16_t)weight;
    e->via = sn_str_eqc(l->w[0], "via");
    (*n)++;
    return 0;
}

static int read_line(struct sn_arena *a, const struct words *l, struct sn_tkw_snapshot *s)
{
    struct sn_str what = l->w[0];
    int64_t ttl;
    if (sn_str_eqc(what, "service")) {
        if (s->n == SN_TKW_SERVICES_MAX)
            return sn_fail(SN_E_SYNTAX, "more than %u services", SN_TKW_SERVICES_MAX);
        return read_service(l, &s->services[s->n++]);
    }
    if (sn_str_eqc(what, "live") || sn_str_eqc(what, "via") || sn_str_eqc(what, "direct")) {
        if (s->n == 0) return sn_fail(SN_E_SYNTAX, "a back-end before the first service");
        return read_endpoint(a, l, &s->services[s->n - 1]);
    }
    if (!sn_str_eqc(what, "ttl"))
        return sn_fail(SN_E_SYNTAX, "expected service, live, via, direct or ttl, got \"%.*s\"",
                       SN_STR_ARG(what));
    if (l->n != 2 || sn_str_to_duration(l->w[1], &ttl) < 0 || ttl < SN_MS ||
        ttl > (int64_t)SN_TKW_TTL_MS_MAX * SN_MS)
        return sn_fail(SN_E_SYNTAX, "expected: ttl DURATION, from 1ms to 24h");
    s->ttl_ms = (uint32_t)(ttl / SN_MS);
    return 0;
}

int tk_text_read(struct sn_arena *a, struct sn_str text, struct sn_tkw_snapshot *ret)
{
    struct sn_tkw_snapshot s = {0};
    s.services = SN_ARENA_ARRAY(a, struct sn_tkw_service, SN_TKW_SERVICES_MAX);
    if (!s.services) return SN_E_NOMEM;
    for (unsigned line = 1; text.len; line++) {
        struct words l;
        struct sn_str row = sn_str_cut(&text, '\n');
        int r = split(row, &l) ? 0 : sn_fail(SN_E_SYNTAX, "more than %d words", WORDS_MAX);
        if (r == 0 && l.n) r = read_line(a, &l, &s);
        if (r < 0) return sn_wrap(r, "line %u", line);
    }
    int r = sn_tkw_check(&s);
    if (r == 0) *ret = s;
    return r;
}
