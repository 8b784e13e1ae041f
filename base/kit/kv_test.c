/* SPDX-License-Identifier: Apache-2.0 */
#include "kit/kv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/rand.h"
#include "core/status.h"
#include "core/torture.h"
#include "fiber/fiber.h"
#include "fiber/os.h"
#include "fiber/sim.h"
#include "tests/harness/test.h"

static char folder[256];

/* memory: arg NULL. Otherwise the folder of that name; SKIP where the library is not here. */
static struct sn_kv *open_kv(const char *name)
{
    struct sn_kv *kv;
    if (!name) {
        T_OK(sn_kv_open_memory(&kv));
        return kv;
    }
    snprintf(folder, sizeof(folder), "%s/%s", sn_test_tmpdir(), name);
    int r = sn_kv_open(folder, &(struct sn_kv_opts){.buffer_bytes = 64 << 10}, &kv);
    if (r == SN_E_UNIMPLEMENTED) sn_test_skip("libleveldb1d is not installed");
    T_OK(r);
    return kv;
}
static void run(int (*fn)(void *), void *arg)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 2}, fn, arg));
}
static void put1(struct sn_kv *kv, const char *key, const char *value)
{
    struct sn_kv_batch b = {0};
    T_OK(value ? sn_kv_batch_put(&b, sn_str(key), sn_str(value))
               : sn_kv_batch_del(&b, sn_str(key)));
    T_OK(sn_kv_write(kv, &b, true));
    sn_kv_batch_done(&b);
}
/* The keys of a range, by commas, "+" at the end where there are more. */
static const char *keys(struct sn_kv *kv, const struct sn_kv_range *range)
{
    static char text[256];
    struct sn_arena a;
    struct sn_kv_pair *p;
    size_t n, len = 0;
    sn_arena_init(&a, NULL, 1 << 20);
    int r = sn_kv_scan(kv, range, &a, &p, &n);
    T_ASSERT(r >= 0);
    text[0] = 0;
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s", i ? "," : "",
                                (int)p[i].key.len, p[i].key.ptr);
    if (r == 1) snprintf(text + len, sizeof(text) - len, "+");
    sn_arena_done(&a);
    return text;
}

static int basics_main(void *arg)
{
    struct sn_kv *kv = open_kv(arg);
    struct sn_buf out = {0};
    struct sn_kv_batch b = {0};
    T_EQ(sn_kv_get(kv, SN_STR("a"), &out), 0);
    put1(kv, "b", "1");
    put1(kv, "a", "");
    T_EQ(sn_kv_get(kv, SN_STR("a"), &out), 1);
    T_EQ(out.len, 0);
    T_EQ(sn_kv_get(kv, SN_STR("b"), &out), 1);
    T_EQ(sn_kv_get(kv, SN_STR("b"), &out), 1); /* appended */
    T_STR(sn_buf_view(&out), "11");
    T_OK(sn_kv_batch_put(&b, SN_STR("c"), SN_STR("2")));
    T_OK(sn_kv_batch_del(&b, SN_STR("b")));
    T_OK(sn_kv_batch_del(&b, SN_STR("nothing")));
    T_OK(sn_kv_batch_put(&b, SN_STR("c"), SN_STR("3"))); /* the later one */
    for (int i = 0; i < 5; i++) T_OK(sn_kv_batch_put(&b, sn_str_of(&"defgh"[i], 1), SN_STR("x")));
    T_OK(sn_kv_write(kv, &b, false));
    sn_buf_reset(&out);
    T_EQ(sn_kv_get(kv, SN_STR("c"), &out), 1);
    T_STR(sn_buf_view(&out), "3");
    T_EQ(sn_kv_get(kv, SN_STR("b"), &out), 0);
    sn_kv_batch_reset(&b);
    T_OK(sn_kv_batch_put_parts(&b, SN_STR("c"),
                               (struct sn_str[]){SN_STR("12"), SN_STR(""), SN_STR("3")}, 3));
    T_OK(sn_kv_write(kv, &b, false));
    sn_buf_reset(&out);
    T_EQ(sn_kv_get(kv, SN_STR("c"), &out), 1);
    T_STR(sn_buf_view(&out), "123");
    put1(kv, "c", "3");

    T_CSTR(keys(kv, &(struct sn_kv_range){0}), "a,c,d,e,f,g,h");
    T_CSTR(keys(kv, &(struct sn_kv_range){.from = SN_STR("b"), .to = SN_STR("e")}), "c,d");
    T_CSTR(keys(kv, &(struct sn_kv_range){.from = SN_STR("d"), .n_max = 2}), "d,e+");
    T_CSTR(keys(kv, &(struct sn_kv_range){.backwards = true, .n_max = 2}), "h,g+");
    T_CSTR(keys(kv,
                &(struct sn_kv_range){.backwards = true, .from = SN_STR("e"), .to = SN_STR("g")}),
           "f,e");
    T_CSTR(keys(kv,
                &(struct sn_kv_range){.backwards = true, .from = SN_STR("g"), .to = SN_STR("z")}),
           "h,g");
    T_CSTR(keys(kv, &(struct sn_kv_range){.backwards = true, .to = SN_STR("a")}), "");
    T_CSTR(keys(kv, &(struct sn_kv_range){.bytes_max = 1, .to = SN_STR("d")}), "a+");
    T_CSTR(keys(kv, &(struct sn_kv_range){.from = SN_STR("x")}), "");
    T_OK(sn_kv_compact(kv, SN_STR("a"), SN_STR("")));
    static char long_key[SN_KV_KEY_MAX + 1];
    T_EQ(sn_kv_batch_put(&b, sn_str_of(long_key, sizeof(long_key)), SN_STR("")), SN_E_TOO_LARGE);
    sn_kv_batch_done(&b);
    sn_buf_done(&out);
    sn_kv_close(kv);
    return 0;
}
SN_TEST(kv_memory_basics)
{
    run(basics_main, NULL);
}
SN_TEST(kv_leveldb_basics)
{
    run(basics_main, "basics");
}

