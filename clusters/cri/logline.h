/* SPDX-License-Identifier: Apache-2.0 */
/* cri/logline.h - the log format of the CRI, sans I/O: "TIME STREAM F|P TEXT\n".
 * A line of output is one F line; one longer than 16 KiB is cut into P lines and a last F.
 * Source: kubernetes design proposal "CRI: container log format". */
#pragma once
#include "core/buf.h"
#include "core/str.h"

#define SN_CRI_LOG_LINE_MAX (16u << 10)

struct sn_cri_logline {
    const char *stream; /* "stdout", "stderr" */
    unsigned n;         /* bytes of a line that has not ended yet */
    char held[SN_CRI_LOG_LINE_MAX];
};
static inline void sn_cri_logline_init(struct sn_cri_logline *l, const char *stream)
{
    l->stream = stream;
    l->n = 0;
}
/* sn_cri_logline_feed - appends to `out` the log lines that `data` completes. now_ns: unix. */
void sn_cri_logline_feed(struct sn_cri_logline *l, struct sn_str data, int64_t now_ns,
                         struct sn_buf *out);
/* sn_cri_logline_end - the output has ended: what is held becomes a last line. */
void sn_cri_logline_end(struct sn_cri_logline *l, int64_t now_ns, struct sn_buf *out);

struct sn_cri_log_record {
    struct sn_str time, stream, text; /* text without the newline */
    bool partial;
};
/* sn_cri_log_next - takes the next whole line off *in. Returns 1; 0 where no whole line is left;
 * SN_E_SYNTAX for a line that is none (taken off, too). */
int sn_cri_log_next(struct sn_str *in, struct sn_cri_log_record *ret) SN_MUST_CHECK;
