/* SPDX-License-Identifier: Apache-2.0 */
/* bench/zk/witness.c - the library's side of bench/zk/witness.sh.
 *   witness compile FILE.circom OUT.snw [-l DIR]...   compile at O2, write the program
 *                                                     and OUT.snw.r1cs
 *   witness run PROGRAM.snw INPUT.json OUT.wtns       the whole process a user runs
 *   witness time PROGRAM.snw INPUT.json               library calls: lines of "WHAT MICROSECONDS"
 *   witness check SYSTEM.r1cs WITNESS.wtns            rows one by one, the same without products by
 *                                                     1 and -1, and sn_r1cs_check
 *   witness beside PROGRAM.snw INPUT.json             "ONE_MS TWO_MS": one witness on one thread and on
 *                                                     two, wall, medians
 *   witness cache PROGRAM.snw INPUT.json              "HIT_RATE MS_WITHOUT MS_WITH" of a mix
 *   witness spawn N COMMAND...                        N processes: "WALL_MS CPU_MS", the medians
 * Times are CPU time, the least of some repetitions: the machine is shared. */
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/rand.h"
#include "core/status.h"
#include "crypto/vec_int.h"
#include "zk/circom/circom.h"
#include "zk/witness/prog.h"

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* banned: a bench measures CPU time */
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}
static void must(int r, const char *what)
{
    if (r >= 0) return;
    fprintf(stderr, "bench: %s: %s\n", what, sn_diag_str(r));
    exit(1);
}

static struct sn_str map(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    must(fd < 0 || fstat(fd, &st) < 0 ? sn_fail(SN_E_IO, "cannot be read") : 0, path);
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    must(p == MAP_FAILED ? sn_fail(SN_E_IO, "cannot be mapped") : 0, path);
    close(fd);
    return sn_str_of(p, (size_t)st.st_size);
}
static int write_fd(void *ctx, const void *data, size_t n)
{
    return write(*(int *)ctx, data, n) == (ssize_t)n ? 0 : sn_fail(SN_E_IO, "write");
}
static struct sn_zk_sink sink_to(const char *path, int *fd)
{
    *fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    must(*fd < 0 ? sn_fail(SN_E_IO, "cannot be written") : 0, path);
    return (struct sn_zk_sink){write_fd, fd};
}

static int read_file(void *ctx, const char *path, struct sn_buf *ret)
{
    FILE *f = fopen(path, "rb");
    if (!f) return SN_E_NOT_FOUND;
    char block[65536];
    for (size_t n; (n = fread(block, 1, sizeof(block), f)) > 0;) (void)sn_buf_put(ret, block, n);
    fclose(f);
    return ret->err;
}
static int g_argc;
static char **g_argv;
static void *compile(void *unused)
{
    const char *dirs[16];
    struct sn_circom_opts o = {.read = read_file, .include_dirs = dirs};
    for (int i = 4; i + 1 < g_argc && o.n_include_dirs < 16; i += 2)
        dirs[o.n_include_dirs++] = g_argv[i + 1];
    struct sn_circom *c;
    struct sn_r1cs o0, o2;
    must(sn_circom_compile(&o, g_argv[2], &c), g_argv[2]);
    must(sn_circom_r1cs(c, &o0), "constraints");
    must(sn_r1cs_simplify(&o0, &(struct sn_simplify_opts){.level = 2}, &o2, NULL), "simplify");
    int fd;
    struct sn_zk_sink out = sink_to(g_argv[3], &fd);
    must(sn_witness_write(sn_circom_witness(c), &o2, &out), g_argv[3]);
    close(fd);
    char path[4096];
    snprintf(path, sizeof(path), "%s.r1cs", g_argv[3]);
    out = sink_to(path, &fd);
    must(sn_r1cs_write(&o2, &out), path);
    close(fd);
    return NULL;
}

static struct sn_fe *inputs_of(const struct sn_witness_prog *p, const char *path)
{
    uint32_t first;
    struct sn_fe *in = sn_zalloc(sn_witness_n_inputs(p, &first) + 1u, sizeof(*in));
    must(sn_witness_inputs_json(p, map(path), SN_WITNESS_REDUCE, in), path);
    return in;
}
static void run(const char *program, const char *json, const char *wtns)
{
    struct sn_witness_prog *p;
    must(sn_witness_read(map(program), &p), program);
    struct sn_fe *in = inputs_of(p, json);
    int fd;
    struct sn_zk_sink out = sink_to(wtns, &fd);
    must(sn_witness_run_wtns(p, in, NULL, &out), program);
    close(fd);
}