/* goleveldb's lock and LevelDB's are different kinds: we hold and heed both. */
static int locks_main(void *arg)
{
    struct sn_kv *kv = open_kv("locks"), *other;
    char lock[300];
    snprintf(lock, sizeof(lock), "%s/LOCK", folder);
    int fd = open(lock, O_RDWR | O_CLOEXEC);
    T_ASSERT(fd >= 0);
    T_ASSERT(flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK);
    /* A second attempt of this process costs the first one nothing. */
    T_EQ(sn_kv_open(folder, NULL, &other), SN_E_BUSY);
    T_ASSERT(flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK);
    sn_kv_close(kv);
    T_EQ(flock(fd, LOCK_EX | LOCK_NB), 0);
    T_EQ(sn_kv_open(folder, NULL, &other), SN_E_BUSY);
    close(fd);
    T_OK(sn_kv_open(folder, NULL, &kv));
    sn_kv_close(kv);
    return arg == NULL;
}
SN_TEST(kv_leveldb_locks)
{
    T_EQ(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, locks_main, NULL), 1);
}

static int reopen_main(void *arg)
{
    struct sn_kv *kv = open_kv("again"), *other;
    struct sn_buf out = {0};
    const struct sn_kv_opts must = {.must_exist = true};
    char none[300];
    put1(kv, "k", "v");
    T_EQ(sn_kv_open(folder, NULL, &other), SN_E_BUSY);
    T_ASSERTF(strstr(sn_diag_str(SN_E_BUSY), folder), "%s", sn_diag_str(SN_E_BUSY));
    sn_kv_close(kv);
    T_OK(sn_kv_open(folder, &must, &kv));
    T_EQ(sn_kv_get(kv, SN_STR("k"), &out), 1);
    T_STR(sn_buf_view(&out), "v");
    sn_kv_close(kv);
    snprintf(none, sizeof(none), "%s/none", sn_test_tmpdir());
    T_EQ(sn_kv_open(none, &must, &kv), SN_E_NOT_FOUND);
    /* Damage: a byte of each table's blocks turned over. */
    char command[600];
    T_OK(sn_kv_open(folder, NULL, &kv));
    T_OK(sn_kv_compact(kv, SN_STR(""), SN_STR("")));
    sn_kv_close(kv);
    snprintf(command, sizeof(command),
             "for f in %s/*.ldb; do printf '\\377\\377\\377' | dd of=$f bs=1 seek=2 conv=notrunc "
             "2>/dev/null; done",
             folder);
    T_EQ(system(command), 0);
    T_OK(sn_kv_open(folder, NULL, &kv));
    T_EQ(sn_kv_get(kv, SN_STR("k"), &out), SN_E_DATA_LOSS);
    sn_kv_close(kv);
    sn_buf_done(&out);
    return 0;
}
SN_TEST(kv_leveldb_again)
{
    run(reopen_main, NULL);
}

/* Bytes of the folder's logs. */
static int64_t log_bytes(void)
{
    char command[400];
    snprintf(command, sizeof(command), "cat %s/*.log | wc -c", folder);
    FILE *f = popen(command, "r");
    long long n = -1;
    T_ASSERT(f && fscanf(f, "%lld", &n) == 1);
    T_EQ(pclose(f), 0);
    return n;
}
/* Under a virtual clock: what comes slowly does not stay in a large buffer, what comes fast does. */
static int slow_main(void *arg)
{
    static char value[1 << 20];
    struct sn_rand rnd;
    struct sn_kv *kv;
    char key[8];
    snprintf(folder, sizeof(folder), "%s/slow", sn_test_tmpdir());
    int r = sn_kv_open(folder, &(struct sn_kv_opts){.buffer_bytes = 64 << 20}, &kv);
    if (r == SN_E_UNIMPLEMENTED) sn_test_skip("libleveldb1d is not installed");
    T_OK(r);
    sn_rand_seed(&rnd, 1);
    for (int i = 0; i < 12; i++) {
        for (size_t k = 0; k + 8 <= sizeof(value); k += 8) {
            uint64_t x = sn_rand_u64(&rnd);
            memcpy(value + k, &x, 8);
        }
        struct sn_kv_batch b = {0};
        snprintf(key, sizeof(key), "%d", i);
        T_OK(sn_kv_batch_put(&b, sn_str(key), sn_str_of(value, sizeof(value))));
        T_OK(sn_kv_write(kv, &b, false));
        sn_kv_batch_done(&b);
        if (i == 5) T_ASSERTF(log_bytes() > 5 << 20, "%lld", (long long)log_bytes());
        if (i >= 5) T_OK(sn_sleep(15 * SN_SEC));
    }
    T_ASSERTF(log_bytes() < 3 << 20, "%lld", (long long)log_bytes());
    struct sn_buf out SN_CLEANUP(sn_buf_done) = {0};
    for (int i = 0; i < 12; i++) {
        snprintf(key, sizeof(key), "%d", i);
        T_EQ(sn_kv_get(kv, sn_str(key), &out), 1);
    }
    T_EQ(out.len, 12 * sizeof(value));
    sn_kv_close(kv);
    return 0;
}
SN_TEST(kv_leveldb_slow)
{
    T_OK(sn_sim_run(&(struct sn_sim_opts){.seed = 1}, slow_main, NULL, NULL));
}

