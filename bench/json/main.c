/* SPDX-License-Identifier: Apache-2.0 */
/* bench_json FILE... - MB/s of parsing into a tree and of writing it, ours and jansson's where it
 * was there to build with. A line each: "WHO FILE parse|write MB/s". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef HAVE_JANSSON
#include <jansson.h>
#endif

#include "core/arena.h"
#include "core/buf.h"
#include "core/status.h"
#include "wire/json.h"

#define SECONDS 0.4

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const char *base(const char *path)
{
    const char *s = strrchr(path, '/');
    return s ? s + 1 : path;
}

static void print(const char *who, const char *path, const char *what, double bytes, double seconds)
{
    const char *b = base(path), *dot = strchr(b, '.');
    printf("%s %.*s %s %.0f\n", who, dot ? (int)(dot - b) : (int)strlen(b), b, what,
           bytes / seconds / 1e6);
}

static void ours(const char *path, struct sn_str text)
{
    struct sn_arena a;
    struct sn_buf out;
    const struct sn_json *v = NULL;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&out, 0);
    double bytes = 0, t = now(), d;
    do {
        sn_arena_done(&a); /* every round pays for its memory, as the others do */
        int r = sn_json_parse(&a, text, NULL, &v);
        if (r < 0) {
            fprintf(stderr, "%s: %s\n", path, sn_diag_str(r));
            exit(1);
        }
        bytes += (double)text.len;
    } while ((d = now() - t) < SECONDS);
    print("sennit", path, "parse", bytes, d);
    bytes = 0;
    t = now();
    do {
        sn_buf_done(&out);
        sn_json_write(&out, v, NULL);
        bytes += (double)out.len;
    } while ((d = now() - t) < SECONDS);
    print("sennit", path, "write", bytes, d);
    sn_buf_done(&out);
    sn_arena_done(&a);
}

#ifdef HAVE_JANSSON
static void jansson(const char *path, struct sn_str text)
{
    json_t *v = NULL;
    double bytes = 0, t = now(), d;
    do {
        json_decref(v);
        v = json_loadb(text.ptr, text.len, 0, NULL);
        bytes += (double)text.len;
    } while (v && (d = now() - t) < SECONDS);
    if (!v) {
        fprintf(stderr, "%s: jansson refuses it\n", path);
        return;
    }
    print("jansson", path, "parse", bytes, d);
    bytes = 0;
    t = now();
    do {
        char *s = json_dumps(v, JSON_COMPACT);
        bytes += (double)strlen(s);
        free(s);
    } while ((d = now() - t) < SECONDS);
    print("jansson", path, "write", bytes, d);
    json_decref(v);
}
#endif

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        if (!f) {
            perror(argv[i]);
            return 1;
        }
        struct sn_buf b;
        sn_buf_init(&b, 0);
        char chunk[65536];
        for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;) sn_buf_put(&b, chunk, n);
        fclose(f);
        ours(argv[i], sn_buf_view(&b));
#ifdef HAVE_JANSSON
        jansson(argv[i], sn_buf_view(&b));
#endif
        sn_buf_done(&b);
    }
    return 0;
}
