/* SPDX-License-Identifier: Apache-2.0 */
/* json_cat - the reader and writer behind a pipe, for json_diff.py: texts come in, each behind its
 * length in decimal and a newline; out comes a line each, the compact text or "!" and the reason.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/status.h"
#include "wire/json.h"

#define TEXT_MAX (1u << 20)

int main(void)
{
    char line[32];
    while (fgets(line, sizeof(line), stdin)) {
        size_t n = strtoul(line, NULL, 10);
        char *text = n <= TEXT_MAX ? sn_alloc(n) : NULL;
        if (!text || fread(text, 1, n, stdin) != n) return 1;
        struct sn_arena a;
        struct sn_buf b;
        const struct sn_json *v;
        sn_arena_init(&a, NULL, 0);
        sn_buf_init(&b, 0);
        int r = sn_json_parse(&a, sn_str_of(text, n), NULL, &v);
        if (r == 0) r = sn_json_write(&b, v, NULL);
        if (r == 0) printf("%s\n", sn_buf_cz(&b));
        else printf("!%s\n", sn_diag_str(r));
        sn_buf_done(&b);
        sn_arena_done(&a);
        sn_free(text);
    }
    return 0;
}
