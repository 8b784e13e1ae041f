/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_h1.c - head parser: whatever the bytes and however they are cut, no crash, strings
 * inside the buffer, and the cut changes nothing about a head that is accepted. Byte 0 chooses
 * request or response and the limits, byte 1 the cuts. */
#include <stdlib.h>

#include "core/status.h"
#include "wire/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct sn_str s, const char *buf, size_t n)
{
    if (!s.ptr || s.len == 0) return;
    if (s.ptr >= buf && s.ptr + s.len <= buf + n) return;
    if (s.len == 1 && s.ptr[0] == '/') return; /* the path of "http://host" */
    abort();
}

static void check(const struct sn_h1 *h, ssize_t r, const char *buf, size_t n)
{
    if (r > (ssize_t)n || (r < 0 && r != SN_E_AGAIN && h->err == SN_H1_OK)) abort();
    if (r <= 0) return;
    inside(h->target, buf, n);
    inside(h->path, buf, n);
    inside(h->query, buf, n);
    inside(h->authority, buf, n);
    inside(h->reason, buf, n);
    for (unsigned i = 0; i < h->headers.len; i++) {
        inside(h->headers.ptr[i].name, buf, n);
        inside(h->headers.ptr[i].value, buf, n);
        if (!sn_http_is_token(h->headers.ptr[i].name) || !sn_http_is_value(h->headers.ptr[i].value))
            abort();
    }
    if (!h->opts.response && h->version == 11 && !h->has_host) abort();
    if (h->body == SN_H1_BODY_LENGTH && h->content_length <= 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    struct sn_h1_opts o = {.response = data[0] & 1, .to_head = data[0] & 2};
    if (data[0] & 4) o = (struct sn_h1_opts){.response = o.response, .head_bytes_max = 128,
                                             .headers_max = 4};
    size_t n = size - 2;
    char *whole = malloc(n + 1), *part = NULL;
    if (!whole) abort();
    memcpy(whole, data + 2, n);
    struct sn_arena a, b;
    sn_arena_init(&a, NULL, 0);
    sn_arena_init(&b, NULL, 0);
    struct sn_h1 one, two;
    sn_h1_init(&one, &o, &a);
    ssize_t r1 = sn_h1_parse(&one, whole, n);
    check(&one, r1, whole, n);
    sn_h1_init(&two, &o, &b);
    ssize_t r2 = SN_E_AGAIN;
    size_t got = 0;
    for (uint32_t cuts = data[1]; r2 == SN_E_AGAIN && got < n;) {
        cuts = cuts * 1664525u + 1013904223u;
        got += 1 + (cuts >> 24) % (1 + n / 3);
        if (got > n) got = n;
        free(part); /* the buffer moves, and ends where the bytes end */
        part = malloc(got);
        if (!part) abort();
        memcpy(part, whole, got);
        r2 = sn_h1_parse(&two, part, got);
        check(&two, r2, part, got);
    }
    if (r2 > 0) sn_h1_rebase(&two, whole);
    check(&two, r2, whole, n);
    if ((r1 > 0 || r2 > 0) && (r1 != r2 || one.headers.len != two.headers.len ||
                               one.body != two.body || one.content_length != two.content_length ||
                               !sn_str_eq(one.path, two.path) ||
                               !sn_str_eq(one.authority, two.authority)))
        abort();
    sn_arena_done(&a);
    sn_arena_done(&b);
    free(whole);
    free(part);
    return 0;
}
