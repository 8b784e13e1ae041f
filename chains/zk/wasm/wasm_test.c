/* SPDX-License-Identifier: Apache-2.0 */
/* Calculators in WebAssembly: the module's form. What it computes is compared in tests/interop, where there is
 * something to run it. */
#include "zk/wasm/wasm.h"

#include "core/status.h"
#include "core/torture.h"
#include "tests/harness/test.h"
#include "zk/circom/circom.h"

static int read_text(void *ctx, const char *path, struct sn_buf *ret)
{
    (void)path;
    return sn_buf_cstr(ret, ctx);
}

static uint64_t leb(const uint8_t **p, const uint8_t *end)
{
    uint64_t v = 0;
    for (unsigned shift = 0; *p < end && shift < 63; shift += 7) {
        uint8_t c = *(*p)++;
        v |= (uint64_t)(c & 127) << shift;
        if (!(c & 128)) return v;
    }
    T_ASSERTF(false, "a number without an end");
    return 0;
}

/* Sections in the order the format asks for, up to the last byte; the program is the last segment. */
static void check_module(const struct sn_buf *m, const struct sn_buf *program)
{
    const uint8_t *p = m->ptr + 8, *end = m->ptr + m->len;
    static const uint8_t order[] = {[1] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, [12] = 10};
    unsigned last = 0;
    uint64_t pages = 0;
    T_ASSERT(m->len > 8 && memcmp(m->ptr, "\0asm\1\0\0\0", 8) == 0);
    while (p < end) {
        uint8_t id = *p++;
        uint64_t size = leb(&p, end);
        T_ASSERT(id >= 1 && id <= 12 && order[id] > last);
        last = order[id];
        T_ASSERT(size <= (uint64_t)(end - p));
        const uint8_t *at = p + 2;
        if (id == 5) pages = leb(&at, end);
        p += size;
    }
    T_ASSERT(p == end && last == order[11]);
    T_ASSERT(pages * 65536 >= (1u << 20) + 16 + program->len);
    T_ASSERT(m->len > program->len);
    T_ASSERT(memcmp(end - program->len, program->ptr, program->len) == 0);
}

static int write_module(void *arg)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    struct sn_zk_sink sink = sn_zk_sink_buf(&b);
    int r = sn_wasm_write(arg, NULL, &sink);
    sn_buf_done(&b);
    return r;
}

SN_TEST(wasm_module_is_well_formed)
{
    struct sn_circom_opts o = {.read = read_text, .ctx = "pragma circom 2.1.6; template M() { signal input x; "
                               "signal output y; y <== x * x + 12345678901234567890; }\ncomponent main = M();"};
    struct sn_circom *c;
    T_OK(sn_circom_compile(&o, "main.circom", &c));
    struct sn_witness_prog *p = (void *)(uintptr_t)sn_circom_witness(c);
    struct sn_buf m, program;
    sn_buf_init(&m, 0);
    sn_buf_init(&program, 0);
    struct sn_zk_sink sink = sn_zk_sink_buf(&m), plain = sn_zk_sink_buf(&program);
    if (sn_wasm_here()) {
        T_OK(sn_wasm_write(p, NULL, &sink));
        T_OK(sn_witness_write(p, NULL, &plain));
        check_module(&m, &program);
        T_ASSERT(sn_torture_lenient(write_module, p) > 0);
        T_ASSERT(sn_wasm_calculator_js().len > 0 && sn_wasm_generate_js().len > 0);
    } else {
        T_EQ(sn_wasm_write(p, NULL, &sink), SN_E_UNIMPLEMENTED);
        T_EQ(m.len, 0);
    }
    sn_buf_done(&m);
    sn_buf_done(&program);
    sn_circom_free(c);
}
