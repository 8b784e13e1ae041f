/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/driver.c - runs a fuzz target without libFuzzer: every seed file as it is, then bounded
 * random mutations of them, so that each ordinary build smokes every decoder.
 *
 *   fuzz_json DIR|FILE...      SN_FUZZ_RUNS=20000 mutations, SN_FUZZ_SEED=1, at most 5 seconds
 *
 * A crash or sanitizer report leaves the input in ./crash-SEED-RUN.bin (SN_FUZZ_CRASH_DIR). */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SEEDS_MAX 4096
#define INPUT_MAX (1u << 20)
#define MUTANT_MAX (64u << 10)
#define SECONDS_MAX 5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct seed {
    uint8_t *ptr;
    size_t len;
} seeds[SEEDS_MAX];
static size_t n_seeds;

/* What is being run: read by the crash handler. */
static const uint8_t *current;
static size_t current_len;
static unsigned long long rand_seed = 1, runs_done;
static uint64_t rand_state;

static uint64_t next_rand(void)
{
    uint64_t z = (rand_state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}
static size_t below(size_t n) { return n ? next_rand() % n : 0; }

static void keep_input(void)
{
    static volatile sig_atomic_t once;
    if (once++ || !current) return;
    char path[512];
    const char *dir = getenv("SN_FUZZ_CRASH_DIR");
    snprintf(path, sizeof(path), "%s/crash-%llu-%llu.bin", dir ? dir : ".", rand_seed, runs_done);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) return;
    bool ok = write(fd, current, current_len) == (ssize_t)current_len;
    close(fd);
    dprintf(2, "fuzz: input of %zu bytes %s %s\n", current_len, ok ? "kept in" : "lost:", path);
}

static void on_signal(int sig)
{
    keep_input();
    signal(sig, SIG_DFL);
    raise(sig);
}

/* Sanitizers call this before they end the process. */
void __sanitizer_set_death_callback(void (*fn)(void)) __attribute__((weak));

static void run_one(const uint8_t *data, size_t len)
{
    /* An exact-size copy, so that a read one byte past the end is one past a heap block. */
    uint8_t *copy = malloc(len ? len : 1);
    if (!copy) abort();
    if (len) memcpy(copy, data, len);
    current = copy;
    current_len = len;
    LLVMFuzzerTestOneInput(copy, len);
    current = NULL;
    free(copy);
    runs_done++;
}

static void load_file(const char *path)
{
    if (n_seeds == SEEDS_MAX) return;
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "fuzz: %s: %m\n", path);
        exit(2);
    }
    uint8_t *p = malloc(INPUT_MAX);
    if (!p) abort();
    size_t n = fread(p, 1, INPUT_MAX, f);
    fclose(f);
    uint8_t *fit = realloc(p, n ? n : 1);
    seeds[n_seeds++] = (struct seed){fit ? fit : p, n};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void load(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
        load_file(path);
        return;
    }
    DIR *d = opendir(path);
    if (!d) exit(2);
    static char *names[SEEDS_MAX]; /* sorted: readdir's order differs between machines */
    size_t n = 0;
    for (struct dirent *e; (e = readdir(d)) && n < SEEDS_MAX;) {
        if (e->d_name[0] == '.') continue;
        if (asprintf(&names[n], "%s/%s", path, e->d_name) < 0) abort();
        n++;
    }
    closedir(d);
    qsort(names, n, sizeof(names[0]), by_name);
    for (size_t i = 0; i < n; i++) {
        load_file(names[i]);
        free(names[i]);
    }
}

/* Cuts m[at..at+k) out, or opens a hole of k bytes there. Returns the new length. */
static size_t shift(uint8_t *m, size_t n, size_t at, size_t k, bool cut)
{
    if (cut) {
        memmove(m + at, m + at + k, n - at - k);
        return n - k;
    }
    memmove(m + at + k, m + at, n - at);
    return n + k;
}

static size_t mutate_once(uint8_t *m, size_t n)
{
    static const uint8_t odd[] = {0,   1,    0x7f, 0x80, 0xff, ' ',  '\n', '\r', '\t', '"',
                                  '\\', '/', '{',  '}',  '[',  ']',  ':',  ',',  ';',  '-',
                                  '+', '.',  '0',  '9',  '%',  '&',  '#',  '*',  '|',  '>'};
    size_t at = below(n), k;
    switch (below(8)) {
    case 0: /* a bit */
        if (n) m[at] ^= (uint8_t)(1u << below(8));
        return n;
    case 1: /* a byte */
        if (n) m[at] = (uint8_t)next_rand();
        return n;
    case 2: /* a byte grammars care about */
        if (n) m[at] = odd[below(sizeof(odd))];
        return n;
    case 3: /* cut */
        k = n ? 1 + below(n - at < 64 ? n - at : 64) : 0;
        return k ? shift(m, n, at, k <= n - at ? k : n - at, true) : n;
    case 4: /* truncate */
        return below(4) ? n : at;
    case 5: /* repeat a stretch: nesting and length limits */
        k = n ? 1 + below(n - at < 256 ? n - at : 256) : 0;
        if (k > n - at) k = n - at;
        if (!k || n + k > MUTANT_MAX) return n;
        n = shift(m, n, at, k, false);
        memmove(m + at, m + at + k, k);
        return n;
    case 6: /* insert */
        if (n + 8 > MUTANT_MAX) return n;
        k = 1 + below(8);
        n = shift(m, n, at, k, false);
        for (size_t i = 0; i < k; i++)
            m[at + i] = below(2) ? odd[below(sizeof(odd))] : (uint8_t)next_rand();
        return n;
    default: { /* a stretch of another seed */
        const struct seed *s = &seeds[below(n_seeds)];
        size_t from = below(s->len);
        k = below(s->len - from < 256 ? s->len - from : 256);
        if (n + k > MUTANT_MAX) return n;
        n = shift(m, n, at, k, false);
        if (k) memcpy(m + at, s->ptr + from, k);
        return n;
    }
    }
}

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void mutate_all(unsigned long long runs, double until)
{
    static uint8_t m[MUTANT_MAX];
    for (unsigned long long i = 0; i < runs && now() < until; i++) {
        const struct seed *s = &seeds[below(n_seeds)];
        size_t n = s->len < MUTANT_MAX ? s->len : MUTANT_MAX;
        if (n) memcpy(m, s->ptr, n);
        for (size_t k = 1 + below(1 + below(8)); k; k--) n = mutate_once(m, n);
        run_one(m, n);
    }
}

int main(int argc, char **argv)
{
    const char *env = getenv("SN_FUZZ_RUNS");
    unsigned long long runs = env ? strtoull(env, NULL, 10) : 20000;
    if ((env = getenv("SN_FUZZ_SEED"))) rand_seed = strtoull(env, NULL, 10);
    rand_state = rand_seed;
    for (int i = 1; i < argc; i++) load(argv[i]);
    if (n_seeds == 0) {
        fprintf(stderr, "usage: %s SEED_DIRECTORY|FILE... (no seed found)\n", argv[0]);
        return 2;
    }
    if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(keep_input);
    const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        signal(signals[i], on_signal);
    double until = now() + SECONDS_MAX;
    run_one(NULL, 0);
    for (size_t i = 0; i < n_seeds; i++) run_one(seeds[i].ptr, seeds[i].len);
    mutate_all(runs, until);
    /* One target is one test, however many inputs it survived. */
    printf("%llu inputs, %zu of them seeds\n1 passed, 0 failed, 0 skipped\n", runs_done, n_seeds);
    for (size_t i = 0; i < n_seeds; i++) free(seeds[i].ptr);
    return 0;
}
