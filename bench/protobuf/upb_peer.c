/* SPDX-License-Identifier: Apache-2.0 */
/* upb's half of bench/protobuf_upb.sh, on the bytes ours wrote. Its tables come from the descriptor set, as
 * its generated code's would; strings are views of the input and memory is a block that is used again,
 * as with ours. usage: upb-peer FOLDER SECONDS */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <google/protobuf/descriptor.upb.h>
#include <upb/mem/arena.h>
#include <upb/reflection/def.h>
#include <upb/wire/decode.h>
#include <upb/wire/encode.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
static size_t read_file(const char *dir, const char *name, const char *end, char *to, size_t cap)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.%s", dir, name, end);
    FILE *f = fopen(path, "rb");
    if (!f) exit(1);
    size_t n = fread(to, 1, cap, f);
    fclose(f);
    return n;
}

static char in[8 << 20], block[64 << 20], kept[64 << 20];

static upb_Message *parse(const upb_MiniTable *t, size_t len, upb_Arena *a)
{
    upb_Message *m = upb_Message_New(t, a);
    if (!m || upb_Decode(in, len, m, t, NULL, kUpb_DecodeOption_AliasString, a) != kUpb_DecodeStatus_Ok)
        exit(1);
    return m;
}
static void measure(const char *name, const upb_DefPool *pool, const char *dir, double seconds)
{
    char full[64];
    snprintf(full, sizeof full, "bench.%c%s", name[0] - 32, name + 1);
    const upb_MessageDef *d = upb_DefPool_FindMessageByName(pool, full);
    if (!d) exit(1);
    const upb_MiniTable *t = upb_MessageDef_MiniTable(d);
    size_t len = read_file(dir, name, "bin", in, sizeof in);
    upb_Arena *long_lived = upb_Arena_Init(kept, sizeof kept, &upb_alloc_global);
    upb_Message *m = parse(t, len, long_lived);
    for (int encode = 0; encode < 2; encode++) {
        long n = 0;
        double from = now(), at;
        do {
            for (int i = 0; i < 50; i++, n++) {
                upb_Arena *a = upb_Arena_Init(block, sizeof block, &upb_alloc_global);
                char *out;
                size_t size;
                if (!encode)
                    parse(t, len, a);
                else if (upb_Encode(m, t, 0, a, &out, &size) != kUpb_EncodeStatus_Ok || size != len)
                    exit(1);
                upb_Arena_Free(a);
            }
        } while ((at = now() - from) < seconds);
        printf("%s %s %.1f %.1f\n", name, encode ? "encode" : "decode",
               (double)len * (double)n / at / 1e6, at / (double)n * 1e9);
    }
    upb_Arena_Free(long_lived);
}
int main(int argc, char **argv)
{
    static char set[1 << 20];
    if (argc < 3) return 2;
    size_t len = read_file(argv[1], "bench", "pb", set, sizeof set), n;
    upb_Arena *a = upb_Arena_New();
    upb_DefPool *pool = upb_DefPool_New();
    upb_Status status;
    google_protobuf_FileDescriptorSet *files = google_protobuf_FileDescriptorSet_parse(set, len, a);
    const google_protobuf_FileDescriptorProto *const *f =
        files ? google_protobuf_FileDescriptorSet_file(files, &n) : NULL;
    upb_Status_Clear(&status);
    for (size_t i = 0; f && i < n; i++)
        if (!upb_DefPool_AddFile(pool, f[i], &status)) {
            fprintf(stderr, "%s\n", upb_Status_ErrorMessage(&status));
            return 1;
        }
    double seconds = strtod(argv[2], NULL);
    measure("order", pool, argv[1], seconds);
    measure("batch", pool, argv[1], seconds);
    measure("series", pool, argv[1], seconds);
    return f ? 0 : 1;
}
