/* SPDX-License-Identifier: Apache-2.0 */
/* An .api description that is accepted gives a project whose OpenAPI document is JSON. */
#include <stdint.h>

#include "codegen/codegen.h"
#include "core/status.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_str text = sn_str_of((const char *)data, size);
    struct sn_arena a;
    struct sn_gen_files files;
    const struct sn_json *doc;
    struct sn_buf b;
    sn_arena_init(&a, NULL, 64u << 20);
    struct sn_api *api = SN_ARENA_NEW(&a, struct sn_api);
    sn_buf_init(&b, 16u << 20);
    int r = api ? sn_api_parse(&a, SN_STR("x.api"), text, NULL, NULL, api) : SN_E_NOMEM;
    if (api) SN_ASSERT(sn_api_report(api, &b) == 0);
    if (r == 0 && sn_gen_api(api, &(struct sn_gen_opts){.source = SN_STR("x.api")}, &files) == 0) {
        sn_buf_reset(&b);
        r = sn_gen_openapi(api, &b);
        if (r == 0) r = sn_json_parse(&a, sn_buf_view(&b), NULL, &doc);
        SN_ASSERT(r == 0 || r == SN_E_NOMEM);
    }
    sn_buf_done(&b);
    sn_arena_done(&a);
    return 0;
}