/* Both kinds are the same store, whatever is done to them. Half of the keys differ only behind the
 * bytes that LevelDB's batches are sorted by first. */
static void draw_key(struct sn_rand *rnd, unsigned below, char out[24])
{
    snprintf(out, 24, "%s%03u", sn_rand_below(rnd, 2) ? "a common tag/" : "",
             (unsigned)sn_rand_below(rnd, below));
}
static void same(struct sn_kv *a, struct sn_kv *b, struct sn_rand *rnd)
{
    struct sn_kv *kvs[2] = {a, b};
    char from[24], to[24];
    draw_key(rnd, 200, from);
    draw_key(rnd, 220, to);
    struct sn_kv_range range = {.from = sn_str(from),
                                .to = sn_rand_below(rnd, 5) ? sn_str(to) : SN_STR(""),
                                .backwards = sn_rand_below(rnd, 2),
                                .n_max = sn_rand_below(rnd, 2) * 7,
                                .bytes_max = 1 + sn_rand_below(rnd, 900)};
    struct sn_arena arena[2];
    struct sn_kv_pair *p[2] = {NULL};
    size_t n[2];
    int r[2];
    for (int i = 0; i < 2; i++) {
        sn_arena_init(&arena[i], NULL, 1 << 20);
        r[i] = sn_kv_scan(kvs[i], &range, &arena[i], &p[i], &n[i]);
    }
    T_EQ(r[0], r[1]);
    T_EQ(n[0], n[1]);
    for (size_t i = 0; i < n[0]; i++)
        T_ASSERT(sn_str_eq(p[0][i].key, p[1][i].key) && sn_str_eq(p[0][i].value, p[1][i].value));
    for (int i = 0; i < 2; i++) sn_arena_done(&arena[i]);
}
static int both_main(void *arg)
{
    struct sn_kv *a = open_kv("both"), *b = open_kv(NULL);
    struct sn_rand rnd;
    static char value[400];
    sn_rand_seed(&rnd, sn_test_seed());
    for (unsigned i = 0; i < sn_test_cases(1500); i++) {
        struct sn_kv_batch batch = {0};
        for (unsigned k = (unsigned)sn_rand_below(&rnd, i % 10 ? 6 : 300); k > 0; k--) {
            char key[24];
            draw_key(&rnd, 200, key);
            memset(value, 'a' + (int)((i + k) % 26), sizeof(value));
            T_OK(sn_rand_below(&rnd, 3)
                     ? sn_kv_batch_put(&batch, sn_str(key),
                                       sn_str_of(value, sn_rand_below(&rnd, sizeof(value))))
                     : sn_kv_batch_del(&batch, sn_str(key)));
        }
        T_OK(sn_kv_write(a, &batch, false));
        T_OK(sn_kv_write(b, &batch, false));
        sn_kv_batch_done(&batch);
        same(a, b, &rnd);
    }
    sn_kv_close(a);
    sn_kv_close(b);
    return 0;
}
SN_TEST_SLOW(kv_kinds_agree, 60)
{
    run(both_main, NULL);
}

static int no_memory(void *arg)
{
    struct sn_kv *kv = NULL;
    struct sn_kv_batch b = {0};
    struct sn_buf out = {0};
    int r = sn_kv_open_memory(&kv);
    if (r == 0) r = sn_kv_batch_put(&b, SN_STR("a"), SN_STR("1"));
    if (r == 0) r = sn_kv_batch_put(&b, SN_STR("b"), SN_STR("2"));
    if (r == 0) r = sn_kv_write(kv, &b, true);
    if (r == 0) r = sn_kv_get(kv, SN_STR("b"), &out);
    sn_kv_batch_done(&b);
    sn_buf_done(&out);
    sn_kv_close(kv);
    return r;
}
static int torture_main(void *arg)
{
    int n = sn_torture(no_memory, NULL);
    T_ASSERTF(n >= 5, "%d failures injected", n);
    return 0;
}
SN_TEST(kv_torture)
{
    run(torture_main, NULL);
}
