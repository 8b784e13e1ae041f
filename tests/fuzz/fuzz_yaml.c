/* SPDX-License-Identifier: Apache-2.0 */
/* Accepted documents stay what they are through our YAML and JSON writers, within the arena. */
#include <stdint.h>

#include "core/arena.h"
#include "core/base.h"
#include "core/status.h"
#include "wire/yaml.h"

#define ARENA_MAX (32u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_str text = sn_str_of((const char *)data, size);
    struct sn_arena a;
    struct sn_buf b;
    struct sn_yaml_doc *docs, back;
    size_t n = 0;
    for (int yaml11 = 0; yaml11 < 2; yaml11++) {
        struct sn_yaml_pos at;
        struct sn_yaml_opts o = {.yaml11 = yaml11, .nodes_max = 20000, .error = &at};
        sn_arena_init(&a, NULL, ARENA_MAX);
        sn_buf_init(&b, 64u << 20);
        if (sn_yaml_parse_all(&a, text, &o, &docs, &n) < 0) n = 0;
        for (size_t i = 0; i < n; i++) {
            const struct sn_json *json;
            sn_buf_reset(&b);
            SN_ASSERT(sn_yaml_write(&b, docs[i].root, NULL) == 0);
            int r = sn_yaml_parse(&a, sn_buf_view(&b), NULL, &back);
            if (r == SN_E_NOMEM) break;
            SN_ASSERT(r == 0 && sn_json_eq(docs[i].root, back.root));
            sn_buf_reset(&b);
            SN_ASSERT(sn_json_write(&b, docs[i].root, NULL) == 0);
            r = sn_json_parse(&a, sn_buf_view(&b), NULL, &json);
            if (r == SN_E_NOMEM) break;
            SN_ASSERT(r == 0 && sn_json_eq(docs[i].root, json));
        }
        sn_buf_done(&b);
        sn_arena_done(&a);
    }
    return 0;
}
