/* SPDX-License-Identifier: Apache-2.0 */
/* cri/logline.c - output to log lines and back. */
#include "clusters/cri/logline.h"

#include "core/status.h"
#include "core/time.h"

static void put_line(struct sn_cri_logline *l, struct sn_str more, bool partial, int64_t now_ns,
                     struct sn_buf *out)
{
    char time[SN_RFC3339_MAX];
    size_t n = sn_time_rfc3339(now_ns, 9, time);
    sn_buf_put(out, time, n);
    sn_buf_byte(out, ' ');
    sn_buf_cstr(out, l->stream);
    sn_buf_put(out, partial ? " P " : " F ", 3);
    sn_buf_put(out, l->held, l->n);
    sn_buf_str(out, more);
    sn_buf_byte(out, '\n');
    l->n = 0;
}

void sn_cri_logline_feed(struct sn_cri_logline *l, struct sn_str data, int64_t now_ns,
                         struct sn_buf *out)
{
    while (data.len) {
        ssize_t nl = sn_str_chr(data, '\n');
        size_t line = nl < 0 ? data.len : (size_t)nl, room = SN_CRI_LOG_LINE_MAX - l->n;
        if (line > room) {
            put_line(l, sn_str_sub(data, 0, room), true, now_ns, out);
            data = sn_str_from(data, room);
        } else if (nl >= 0) {
            put_line(l, sn_str_sub(data, 0, line), false, now_ns, out);
            data = sn_str_from(data, line + 1);
        } else {
            memcpy(l->held + l->n, data.ptr, line);
            l->n += (unsigned)line;
            return;
        }
    }
}

void sn_cri_logline_end(struct sn_cri_logline *l, int64_t now_ns, struct sn_buf *out)
{
    if (l->n) put_line(l, (struct sn_str){0}, false, now_ns, out);
}

int sn_cri_log_next(struct sn_str *in, struct sn_cri_log_record *ret)
{
    ssize_t nl = sn_str_chr(*in, '\n');
    if (nl < 0) return 0;
    struct sn_str line = sn_str_sub(*in, 0, (size_t)nl);
    *in = sn_str_from(*in, (size_t)nl + 1);
    struct sn_cri_log_record rec;
    rec.time = sn_str_cut(&line, ' ');
    rec.stream = sn_str_cut(&line, ' ');
    struct sn_str tag = sn_str_cut(&line, ' ');
    rec.partial = sn_str_eqc(tag, "P");
    if (!line.ptr || (!rec.partial && !sn_str_eqc(tag, "F")))
        return sn_fail(SN_E_SYNTAX, "no line of a container's log");
    rec.text = line;
    *ret = rec;
    return 1;
}