#define BEST(what, n, body)                               \
    do {                                                  \
        double best_ = 1e18;                              \
        for (int rep_ = 0; rep_ < (n); rep_++) {          \
            double t_ = cpu_us();                         \
            body;                                         \
            t_ = cpu_us() - t_;                           \
            if (t_ < best_) best_ = t_;                   \
        }                                                 \
        printf("%s %.1f\n", what, best_);                 \
    } while (0)

static void times(const char *program, const char *json)
{
    struct sn_witness_prog *p;
    struct sn_str file = map(program);
    BEST("load", 20, {
        must(sn_witness_read(file, &p), program);
        sn_witness_free(p);
    });
    must(sn_witness_read(file, &p), program);
    struct sn_fe *in = inputs_of(p, json);
    struct sn_fe *w = sn_alloc(sn_witness_n_wires(p) * sizeof(*w));
    BEST("inputs", 20, sn_free(inputs_of(p, json)));
    BEST("wires", 20, must(sn_witness_run_wires(p, in, NULL, w), "run"));
    enum { N = 16 };
    struct sn_witness_job jobs[N];
    for (int i = 0; i < N; i++)
        jobs[i] = (struct sn_witness_job){in, sn_alloc(sn_witness_n_wires(p) * sizeof(*w)), 0};
    BEST("one16", 10, for (int i = 0; i < N; i++)
        must(sn_witness_run_wires(p, in, NULL, jobs[i].ret), "run"));
    BEST("many16", 10, must(sn_witness_run_many(p, jobs, N, NULL), "run"));
}

/* Zipf with exponent 1 over `n` inputs that differ in their last number: request i is for the input
 * whose share of the sum of 1/k its random number falls into. */
enum { KEYS = 500, HELD = 125, REQUESTS = 4000 };
static double cache_ms(const struct sn_witness_prog *p, struct sn_fe *in, size_t bytes, double *ret_rate)
{
    static double share[KEYS];
    uint32_t first, n = sn_witness_n_inputs(p, &first);
    struct sn_fe *w = sn_alloc(sn_witness_n_wires(p) * sizeof(*w));
    struct sn_witness_cache *c = NULL;
    struct sn_rand rnd;
    double sum = 0;
    sn_rand_seed(&rnd, 1);
    for (int k = 0; k < KEYS; k++) share[k] = sum += 1.0 / (k + 1);
    if (bytes) must(sn_witness_cache_new(p, bytes, &c), "cache");
    double at = cpu_us();
    for (int i = 0; i < REQUESTS; i++) {
        double x = (double)(sn_rand_u64(&rnd) >> 11) * 0x1p-53 * sum;
        uint64_t k = 0;
        while (k + 1 < KEYS && share[k] < x) k++;
        sn_fe_set_u64(p->field, &in[n - 1], k);
        must(c ? sn_witness_cache_run(c, in, NULL, w) : sn_witness_run_wires(p, in, NULL, w), "run");
    }
    at = cpu_us() - at;
    if (c) {
        struct sn_witness_cache_stats st;
        sn_witness_cache_stats(c, &st);
        *ret_rate = (double)st.hits / (double)(st.hits + st.misses);
    }
    sn_witness_cache_free(c);
    sn_free(w);
    return at / 1e3;
}
static void caches(const char *program, const char *json)
{
    struct sn_witness_prog *p;
    must(sn_witness_read(map(program), &p), program);
    struct sn_fe *in = inputs_of(p, json);
    double rate = 0, without = cache_ms(p, in, 0, NULL);
    double with = cache_ms(p, in, HELD * (sn_witness_n_wires(p) * sizeof(*in) + 64), &rate);
    printf("%.3f %.1f %.1f\n", rate, without, with);
}

static void checks(const char *system, const char *wtns)
{
    struct sn_r1cs s;
    const struct sn_field *f;
    struct sn_fe *w;
    size_t n;
    uint32_t row;
    must(sn_r1cs_read(map(system), &s), system);
    must(sn_wtns_read(map(wtns), &f, &w, &n), wtns);
    must(n == s.n_wires ? 0 : sn_fail(SN_E_INVALID_ARGUMENT, "another circuit"), wtns);
    BEST("rows", 30, must(sn_r1cs_check_scalar(&s, w, &row), "rows"));
    const struct sn_vec_engine *used = sn_field_vec;
    sn_field_vec = NULL;
    BEST("plain", 30, must(sn_r1cs_check(&s, w, NULL, &row), "check"));
    sn_field_vec = used;
    BEST("check", 30, must(sn_r1cs_check(&s, w, NULL, &row), "check"));
}

