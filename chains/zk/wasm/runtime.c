/* SPDX-License-Identifier: Apache-2.0 */
/* zk/wasm/runtime.c - a circuit's witness calculator in WebAssembly: the engine of zk/witness under the
 * functions circom's calculators export, so that snarkjs and what is built on it take it for one.
 *
 * Compiled once, for wasm32, by this project's build; `sennit zk compile --wasm` appends a circuit's
 * program (.snw) behind the runtime's own memory, at PROGRAM_AT, its size in the first four bytes.
 *
 * The caller: init, then for each input the FNV-1a hash of its name and each element through the shared
 * words; with the last element the witness is computed. Values are 32-bit words, lowest first.
 * Source: the exports and imports of modules circom 2.2.3 makes, observed. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/status.h"
#include "zk/witness/prog.h"

#define EXPORT(name) __attribute__((export_name(#name))) name
#define IMPORT(name) __attribute__((import_module("runtime"), import_name(#name))) name

/* What circom says it is: callers ask for 2. */
enum { VERSION_MAJOR = 2, VERSION_MINOR = 2, VERSION_PATCH = 3 };
/* Of exceptionHandler, with the words its callers know. */
enum { NO_SIGNAL = 1, TOO_MANY = 2, SET_TWICE = 3, ASSERT_FAILED = 4, NO_MEMORY = 5, OUT_OF_ARRAY = 6 };

void IMPORT(exceptionHandler)(int32_t code);
void IMPORT(printErrorMessage)(void);
void IMPORT(writeBufferMessage)(void);

/* ---- memory ---------------------------------------------------------------------------------- */

/* A calculator's memory is its instance's: blocks are taken one after the other from the end of the
 * program on, and all of a calculation's are given back when the next one begins. */
#define PAGE 65536u
#define ALIGN 16u
static uintptr_t heap_at, heap_mark;

static void *take(size_t size)
{
    if (heap_at == 0) heap_at = __builtin_wasm_memory_size(0) * PAGE;
    uintptr_t at = heap_at, end;
    if (size > SIZE_MAX - 2 * ALIGN - at) return NULL;
    end = (at + ALIGN + size + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1);
    uintptr_t have = __builtin_wasm_memory_size(0) * PAGE;
    if (end > have && __builtin_wasm_memory_grow(0, (end - have + PAGE - 1) / PAGE) == (size_t)-1)
        return NULL;
    *(size_t *)at = size;
    heap_at = end;
    return (void *)(at + ALIGN);
}
void *sn_alloc(size_t size) { return take(size); }
void *sn_zalloc(size_t n, size_t size)
{
    size_t all;
    if (__builtin_mul_overflow(n, size, &all)) return NULL;
    void *p = take(all);
    if (p) memset(p, 0, all);
    return p;
}
void *sn_realloc(void *ptr, size_t size)
{
    if (!ptr) return take(size);
    size_t old = *(size_t *)((uintptr_t)ptr - ALIGN);
    if (size <= old) return ptr;
    void *p = take(size);
    if (p) memcpy(p, ptr, old);
    return p;
}
void *sn_aligned_alloc(size_t align, size_t size)
{
    void *p = take(size + align);
    return p ? (void *)(((uintptr_t)p + align - 1) & ~(uintptr_t)(align - 1)) : NULL;
}
void sn_free(void *ptr) { (void)ptr; }

/* ---- diagnostics ----------------------------------------------------------------------------- */

static char diag[SN_DIAG_BYTES];

int (sn_fail)(int code, const char *fmt, ...) /* also a macro */
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(diag, sizeof(diag), fmt, ap);
    va_end(ap);
    return code;
}
int (sn_wrap)(int code, const char *fmt, ...)
{
    char inner[SN_DIAG_BYTES];
    va_list ap;
    memcpy(inner, diag, sizeof(diag));
    va_start(ap, fmt);
    int n = vsnprintf(diag, sizeof(diag), fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof(diag))
        (void)snprintf(diag + n, sizeof(diag) - (size_t)n, ": %s", inner);
    return code;
}
/* The C library's formatter knows files: what it would import for them is here, and there are none. */
#define WASI(name) __imported_wasi_snapshot_preview1_##name
#define WASI_BADF 8
int32_t WASI(fd_close)(int32_t fd) { return WASI_BADF; }
int32_t WASI(fd_seek)(int32_t fd, int64_t to, int32_t whence, int32_t ret) { return WASI_BADF; }
int32_t WASI(fd_write)(int32_t fd, int32_t parts, int32_t n, int32_t ret) { return WASI_BADF; }
void sn_assert_fail(const char *cond, const char *file, int line)
{
    (void)cond, (void)file, (void)line;
    __builtin_trap();
}

