/* SPDX-License-Identifier: Apache-2.0 */
/* Tables that are read, in both dialects, have keys over columns they have, and a model. */
#include <stdint.h>

#include "codegen/codegen.h"
#include "core/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_str text = sn_str_of((const char *)data, size);
    for (int d = SN_DDL_MARIADB; d <= SN_DDL_POSTGRES; d++) {
        struct sn_arena a;
        struct sn_ddl_table *t;
        struct sn_gen_files files;
        sn_arena_init(&a, NULL, 64u << 20);
        if (sn_ddl_parse(&a, SN_STR("x.sql"), text, (enum sn_ddl_dialect)d, &t) == 0) {
            for (const struct sn_ddl_table *x = t; x; x = x->next)
                for (unsigned k = 0; k < x->n_keys; k++)
                    for (unsigned c = 0; c < x->keys[k].n; c++)
                        SN_ASSERT(x->keys[k].cols[c] < x->n_cols);
            int r = sn_gen_model(t, (enum sn_ddl_dialect)d,
                                 &(struct sn_gen_opts){.source = SN_STR("x.sql")}, &a, &files);
            SN_ASSERT(r == 0 || r == SN_E_UNIMPLEMENTED || r == SN_E_NOMEM || r == SN_E_TOO_LARGE);
        }
        sn_arena_done(&a);
    }
    return 0;
}
