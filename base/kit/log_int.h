/* SPDX-License-Identifier: Apache-2.0 */
/* kit/log_int.h - the ring's records, between log.c (queue, thread, files) and log_text.c. */
#pragma once
#include "core/buf.h"
#include "kit/log.h"

/* A record lies in the ring as this head, then fields: key, type and length, 8 bytes or the text,
 * each part rounded up to 8. `state` is written last: the record's size, 0 = not finished. */
struct sn_log_rec {
    _Atomic uint32_t state;
    uint32_t n_fields;
    int64_t ts_ns;
    uint64_t fiber;
    const struct sn_log_site *site; /* NULL: raw text, its length in n_fields */
    uint32_t suppressed, trace_len;
    char trace[32];
};
struct sn_log_rec_field {
    const char *key;
    uint16_t type;
    uint16_t cut; /* the text was longer */
    uint32_t len;
};
#define SN_LOG_PAD (1u << 30) /* in state: nothing here, skip */

/* sn_log_rec_size_ - bytes of a record with these fields, at most SN_LOG_RECORD_MAX. */
size_t sn_log_rec_size_(const struct sn_log_field *f, size_t n);
/* sn_log_rec_fill_ - writes the fields behind the head, into `size` bytes as computed. */
void sn_log_rec_fill_(struct sn_log_rec *r, size_t size, const struct sn_log_field *f, size_t n);
/* sn_log_rec_text_ - appends the line. */
void sn_log_rec_text_(const struct sn_log_rec *r, bool json, struct sn_buf *out);