/* Text the caller fetches a character at a time. */
static const char *message;
static size_t message_left;

int32_t EXPORT(getMessageChar)(void)
{
    if (message_left == 0) return 0;
    message_left--;
    return (uint8_t)*message++;
}
static void say(struct sn_str text, void (*tell)(void))
{
    message = text.ptr;
    message_left = text.len;
    tell();
}
static void fail(int32_t code, const char *text)
{
    if (text && *text) say(sn_str(text), printErrorMessage);
    exceptionHandler(code);
}

/* ---- the program ----------------------------------------------------------------------------- */

#define PROGRAM_AT (1u << 20)
#define WORDS_MAX 8u

/* One input as callers name it: a signal, or "bus.field" of one element of a bus. */
struct input {
    uint64_t hash;
    uint32_t at, n; /* among the inputs, which lie as their labels do */
};
static struct sn_witness_prog *prog;
static uint32_t shared[WORDS_MAX];
static uint32_t n32;
static struct {
    struct input *ptr;
    size_t len, cap;
} inputs;
static struct sn_fe *values;
static uint8_t *set;
static uint32_t n_inputs, n_set, first_label;
static struct sn_fe *witness;

static uint64_t fnv1a(struct sn_str s)
{
    uint64_t h = 0xcbf29ce484222325;
    for (size_t i = 0; i < s.len; i++) h = (h ^ (uint8_t)s.ptr[i]) * 0x100000001b3;
    return h;
}

static bool add_input(struct sn_str name, uint32_t at, uint32_t n)
{
    if (inputs.len == inputs.cap) {
        inputs.cap = SN_MAX(2 * inputs.cap, (size_t)16);
        struct input *p = sn_realloc(inputs.ptr, inputs.cap * sizeof(*p));
        if (!p) return false;
        inputs.ptr = p;
    }
    inputs.ptr[inputs.len++] = (struct input){fnv1a(name), at, n};
    return true;
}

/* The signals below a shape whose elements are buses: one name for each field of each element. */
static bool add_shape(const struct sn_witness_shape *s, uint32_t at, struct sn_buf *name)
{
    size_t before = name->len;
    (void)sn_buf_str(name, s->name);
    bool ok = name->err == 0;
    if (!s->n_fields) ok = ok && add_input(sn_buf_view(name), at, s->n_signals);
    uint32_t elements = 1;
    for (uint32_t k = 0; k < s->n_dims; k++) elements *= s->dims[k];
    size_t base = name->len;
    for (uint32_t e = 0; s->n_fields && e < elements && ok; e++) {
        uint32_t left = e, stride = elements;
        name->len = base;
        for (uint32_t k = 0; k < s->n_dims; k++) {
            stride /= s->dims[k];
            (void)sn_buf_printf(name, "[%u]", left / stride);
            left %= stride;
        }
        (void)sn_buf_byte(name, '.');
        for (uint32_t f = 0; f < s->n_fields && ok; f++)
            ok = add_shape(&s->fields[f], at + e * (s->n_signals / elements) + s->fields[f].label, name);
    }
    name->len = before;
    return ok;
}

/* The program is read once, for as long as the instance lives. */
static int load(void)
{
    uint32_t size;
    memcpy(&size, (const void *)PROGRAM_AT, sizeof(size));
    int r = sn_witness_read(sn_str_of((const char *)PROGRAM_AT + 16, size), &prog);
    if (r < 0) return r;
    n_inputs = sn_witness_n_inputs(prog, &first_label);
    n32 = (sn_witness_field(prog)->bits + 63) / 64 * 2;
    size_t n;
    const struct sn_witness_shape *s = sn_witness_inputs(prog, &n);
    struct sn_buf name;
    sn_buf_init(&name, 0);
    for (size_t i = 0; i < n; i++)
        if (!add_shape(&s[i], s[i].label - first_label, &name)) return SN_E_NOMEM;
    values = SN_NEW_ARRAY(struct sn_fe, SN_MAX(n_inputs, 1u));
    set = sn_zalloc(SN_MAX(n_inputs, 1u), 1);
    heap_mark = heap_at;
    return values && set ? 0 : SN_E_NOMEM;
}

