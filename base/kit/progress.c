/* SPDX-License-Identifier: Apache-2.0 */
/* kit/progress.c - the progress line of long commands. */
#include <stdio.h>
#include <unistd.h>

#include "core/time.h"
#include "fiber/fiber.h"
#include "kit/cli.h"

#define FIRST_NS (1 * SN_SEC)
#define EVERY_NS (100 * SN_MS)
#define BAR 24
#define LINE 100

void sn_progress_begin(struct sn_progress *p, const char *what, uint64_t total)
{
    *p = (struct sn_progress){.what = what, .total = total, .start_ns = sn_now(), .tty = isatty(2)};
}

static bool due(struct sn_progress *p)
{
    int64_t now = sn_now();
    if (!p->tty || now - p->start_ns < FIRST_NS || now - p->drawn_ns < EVERY_NS) return false;
    p->drawn_ns = now;
    p->shown = true;
    return true;
}

void sn_progress_set(struct sn_progress *p, uint64_t done)
{
    p->done = done;
    if (!due(p)) return;
    double seconds = (double)(p->drawn_ns - p->start_ns) / SN_SEC, rate = (double)done / seconds;
    if (!p->total) {
        fprintf(stderr, "\r%-20s %llu  %.0f/s\x1b[K", p->what, (unsigned long long)done, rate);
        return;
    }
    char left[SN_DURATION_MAX] = "";
    if (rate > 0)
        sn_duration_format((int64_t)((double)(p->total - SN_MIN(done, p->total)) / rate) * SN_SEC,
                           left);
    int filled = (int)(SN_MIN(done, p->total) * BAR / p->total);
    fprintf(stderr, "\r%-20s [%.*s%*s] %3llu %%  %.0f/s  %s left\x1b[K", p->what, filled,
            "########################", BAR - filled, "",
            (unsigned long long)(SN_MIN(done, p->total) * 100 / p->total), rate, left);
}

void sn_progress_text(struct sn_progress *p, const char *line)
{
    if (due(p)) fprintf(stderr, "\r%.*s\x1b[K", LINE, line);
}

void sn_progress_end(struct sn_progress *p)
{
    if (p->shown) fprintf(stderr, "\r\x1b[K");
    p->shown = false;
}
