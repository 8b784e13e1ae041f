/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-oci/opts.c - options as Go programs take them: one dash or two, "=" or the next word. */
#include "cmd.h"

static const struct opt *find(const struct opt *o, struct sn_str name)
{
    for (; o->name; o++)
        if (sn_str_eqc(name, o->name) || (o->letter && name.len == 1 && name.ptr[0] == o->letter))
            return o;
    return NULL;
}

static int boolean(struct sn_str v, bool *ret)
{
    if (!v.ptr || sn_str_eqc(v, "true") || sn_str_eqc(v, "1") || sn_str_eqc(v, "t"))
        *ret = true;
    else if (sn_str_eqc(v, "false") || sn_str_eqc(v, "0") || sn_str_eqc(v, "f"))
        *ret = false;
    else
        return SN_E_INVALID_ARGUMENT;
    return 0;
}

static int store(const struct opt *o, const char *v)
{
    uint64_t n;
    struct opt_list *l;
    switch (o->kind) {
    case OPT_STR: *(const char **)o->to = v; return 0;
    case OPT_UINT:
        if (sn_str_to_u64(sn_str(v), &n) < 0 || n > UINT32_MAX)
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "invalid value \"%.64s\" for flag -%s: expected a number", v, o->name);
        *(unsigned *)o->to = (unsigned)n;
        return 0;
    case OPT_LIST:
        l = o->to;
        if (l->n == OCI_VALUES_MAX)
            return sn_fail(SN_E_TOO_LARGE, "-%s: more than %d times", o->name, OCI_VALUES_MAX);
        l->v[l->n++] = v;
        return 0;
    case OPT_FLAG:
    case OPT_BOOLISH: break;
    }
    return SN_E_INTERNAL;
}

/* One option at argv[*at]; *at moves to the word after it. */
static int one(const struct opt *opts, int argc, char **argv, int *at)
{
    struct sn_str word = sn_str(argv[*at]),
                  name = sn_str_from(word, word.len > 1 && word.ptr[1] == '-' ? 2 : 1);
    struct sn_str value = {0};
    ssize_t eq = sn_str_chr(name, '=');
    if (eq >= 0) {
        value = sn_str_from(name, (size_t)eq + 1);
        name = sn_str_sub(name, 0, (size_t)eq);
    }
    const struct opt *o = find(opts, name);
    if (!o)
        return sn_fail(SN_E_INVALID_ARGUMENT, "flag provided but not defined: -%.*s",
                       SN_STR_ARG(name));
    ++*at;
    if (o->kind == OPT_FLAG || o->kind == OPT_BOOLISH) {
        if (boolean(value, o->to) == 0) return 0;
        return sn_fail(SN_E_INVALID_ARGUMENT, "invalid boolean value \"%.*s\" for -%s",
                       SN_STR_ARG(value), o->name);
    }
    if (value.ptr) return store(o, value.ptr); /* ends where the word ends */
    if (*at == argc) return sn_fail(SN_E_INVALID_ARGUMENT, "flag needs an argument: -%s", o->name);
    return store(o, argv[(*at)++]);
}

int opts_parse(const struct opt *opts, bool later, int *argc, char ***argv)
{
    char **a = *argv;
    int n = *argc, at = 0, words = 0;
    while (at < n) {
        if (a[at][0] != '-' || a[at][1] == 0) {
            if (!later) break;
            a[words++] = a[at++];
            continue;
        }
        if (strcmp(a[at], "--") == 0) {
            at++;
            break;
        }
        int e = one(opts, n, a, &at);
        if (e < 0) return e;
    }
    if (later) {
        while (at < n) a[words++] = a[at++];
        *argc = words;
        return 0;
    }
    *argc = n - at;
    *argv = a + at;
    return 0;
}