static void log_line(void *ctx, struct sn_str line)
{
    (void)ctx;
    say(line, writeBufferMessage);
    say(SN_STR("\n"), writeBufferMessage);
}

static void calculate(void)
{
    struct sn_witness_opts o = {.log = log_line};
    diag[0] = 0;
    witness = sn_alloc(sn_witness_n_wires(prog) * sizeof(*witness));
    int r = witness ? sn_witness_run_wires(prog, values, &o, witness) : SN_E_NOMEM;
    if (r == 0) return;
    witness = NULL;
    fail(r == SN_E_NOMEM ? NO_MEMORY : r == SN_E_OUT_OF_RANGE ? OUT_OF_ARRAY : ASSERT_FAILED, diag);
}

static bool ready(void)
{
    if (prog) return true;
    int r = load();
    if (r < 0) fail(NO_MEMORY, r == SN_E_NOMEM ? "" : diag);
    return r == 0;
}

/* ---- what callers call ----------------------------------------------------------------------- */

int32_t EXPORT(getVersion)(void) { return VERSION_MAJOR; }
int32_t EXPORT(getMinorVersion)(void) { return VERSION_MINOR; }
int32_t EXPORT(getPatchVersion)(void) { return VERSION_PATCH; }
uint32_t EXPORT(getSharedRWMemoryStart)(void) { return (uint32_t)(uintptr_t)shared; }
uint32_t EXPORT(readSharedRWMemory)(uint32_t i) { return i < WORDS_MAX ? shared[i] : 0; }
void EXPORT(writeSharedRWMemory)(uint32_t i, uint32_t v)
{
    if (i < WORDS_MAX) shared[i] = v;
}
uint32_t EXPORT(getFieldNumLen32)(void) { return ready() ? n32 : 0; }
void EXPORT(getRawPrime)(void)
{
    if (ready()) memcpy(shared, &sn_witness_field(prog)->p, sizeof(shared));
}
uint32_t EXPORT(getWitnessSize)(void) { return ready() ? (uint32_t)sn_witness_n_wires(prog) : 0; }
uint32_t EXPORT(getInputSize)(void) { return ready() ? n_inputs : 0; }

static SN_NOINLINE void begin(void)
{
    if (!ready()) return;
    heap_at = heap_mark;
    witness = NULL;
    n_set = 0;
    memset(set, 0, n_inputs);
    if (n_inputs == 0) calculate();
}

/* Callers leave by an exception thrown from exceptionHandler, which unwinds no stack of ours: its pointer
 * is put back where it was first. This function must have no frame, or its end would undo that.
 * The level is not read: asserts and constraints are checked at every one. */
void EXPORT(init)(int32_t sanity)
{
    static uint32_t first;
    (void)sanity;
    uint32_t now;
    __asm__ volatile(".globaltype __stack_pointer, i32\n\tglobal.get __stack_pointer\n\tlocal.set %0"
                     : "=r"(now));
    if (first == 0) first = now;
    __asm__ volatile("local.get %0\n\tglobal.set __stack_pointer" : : "r"(first));
    begin();
}

static const struct input *find(uint32_t high, uint32_t low)
{
    uint64_t hash = (uint64_t)high << 32 | low;
    for (size_t i = 0; ready() && i < inputs.len; i++)
        if (inputs.ptr[i].hash == hash) return &inputs.ptr[i];
    return NULL;
}
int32_t EXPORT(getInputSignalSize)(uint32_t high, uint32_t low)
{
    const struct input *in = find(high, low);
    return in ? (int32_t)in->n : -1;
}
void EXPORT(setInputSignal)(uint32_t high, uint32_t low, uint32_t i)
{
    const struct input *in = find(high, low);
    if (!in) return fail(NO_SIGNAL, NULL);
    if (i >= in->n) return fail(TOO_MANY, NULL);
    if (set[in->at + i]) return fail(SET_TWICE, NULL);
    struct sn_fe plain = {{0}};
    memcpy(&plain, shared, n32 * sizeof(*shared));
    if (sn_fe_from_bytes_le(sn_witness_field(prog), &values[in->at + i], &plain) < 0)
        return fail(ASSERT_FAILED, "an input that is not below the prime");
    set[in->at + i] = 1;
    if (++n_set == n_inputs) calculate();
}
void EXPORT(getWitness)(uint32_t i)
{
    memset(shared, 0, sizeof(shared));
    if (witness && i < sn_witness_n_wires(prog))
        sn_fe_to_bytes_le(sn_witness_field(prog), shared, &witness[i]);
}
