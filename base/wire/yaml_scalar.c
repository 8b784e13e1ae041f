/* SPDX-License-Identifier: Apache-2.0 */
/* wire/yaml_scalar.c - the core schema's regular expressions, as code. */
#include "wire/yaml_int.h"

static bool digit(char c) { return c >= '0' && c <= '9'; }

static bool one_of(struct sn_str s, const char *const *words)
{
    for (; *words; words++)
        if (sn_str_eqc(s, *words)) return true;
    return false;
}

static bool all_based(struct sn_str s, bool hex)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i], l = (char)(c | 0x20);
        if (hex ? !(digit(c) || (l >= 'a' && l <= 'f')) : !(c >= '0' && c <= '7')) return false;
    }
    return s.len > 0;
}

/* [-+]? ( \.[0-9]+ | [0-9]+ (\.[0-9]*)? ) ([eE][-+]?[0-9]+)? */
static enum sn_yaml_scalar number(struct sn_str s)
{
    size_t i = s.ptr[0] == '-' || s.ptr[0] == '+', from = i;
    while (i < s.len && digit(s.ptr[i])) i++;
    size_t whole = i - from, frac = 0;
    if (i == s.len && whole)
        return whole > 1 && s.ptr[from] == '0' ? SN_YAML_ZEROS : SN_YAML_INT;
    if (i < s.len && s.ptr[i] == '.') {
        size_t dot = ++i;
        while (i < s.len && digit(s.ptr[i])) i++;
        frac = i - dot;
    }
    if (whole + frac == 0) return SN_YAML_STRING;
    if (i < s.len && (s.ptr[i] | 0x20) == 'e') {
        i++;
        if (i < s.len && (s.ptr[i] == '-' || s.ptr[i] == '+')) i++;
        size_t exp = i;
        while (i < s.len && digit(s.ptr[i])) i++;
        if (i == exp) return SN_YAML_STRING;
    }
    return i == s.len ? SN_YAML_FLOAT : SN_YAML_STRING;
}

enum sn_yaml_scalar sn_yaml_classify(struct sn_str s, bool yaml11)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    static const char *const trues11[] = {"y", "Y", "yes", "Yes", "YES", "on", "On", "ON", NULL};
    static const char *const falses11[] = {"n", "N", "no", "No", "NO", "off", "Off", "OFF", NULL};
    static const char *const specials[] = {".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", NULL};
    if (one_of(s, nulls)) return SN_YAML_NULL;
    if (one_of(s, trues) || (yaml11 && one_of(s, trues11))) return SN_YAML_TRUE;
    if (one_of(s, falses) || (yaml11 && one_of(s, falses11))) return SN_YAML_FALSE;
    char c = s.ptr[0];
    if (!digit(c) && c != '-' && c != '+' && c != '.') return SN_YAML_STRING;
    if (s.len > 2 && c == '0' && (s.ptr[1] == 'o' || s.ptr[1] == 'x'))
        return all_based(sn_str_from(s, 2), s.ptr[1] == 'x') ? SN_YAML_BASED : SN_YAML_STRING;
    bool sign = c == '-' || c == '+';
    struct sn_str bare = sn_str_from(s, sign);
    if (one_of(bare, specials) && (!sign || (bare.ptr[1] | 0x20) == 'i')) return SN_YAML_NOT_FINITE;
    return number(s);
}
