/* SPDX-License-Identifier: Apache-2.0 */
/* codegen/gen_api_int.h - the parts of the generator of REST services. */
#pragma once
#include "codegen/gen_int.h"

struct gen_api {
    const struct sn_api *api;
    const struct sn_gen_opts *o;
    struct sn_arena *arena;
    struct sn_gen_files *files;
    struct sn_api_type **structs; /* those with fields, each after what it holds by value */
    size_t n_structs, cap_structs;
    unsigned n_routes;
};
/* gen_api_collect - fills g->structs. */
int gen_api_collect(struct gen_api *g) SN_MUST_CHECK;
/* gen_api_c_type - the C type of a value; maps' entries get names that begin with `hint`. */
void gen_api_c_type(struct gen_api *g, struct sn_buf *b, const struct sn_api_type *t,
                    const char *hint);
/* gen_api_node - the same as a node of the tables. */
void gen_api_node(struct sn_buf *b, const struct sn_api_type *t);
/* gen_api_header, gen_api_tables - P.gen.h and P_types.gen.c. */
int gen_api_header(struct gen_api *g) SN_MUST_CHECK;
int gen_api_tables(struct gen_api *g) SN_MUST_CHECK;
/* gen_api_answer - the type of a route's answer as its handler sees it, where it has one: "struct
 * front_order", or the typedef "front_list_answer" where it is no struct. */
void gen_api_answer(struct sn_buf *b, const struct sn_api_route *r);
/* gen_api_flat - "gen/" or "" in front of what is ours. */
static inline const char *gen_api_dir(const struct gen_api *g) { return g->o->flat ? "" : "gen/"; }
