/* SPDX-License-Identifier: Apache-2.0 */
#include "codegen/names.h"

#include <ctype.h>

/* Keywords, and names that headers of a hosted C define as macros. */
static const char *const reserved[] = {
    "alignas", "alignof", "asm",      "assert",   "auto",     "bool",   "break",    "case",
    "char",    "const",   "continue", "default",  "do",       "double", "else",     "enum",
    "errno",   "extern",  "false",    "float",    "for",      "goto",   "if",       "inline",
    "int",     "linux",   "long",     "register", "restrict", "return", "short",    "signed",
    "sizeof",  "static",  "stderr",   "stdin",    "stdout",   "struct", "switch",   "true",
    "typedef", "typeof",  "union",    "unix",     "unsigned", "void",   "volatile", "while",
};

const char *sn_gen_snake(struct sn_arena *a, struct sn_str s)
{
    char *out = sn_arena_alloc(a, 2 * s.len + 2), *q = out;
    if (!out) return NULL;
    if (!s.len || isdigit((unsigned char)s.ptr[0])) *q++ = '_';
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (isupper(c)) {
            unsigned char prev = i ? (unsigned char)s.ptr[i - 1] : '_';
            unsigned char next = i + 1 < s.len ? (unsigned char)s.ptr[i + 1] : '_';
            if (islower(prev) || isdigit(prev) || (isupper(prev) && islower(next))) *q++ = '_';
            c = (unsigned char)tolower(c);
        }
        *q++ = isalnum(c) && c < 128 ? (char)c : '_';
    }
    *q = 0;
    return out;
}

const char *sn_gen_member(struct sn_arena *a, struct sn_str s)
{
    const char *c = sn_gen_snake(a, s);
    for (size_t i = 0; c && i < SN_COUNT_OF(reserved); i++)
        if (strcmp(c, reserved[i]) == 0) return sn_arena_printf(a, "%s_", c).ptr;
    return c;
}

const char *sn_gen_upper(struct sn_arena *a, const char *s)
{
    struct sn_str copy = sn_arena_str(a, sn_str(s));
    char *p = (char *)(uintptr_t)copy.ptr;
    for (size_t i = 0; p && i < copy.len; i++) p[i] = (char)toupper((unsigned char)p[i]);
    return p;
}
