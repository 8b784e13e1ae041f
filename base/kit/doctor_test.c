/* SPDX-License-Identifier: Apache-2.0 */
#include "kit/doctor.h"

#include <stdio.h>
#include <sys/resource.h>

#include "core/arena.h"
#include "harness/test.h"
#include "wire/json.h"

/* Against the same facts read another way. */
SN_TEST(doctor_says_what_is_so)
{
    struct sn_doctor d;
    sn_doctor_run(&d);
    static const char *const names[] = {"release",         "io_uring", "madv_guard_install",
                                        "epoll_pwait2",    "ktls",     "bpf_socket_filter",
                                        "user_namespaces", "layout",   "memory",
                                        "open_files",      "cpus",
                                        "programs",        "cgroup_links", "hash_of_maps",
                                        "sk_storage",      "cgroup2_tree", "capabilities"};
    for (size_t i = 0; i < SN_COUNT_OF(names); i++) {
        const struct sn_probe *p = sn_doctor_find(&d, names[i]);
        T_ASSERTF(p, "no probe %s", names[i]);
        /* Every no says why and what it costs. */
        T_ASSERTF(p->state == SN_PROBE_YES || strlen(p->detail) > 3, "%s says nothing", names[i]);
    }
    T_ASSERT(!sn_doctor_find(&d, "nothing"));
    struct rlimit r;
    T_EQ(getrlimit(RLIMIT_NOFILE, &r), 0);
    T_EQ(sn_doctor_find(&d, "open_files")->value, r.rlim_max);
#if defined(__x86_64__)
    static const char *const flags[] = {"avx2", "avx512f", "avx512ifma", "bmi2", "adx", "vaes"};
    char line[8192] = "";
    FILE *f = fopen("/proc/cpuinfo", "r");
    T_ASSERT(f);
    while (fgets(line, sizeof(line), f) && strncmp(line, "flags", 5) != 0) {}
    fclose(f);
    for (size_t i = 0; i < SN_COUNT_OF(flags); i++) {
        char word[16];
        snprintf(word, sizeof(word), " %s", flags[i]);
        const char *at = strstr(line, word);
        bool has = at && (at[strlen(word)] == ' ' || at[strlen(word)] == '\n');
        sn_test_row("%s", flags[i]);
        T_EQ(sn_doctor_find(&d, flags[i])->state == SN_PROBE_YES, has);
    }
#endif
}

SN_TEST(doctor_text_and_json_agree)
{
    struct sn_doctor d;
    struct sn_buf text, json;
    struct sn_arena a;
    const struct sn_json *v;
    sn_doctor_run(&d);
    sn_buf_init(&text, 0);
    sn_buf_init(&json, 0);
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_doctor_text(&d, &text));
    T_OK(sn_doctor_json(&d, &json));
    T_OK(sn_json_parse(&a, sn_buf_view(&json), NULL, &v));
    T_EQ(sn_json_i64_or(sn_json_get(v, "version"), 0), 1);
    T_EQ(sn_json_len(sn_json_get(v, "probes")), d.n);
    unsigned lines = 0;
    for (size_t i = 0; i < text.len; i++) lines += text.ptr[i] == '\n';
    T_EQ(lines, d.n);
    for (SN_JSON_EACH(sn_json_get(v, "probes"), p)) {
        struct sn_str name = sn_json_str(sn_json_get(p, "name"));
        char z[64];
        T_OK(sn_str_cz(name, z, sizeof(z)));
        T_ASSERTF(sn_str_find(sn_buf_view(&text), name) >= 0, "%s is not in the text", z);
        T_STR(sn_json_str(sn_json_get(p, "detail")), sn_doctor_find(&d, z)->detail);
    }
    fputs(sn_buf_cz(&text), stdout);
    sn_buf_done(&text);
    sn_buf_done(&json);
    sn_arena_done(&a);
}