/* Two threads, one of them the caller's. */
struct pair {
    void (*job)(void *arg, size_t i);
    void *arg;
    size_t n;
    _Atomic size_t next;
};
static void *pair_member(void *arg)
{
    struct pair *p = arg;
    for (size_t i; (i = atomic_fetch_add(&p->next, 1)) < p->n;) p->job(p->arg, i);
    return NULL;
}
static void pair_run(void *ctx, void (*job)(void *arg, size_t i), void *arg, size_t n)
{
    struct pair p = {.job = job, .arg = arg, .n = n};
    pthread_t other;
    bool two = pthread_create(&other, NULL, pair_member, &p) == 0; /* banned: a bench has no runtime */
    (void)pair_member(&p);
    if (two) (void)pthread_join(other, NULL);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}
static void beside(const char *program, const char *json)
{
    enum { RUNS = 31 };
    struct sn_witness_prog *p;
    struct sn_par par = {.run = pair_run, .width = 2};
    struct sn_witness_opts o[2] = {{0}, {.par = &par}};
    double ms[2][RUNS];
    must(sn_witness_read(map(program), &p), program);
    struct sn_fe *in = inputs_of(p, json), *w = sn_alloc(sn_witness_n_wires(p) * sizeof(*w));
    for (unsigned i = 0; i < 2 * RUNS; i++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a); /* banned: a bench measures time */
        must(sn_witness_run_wires(p, in, &o[i % 2], w), program);
        clock_gettime(CLOCK_MONOTONIC, &b); /* banned: a bench measures time */
        ms[i % 2][i / 2] = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
    }
    for (unsigned k = 0; k < 2; k++) qsort(ms[k], RUNS, sizeof(double), by_value);
    printf("%.3f %.3f\n", ms[0][RUNS / 2], ms[1][RUNS / 2]);
}
static void spawn(int n, char **argv)
{
    double wall[1000], cpu[1000];
    must(n < 1 || n > 1000 ? sn_fail(SN_E_OUT_OF_RANGE, "1 to 1000 runs") : 0, argv[0]);
    for (int i = 0; i < n; i++) {
        struct timespec a, b;
        struct rusage u;
        int status;
        pid_t pid;
        clock_gettime(CLOCK_MONOTONIC, &a); /* banned: a bench measures time */
        int r = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
        must(r ? sn_fail_errno(r, "spawn") : 0, argv[0]);
        must(wait4(pid, &status, 0, &u) < 0 || status ? sn_fail(SN_E_IO, "failed") : 0, argv[0]);
        clock_gettime(CLOCK_MONOTONIC, &b); /* banned: a bench measures time */
        wall[i] = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
        cpu[i] = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
                 (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
    }
    qsort(wall, (size_t)n, sizeof(double), by_value);
    qsort(cpu, (size_t)n, sizeof(double), by_value);
    printf("%.3f %.3f\n", wall[n / 2], cpu[n / 2]);
}

int main(int argc, char **argv)
{
    if (argc >= 4 && strcmp(argv[1], "compile") == 0) {
        pthread_t t;
        pthread_attr_t a;
        g_argc = argc, g_argv = argv;
        pthread_attr_init(&a);
        pthread_attr_setstacksize(&a, SN_CIRCOM_STACK_BYTES);
        if (pthread_create(&t, &a, compile, NULL) != 0) return 1;
        pthread_join(t, NULL);
    } else if (argc == 5 && strcmp(argv[1], "run") == 0) {
        run(argv[2], argv[3], argv[4]);
    } else if (argc == 4 && strcmp(argv[1], "time") == 0) {
        times(argv[2], argv[3]);
    } else if (argc == 4 && strcmp(argv[1], "cache") == 0) {
        caches(argv[2], argv[3]);
    } else if (argc == 4 && strcmp(argv[1], "check") == 0) {
        checks(argv[2], argv[3]);
    } else if (argc == 4 && strcmp(argv[1], "beside") == 0) {
        beside(argv[2], argv[3]);
    } else if (argc >= 4 && strcmp(argv[1], "spawn") == 0) {
        spawn(atoi(argv[2]), argv + 3);
    } else {
        return 2;
    }
    return 0;
}
