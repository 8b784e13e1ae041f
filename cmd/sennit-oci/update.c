/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-oci/update.c - new limits, from flags or from a linux.resources object. */
#include "cmd.h"

struct flag {
    const char *option, *object, *field, *help;
    bool text;  /* else a number */
    bool bytes; /* with a suffix, or -1 */
};
static const struct flag flags[] = {
    {"blkio-weight", "blockIO", "weight", "relative weight of block I/O, 10..1000"},
    {"cpu-period", "cpu", "period", "CFS period in microseconds"},
    {"cpu-quota", "cpu", "quota", "CFS quota in microseconds"},
    {"cpu-burst", "cpu", "burst", "CFS burst in microseconds"},
    {"cpu-share", "cpu", "shares", "CPU shares against other containers"},
    {"cpu-rt-period", "cpu", "realtimePeriod", "realtime period in microseconds"},
    {"cpu-rt-runtime", "cpu", "realtimeRuntime", "realtime runtime in microseconds"},
    {"cpu-idle", "cpu", "idle", "1: SCHED_IDLE for the group"},
    {"cpuset-cpus", "cpu", "cpus", "CPUs, as 0-3,7", true},
    {"cpuset-mems", "cpu", "mems", "memory nodes, as 0-1", true},
    {"memory", "memory", "limit", "memory limit in bytes", false, true},
    {"memory-reservation", "memory", "reservation", "memory reservation in bytes", false, true},
    {"memory-swap", "memory", "swap", "memory and swap in bytes, -1 unlimited", false, true},
    {"kernel-memory", "memory", "kernel", "kernel memory in bytes (obsolete)", false, true},
    {"kernel-memory-tcp", "memory", "kernelTCP", "TCP buffers in bytes (obsolete)", false, true},
    {"pids-limit", "pids", "limit", "number of processes, -1 unlimited"},
};
#define N SN_COUNT_OF(flags)

/* "64M" as people write it: binary multiples, as docker's units do. */
static int number(const struct flag *f, const char *v, int64_t *ret)
{
    struct sn_str s = sn_str(v);
    uint64_t bytes;
    if (sn_str_to_i64(s, ret) == 0) return 0;
    char with[40];
    size_t n = s.len;
    if (f->bytes && n && n < sizeof(with) - 2) {
        memcpy(with, v, n + 1);
        if (with[n - 1] == 'b' || with[n - 1] == 'B') with[--n] = 0;
        if (n && !(with[n - 1] >= '0' && with[n - 1] <= '9') && with[n - 1] != 'i') {
            with[n++] = 'i';
            with[n] = 0;
        }
        if (with[n - 2] >= 'a' && with[n - 2] <= 'z') with[n - 2] = (char)(with[n - 2] - 32);
        if (sn_str_to_bytes(sn_str(with), &bytes) == 0 && bytes <= INT64_MAX) {
            *ret = (int64_t)bytes;
            return 0;
        }
    }
    return sn_fail(SN_E_INVALID_ARGUMENT, "invalid value \"%.32s\" for -%s: expected a number%s", v, f->option, f->bytes ? " of bytes" : "");
}

static int from_flags(struct sn_arena *a, const char *const values[N], struct sn_json *ret)
{
    for (size_t i = 0; i < N; i++) {
        if (!values[i]) continue;
        const struct sn_json *have = sn_json_get(ret, flags[i].object);
        struct sn_json object = have ? *have : sn_json_object();
        int64_t n = 0;
        int e = flags[i].text ? 0 : number(&flags[i], values[i], &n);
        if (e < 0) return e;
        if (!sn_json_set(a, &object, sn_str(flags[i].field), flags[i].text ? sn_json_cstr(values[i]) : sn_json_i64(n)) ||
            !sn_json_set(a, ret, sn_str(flags[i].object), object))
            return SN_E_NOMEM;
    }
    return 0;
}

int cmd_update(struct app *app, int argc, char **argv)
{
    const char *values[N] = {0}, *file = NULL, *l3 = NULL, *mb = NULL;
    struct opt opts[N + 4] = {{"resources", 'r', OPT_STR, &file, "file of a linux.resources object, - for standard input"},
                              {"l3-cache-schema", 0, OPT_STR, &l3, "Intel RDT, not supported"},
                              {"mem-bw-schema", 0, OPT_STR, &mb, "Intel RDT, not supported"}};
    for (size_t i = 0; i < N; i++) opts[i + 3] = (struct opt){flags[i].option, 0, OPT_STR, &values[i], flags[i].help};
    if (help("update", opts, argc, argv)) return 0;
    argc--, argv++;
    int e = opts_parse(opts, true, &argc, &argv);
    if (e < 0) return e;
    if (argc != 1) return usage("update");
    if (l3 || mb) return sn_fail(SN_E_UNIMPLEMENTED, "Intel RDT is not supported by this runtime");
    struct sn_oci_container *c;
    struct sn_str text;
    const struct sn_json *tree = NULL;
    struct sn_json made = sn_json_object();
    if ((e = open_container(app, argv[0], &c)) < 0) return e;
    if (file) {
        e = read_text(app, file, &text);
        if (e == 0 && (e = sn_json_parse(&app->arena, text, NULL, &tree)) < 0) e = sn_wrap(e, "%s", file);
    } else {
        e = from_flags(&app->arena, values, &made);
        tree = &made;
    }
    if (e == 0) e = sn_oci_update(c, tree);
    sn_oci_close(c);
    return e;
}
