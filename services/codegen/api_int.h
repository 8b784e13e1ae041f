/* SPDX-License-Identifier: Apache-2.0 */
/* codegen/api_int.h - what the parts of the .api reader share. */
#pragma once
#include "codegen/api.h"
#include "core/status.h"

enum api_tok {
    API_END,
    API_IDENT,
    API_STRING,
    API_RAW,
    API_NUMBER,
    API_AT,    /* "@doc": text without '@' */
    API_PUNCT, /* text: one byte, or "..." */
};
struct api_token {
    enum api_tok kind;
    struct sn_str text; /* strings without their quotes */
    struct sn_api_pos pos;
    struct sn_str doc; /* the comment that ends on the line before, or on this one */
};
struct api_lex {
    struct sn_api *api;
    struct sn_api_pos pos; /* of the next byte */
    size_t at, line_at;
    struct api_token tok; /* the present one */
    uint32_t n_tokens;
    uint32_t prev_line; /* where the token before ended */
};

/* api_error - records an error at `pos`. Returns SN_E_SYNTAX with the text as diagnostic. */
int api_error(struct sn_api *api, struct sn_api_pos pos, const char *fmt, ...) SN_PRINTF(3, 4);
void api_warn(struct sn_api *api, struct sn_api_pos pos, const char *fmt, ...) SN_PRINTF(3, 4);
/* api_start - makes the file's first token the present one. api_next - the next one. Both return 0,
 * SN_E_SYNTAX, SN_E_TOO_LARGE. */
int api_start(struct api_lex *l, struct sn_api *api, const struct sn_api_file *f) SN_MUST_CHECK;
int api_next(struct api_lex *l) SN_MUST_CHECK;
/* api_next_value - the value of a "key: value" pair, after the ':': a string, or what stands on the
 * rest of the line. *ret_pos: where. Afterwards the present token is the one behind it. */
int api_next_value(struct api_lex *l, struct sn_str *ret, struct sn_api_pos *ret_pos) SN_MUST_CHECK;
/* api_next_path - the path of a route, up to white space, '(' or ';', as api_next_value. */
int api_next_path(struct api_lex *l, struct sn_str *ret, struct sn_api_pos *ret_pos) SN_MUST_CHECK;
/* api_next_name - a name with '-' inside: of a service. */
int api_next_name(struct api_lex *l, struct sn_str *ret, struct sn_api_pos *ret_pos) SN_MUST_CHECK;

/* api_tag - fills in what the field's tag says. */
int api_tag(struct sn_api *api, struct sn_api_field *f) SN_MUST_CHECK;
/* api_base_type - true and kind, bits for a built-in type's name. */
bool api_base_type(struct sn_str name, enum sn_api_kind *ret, uint8_t *ret_bits);
/* api_check - resolves names, lays out structs, checks routes. */
int api_check(struct sn_api *api) SN_MUST_CHECK;
