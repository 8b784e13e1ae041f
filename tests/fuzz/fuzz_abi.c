/* SPDX-License-Identifier: Apache-2.0 */
/* Input: parameter types, a newline, data. What parses is bounded; what decodes strictly encodes to
 * the same bytes; the JSON of a value gives the value back. */
#include <stdint.h>

#include "evm/codec.h"

static void decode(struct sn_arena *a, const struct sn_abi_type *t, struct sn_str data)
{
    static const struct sn_abi_decode_opts lenient = {.lenient = true, .work_max = 4096};
    static const struct sn_abi_decode_opts strict = {.work_max = 4096};
    struct sn_abi_value v;
    struct sn_buf b;
    sn_buf_init(&b, 0);
    if (sn_abi_decode(a, t, data, &strict, &v) == 0) {
        SN_ASSERT(sn_abi_encode(t, &v, &b) == 0);
        SN_ASSERT(sn_str_eq(sn_buf_view(&b), data));
        (void)!sn_abi_encode_packed(t, &v, &b);
        for (size_t i = 0; i < t->n_components; i++) {
            uint8_t topic[32];
            SN_ASSERT(sn_abi_topic(t->components[i].type, &v.items[i], topic) == 0);
        }
        SN_ASSERT(sn_abi_decode(a, t, data, &lenient, &v) == 0);
        struct sn_jsonw w;
        sn_buf_reset(&b);
        sn_jsonw_init(&w, &b, NULL);
        sn_abi_to_json(&w, t, &v);
        const struct sn_json *tree;
        SN_ASSERT(b.err == 0 && sn_json_parse(a, sn_buf_view(&b), NULL, &tree) == 0);
        struct sn_abi_value back; /* strings that are no UTF-8 change; nothing else may */
        SN_ASSERT(sn_abi_from_json(a, t, tree, &back) == 0);
    } else {
        (void)!sn_abi_decode(a, t, data, &lenient, &v);
    }
    sn_buf_done(&b);
}
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct sn_str rest = sn_str_of((const char *)bytes, size);
    struct sn_str head = sn_str_cut(&rest, '\n');
    struct sn_abi_params p;
    struct sn_abi_item it, again;
    struct sn_abi abi;
    struct sn_abi_contracts c;
    const struct sn_abi_type *t;
    struct sn_arena a;
    struct sn_buf b;
    sn_arena_init(&a, NULL, 256u << 20);
    sn_buf_init(&b, 0);
    if (sn_abi_params_parse(&a, head, &p) == 0 && sn_abi_params_type(&a, p, &t) == 0 && rest.ptr)
        decode(&a, t, rest);
    if (sn_abi_item_parse(&a, head, &it) == 0) {
        SN_ASSERT(sn_abi_item_format(&b, &it) == 0);
        SN_ASSERT(sn_abi_item_parse(&a, sn_buf_view(&b), &again) == 0);
        SN_ASSERT(sn_str_eq(it.signature, again.signature));
    }
    (void)!sn_abi_text_parse(&a, sn_str_of((const char *)bytes, size), &abi);
    (void)!sn_abi_load(&a, sn_str_of((const char *)bytes, size), SN_STR("x"), &c);
    sn_buf_done(&b);
    sn_arena_done(&a);
    return 0;
}
