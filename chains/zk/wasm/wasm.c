/* SPDX-License-Identifier: Apache-2.0 */
/* zk/wasm/wasm.c - see wasm.h. The runtime was linked to an initial memory of 16 pages, in which
 * everything of its own lies; the program is one more data segment behind them.
 * Source: the WebAssembly core specification, 5.5 Modules. */
#include "zk/wasm/wasm.h"

#include "core/status.h"
#include "zk/bin.h"
#include "zk/wasm/wasm_int.h"

#define PAGE 65536u
#define PAGES_OWN 16u
#define PROGRAM_AT (PAGES_OWN * PAGE)
#define PROGRAM_HEAD 16u             /* its size, and up to a multiple of 16 */
#define PROGRAM_BYTES_MAX (2u << 30) /* the other half of what 32 bits address is to compute in */
enum { SECTION_MEMORY = 5, SECTION_DATA = 11, OP_I32_CONST = 0x41, OP_END = 0x0b };

static void leb(struct sn_buf *b, uint64_t v)
{
    for (; v >= 128; v >>= 7) (void)sn_buf_byte(b, (uint8_t)(v | 128));
    (void)sn_buf_byte(b, (uint8_t)v);
}
/* Of a number that is not negative. */
static void sleb(struct sn_buf *b, uint64_t v)
{
    for (; v >= 64; v >>= 7) (void)sn_buf_byte(b, (uint8_t)(v | 128));
    (void)sn_buf_byte(b, (uint8_t)v);
}

bool sn_wasm_here(void) { return wasm_head.len > 0; }
struct sn_str sn_wasm_generate_js(void) { return wasm_generate_js; }
struct sn_str sn_wasm_calculator_js(void) { return wasm_calculator_js; }

static void put_memory(struct sn_buf *b, size_t program)
{
    struct sn_buf body;
    uint8_t mem[16];
    sn_buf_init_fixed(&body, mem, sizeof(mem));
    (void)sn_buf_put(&body, "\1\0", 2); /* one memory, no upper limit */
    leb(&body, PAGES_OWN + (PROGRAM_HEAD + program + PAGE - 1) / PAGE);
    (void)sn_buf_byte(b, SECTION_MEMORY);
    leb(b, body.len);
    (void)sn_buf_str(b, sn_buf_view(&body));
}

/* Up to where the program's bytes follow. */
static void put_data(struct sn_buf *b, size_t program)
{
    struct sn_buf count, segment;
    uint8_t mem[2][32], head[PROGRAM_HEAD] = {0};
    sn_buf_init_fixed(&count, mem[0], sizeof(mem[0]));
    sn_buf_init_fixed(&segment, mem[1], sizeof(mem[1]));
    leb(&count, wasm_data_segments + 1);
    (void)sn_buf_byte(&segment, 0);
    (void)sn_buf_byte(&segment, OP_I32_CONST);
    sleb(&segment, PROGRAM_AT);
    (void)sn_buf_byte(&segment, OP_END);
    leb(&segment, PROGRAM_HEAD + program);
    sn_put_le32(head, (uint32_t)program);
    (void)sn_buf_byte(b, SECTION_DATA);
    leb(b, count.len + wasm_data.len + segment.len + PROGRAM_HEAD + program);
    (void)sn_buf_str(b, sn_buf_view(&count));
    (void)sn_buf_str(b, wasm_data);
    (void)sn_buf_str(b, sn_buf_view(&segment));
    (void)sn_buf_put(b, head, sizeof(head));
}

int sn_wasm_write(const struct sn_witness_prog *p, const struct sn_r1cs *s, const struct sn_zk_sink *out)
{
    struct sn_buf program, head;
    if (!sn_wasm_here())
        return sn_fail(SN_E_UNIMPLEMENTED, "this build has no WebAssembly runtime: it was made "
                       "without clang, lld, wasi-libc and libclang-rt-14-dev-wasm32");
    sn_buf_init(&program, 0);
    sn_buf_init(&head, 0);
    struct sn_zk_sink into = sn_zk_sink_buf(&program);
    int r = sn_witness_write(p, s, &into);
    if (r == 0 && program.len > PROGRAM_BYTES_MAX)
        r = sn_fail(SN_E_TOO_LARGE, "a witness program of %zu bytes, a module holds %u", program.len,
                    PROGRAM_BYTES_MAX);
    if (r == 0) {
        (void)sn_buf_str(&head, wasm_head);
        put_memory(&head, program.len);
        (void)sn_buf_str(&head, wasm_middle);
        put_data(&head, program.len);
        r = head.err;
    }
    if (r == 0) r = out->write(out->ctx, head.ptr, head.len);
    if (r >= 0) r = out->write(out->ctx, program.ptr, program.len);
    sn_buf_done(&head);
    sn_buf_done(&program);
    return r < 0 ? r : 0;
}
