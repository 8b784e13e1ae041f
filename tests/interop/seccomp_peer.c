/* SPDX-License-Identifier: Apache-2.0 */
/* Our filters against libseccomp's: the same profile compiled by both, both programs interpreted
 * over (architecture, number, arguments), the verdicts compared.
 *
 *   seccomp_peer random CASES SEED     random profiles
 *   seccomp_peer profile FILE.json     one profile of the runtime-spec, exhaustively over numbers
 *   seccomp_peer bench FILE.json       time of compiling and of loading, both ways, and per call */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clusters/seccomp/bpf_test.h"
#include "clusters/seccomp/seccomp_int.h"
#include "core/alloc.h"
#include "core/status.h"

static uint64_t state;
static uint64_t rnd(uint64_t n)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (state >> 33) % n;
}

/* ---- the peer ----------------------------------------------------------------------------------
 */

static uint32_t peer_action(const struct sn_json *o, const char *field, const char *errno_field)
{
    struct sn_str s = sn_json_str(sn_json_get(o, field));
    uint32_t e = (uint32_t)sn_json_i64_or(sn_json_get(o, errno_field), EPERM);
    if (sn_str_eqc(s, "SCMP_ACT_ALLOW")) return SCMP_ACT_ALLOW;
    if (sn_str_eqc(s, "SCMP_ACT_ERRNO")) return SCMP_ACT_ERRNO(e);
    if (sn_str_eqc(s, "SCMP_ACT_KILL_PROCESS")) return SCMP_ACT_KILL_PROCESS;
    if (sn_str_eqc(s, "SCMP_ACT_TRAP")) return SCMP_ACT_TRAP;
    if (sn_str_eqc(s, "SCMP_ACT_TRACE")) return SCMP_ACT_TRACE(e);
    if (sn_str_eqc(s, "SCMP_ACT_LOG")) return SCMP_ACT_LOG;
    if (sn_str_eqc(s, "SCMP_ACT_NOTIFY")) return SCMP_ACT_NOTIFY;
    return SCMP_ACT_KILL;
}

static uint32_t peer_arch(struct sn_str s)
{
    if (sn_str_eqc(s, "SCMP_ARCH_X86")) return SCMP_ARCH_X86;
    if (sn_str_eqc(s, "SCMP_ARCH_X32")) return SCMP_ARCH_X32;
    return SCMP_ARCH_X86_64;
}

static enum scmp_compare peer_op(struct sn_str s)
{
    static const struct {
        const char *name;
        enum scmp_compare op;
    } ops[] = {{"SCMP_CMP_NE", SCMP_CMP_NE}, {"SCMP_CMP_LT", SCMP_CMP_LT},
               {"SCMP_CMP_LE", SCMP_CMP_LE}, {"SCMP_CMP_EQ", SCMP_CMP_EQ},
               {"SCMP_CMP_GE", SCMP_CMP_GE}, {"SCMP_CMP_GT", SCMP_CMP_GT}};
    for (size_t i = 0; i < SN_COUNT_OF(ops); i++)
        if (sn_str_eqc(s, ops[i].name)) return ops[i].op;
    return SCMP_CMP_MASKED_EQ;
}

static bool peer_refused;
static void peer_name(scmp_filter_ctx c, uint32_t action, const char *name,
                      const struct sn_json *args)
{
    struct scmp_arg_cmp cmp[64];
    unsigned n = 0, seen[6] = {0};
    bool twice = false;
    int nr = seccomp_syscall_resolve_name(name);
    if (nr == __NR_SCMP_ERROR) return;
    for (SN_JSON_EACH(args, it)) {
        uint64_t v = 0, v2 = 0;
        unsigned index = (unsigned)sn_json_i64_or(sn_json_get(it, "index"), 0);
        if (sn_json_to_u64(sn_json_get(it, "value"), &v) < 0) v = 0;
        if (sn_json_to_u64(sn_json_get(it, "valueTwo"), &v2) < 0) v2 = 0;
        twice = twice || seen[index]++;
        cmp[n++] = (struct scmp_arg_cmp){index, peer_op(sn_json_str(sn_json_get(it, "op"))), v, v2};
    }
    int r = twice ? 0 : seccomp_rule_add_array(c, action, nr, n, cmp);
    for (unsigned i = 0; twice && r == 0 && i < n; i++)
        r = seccomp_rule_add_array(c, action, nr, 1, &cmp[i]);
    /* Conditions on a call that i386 multiplexes, once it has a rule without: it gives up. */
    peer_refused = peer_refused || (r < 0 && r != -EEXIST);
}

static scmp_filter_ctx peer_build(const struct sn_json *p)
{
    uint32_t def = peer_action(p, "defaultAction", "defaultErrnoRet");
    scmp_filter_ctx c = seccomp_init(def);
    for (SN_JSON_EACH(sn_json_get(p, "architectures"), it))
        seccomp_arch_add(c, peer_arch(sn_json_str(it)));
    for (SN_JSON_EACH(sn_json_get(p, "syscalls"), it)) {
        uint32_t action = peer_action(it, "action", "errnoRet");
        if (action == def) continue;
        for (SN_JSON_EACH(sn_json_get(it, "names"), name)) {
            char z[128];
            if (sn_str_cz(sn_json_str(name), z, sizeof(z)) == 0)
                peer_name(c, action, z, sn_json_get(it, "args"));
        }
    }
    return c;
}

static struct sock_filter *peer_program(const struct sn_json *p, uint32_t *n)
{
    scmp_filter_ctx c = peer_build(p);
    int fd = memfd_create("filter", 0);
    if (seccomp_export_bpf(c, fd) < 0) exit(2);
    off_t size = lseek(fd, 0, SEEK_END);
    struct sock_filter *out = sn_alloc((size_t)size);
    if (!out || pread(fd, out, (size_t)size, 0) != size) exit(2);
    close(fd);
    seccomp_release(c);
    *n = (uint32_t)((size_t)size / sizeof(*out));
    return out;
}

/* ---- comparison --------------------------------------------------------------------------------
 */

/* Ours without what is newer than the profile, which libseccomp leaves to its callers. */
static int ours_plain(struct sn_arena *a, const struct sn_json *v, struct sn_seccomp_filter *f)
{
    struct sc_profile p;
    int e = sc_profile_read(a, v, &p);
    p.newer_enosys = false;
    return e < 0 ? e : sc_emit(a, &p, f);
}

/* What the specification says, read slowly: the first rule whose conditions all hold. *several: the
 * call has more than one, of which libseccomp loses some where they overlap (it follows the first
 * condition that holds and forgets the other rules), so that its verdict counts for nothing there.
 */
static uint32_t slow(const struct sc_profile *p, const struct seccomp_data *d, bool *several)
{
    enum sc_arch arch = d->arch == AUDIT_ARCH_I386     ? SC_X86
                        : (uint32_t)d->nr & SC_X32_BIT ? SC_X32
                                                       : SC_X86_64;
    uint32_t nr = (uint32_t)d->nr & ~SC_X32_BIT;
    *several = false;
    if (d->arch != AUDIT_ARCH_I386 && d->arch != AUDIT_ARCH_X86_64) return p->bad_arch;
    if (arch == SC_X86)
        nr = (uint32_t)d->nr;
    else if ((uint32_t)d->nr >= SC_X32_BIT && !p->arch[SC_X32])
        return d->nr == -1 ? p->default_action : p->bad_arch;
    if (!p->arch[arch]) return p->bad_arch;
    if (nr >= SC_NUMBERS) return p->default_action;
    const struct sc_slot *s = &p->arch[arch]->slot[nr];
    *several = !s->fixed && s->match && s->match->next;
    if (s->fixed) return s->action;
    for (const struct sc_match *m = s->match; m; m = m->next) {
        bool all = true;
        for (unsigned k = 0; k < m->rule->n; k++) {
            const struct sc_cond *c = &m->rule->cond[k];
            uint64_t v = d->args[c->arg], w = c->value, t = c->value_two;
            if (arch != SC_X86_64) {
                v = (uint32_t)v;
                w = (uint32_t)w;
                t = (uint32_t)t;
            }
            bool yes[] = {v != w, v<w, v <= w, v == w, v >= w, v> w, (v & w) == t};
            all = all && yes[c->op];
        }
        if (all) return m->rule->action;
    }
    return p->default_action;
}

/* A number that this libseccomp has no name for: rules about it are lost. */
static bool peer_knows(const struct seccomp_data *d)
{
    bool x32 = d->arch == AUDIT_ARCH_X86_64 && (uint32_t)d->nr & SC_X32_BIT;
    char *name = seccomp_syscall_resolve_num_arch(d->arch == AUDIT_ARCH_I386 ? SCMP_ARCH_X86
                                                  : x32                      ? SCMP_ARCH_X32
                                                                             : SCMP_ARCH_X86_64,
                                                  d->nr);
    free(name); /* banned: libseccomp's */
    return name != NULL;
}

struct tally {
    unsigned long same, several, unknown, wrong, large, refused;
};
static void compare(const struct sn_json *v, const struct seccomp_data *data, size_t n,
                    struct tally *t, const char *what)
{
    struct sn_arena a;
    struct sn_seccomp_filter f = {0};
    struct sc_profile p;
    uint32_t np;
    sn_arena_init(&a, NULL, 0);
    peer_refused = false;
    struct sock_filter *peer = peer_program(v, &np);
    int e = ours_plain(&a, v, &f);
    if (peer_refused) {
        t->refused++;
        n = 0;
    }
    /* Its chains share more than ours: of what random profiles reach, and real ones are far from.
     */
    if (e == SN_E_TOO_LARGE && np > SN_SECCOMP_INSNS_MAX / 2) {
        t->large++;
    } else if (e < 0 || sc_profile_read(&a, v, &p) < 0 || !bpf_valid(f.insns, f.n)) {
        printf("%s: %s (libseccomp's has %u instructions)\n", what,
               e < 0 ? sn_diag_str(e) : "an invalid program", np);
        t->wrong++;
        e = -1;
    }
    for (size_t i = 0; e == 0 && i < n; i++) {
        bool several;
        uint32_t x = bpf_run(f.insns, &data[i], NULL), y = bpf_run(peer, &data[i], NULL);
        uint32_t z = slow(&p, &data[i], &several);
        if (x == z && x == y) {
            t->same++;
        } else if (x == z && several) {
            t->several++;
        } else if (x == z && !peer_knows(&data[i])) {
            t->unknown++;
        } else if (t->wrong++ < 10) {
            printf(
                "%s: arch %#x nr %#x args %#llx %#llx %#llx: ours %#x, libseccomp %#x, meant %#x\n",
                what, data[i].arch, data[i].nr, (unsigned long long)data[i].args[0],
                (unsigned long long)data[i].args[1], (unsigned long long)data[i].args[2], x, y, z);
        }
    }
    sn_free(peer);
    sn_arena_done(&a);
}

/* ---- random profiles ---------------------------------------------------------------------------
 */

static const char *const action_names[] = {"SCMP_ACT_ALLOW",       "SCMP_ACT_ERRNO",
                                           "SCMP_ACT_KILL",        "SCMP_ACT_LOG",
                                           "SCMP_ACT_TRAP",        "SCMP_ACT_TRACE",
                                           "SCMP_ACT_KILL_PROCESS"};
static const char *const op_names[] = {"SCMP_CMP_NE",       "SCMP_CMP_LT", "SCMP_CMP_LE",
                                       "SCMP_CMP_EQ",       "SCMP_CMP_GE", "SCMP_CMP_GT",
                                       "SCMP_CMP_MASKED_EQ"};
static uint64_t values[64];
static size_t n_values;

static const char *random_name(void)
{
    static char name[128];
    for (;;) {
        int nr = (int)rnd(450); /* what libseccomp 2.5.4 knows on each architecture */
        char *s = seccomp_syscall_resolve_num_arch(rnd(2) ? SCMP_ARCH_X86_64 : SCMP_ARCH_X86, nr);
        if (!s) continue;
        snprintf(name, sizeof(name), "%s", s);
        free(s); /* banned: libseccomp's */
        return name;
    }
}

static uint64_t random_value(void)
{
    static const uint64_t odd[] = {0,
                                   1,
                                   2,
                                   0x7fffffff,
                                   0x80000000,
                                   0xffffffff,
                                   0x100000000ull,
                                   0x1ffffffffull,
                                   UINT64_MAX,
                                   0x7fffffffffffffffull,
                                   0x2000000020ull};
    uint64_t v = rnd(2) ? odd[rnd(SN_COUNT_OF(odd))] : rnd(4096);
    if (n_values < SN_COUNT_OF(values)) values[n_values++] = v;
    return v;
}

static void random_args(struct sn_buf *b)
{
    unsigned n = (unsigned)rnd(4);
    bool repeat = rnd(6) == 0;
    if (n == 0) return;
    sn_buf_cstr(b, ",\"args\":[");
    for (unsigned i = 0; i < n; i++) {
        const char *op = op_names[rnd(SN_COUNT_OF(op_names))];
        uint64_t v = random_value(), two = random_value();
        sn_buf_printf(b, "%s{\"index\":%u,\"op\":\"%s\",\"value\":%llu,\"valueTwo\":%llu}",
                      i ? "," : "", repeat ? (unsigned)rnd(2) : i, op, (unsigned long long)v,
                      (unsigned long long)(two & (rnd(8) ? v : UINT64_MAX)));
    }
    sn_buf_cstr(b, "]");
}

static void random_profile(struct sn_buf *b)
{
    /* Many overlapping rules of one call keep libseccomp busy for minutes: large profiles have few.
     */
    bool large = rnd(10) == 0;
    unsigned entries = (unsigned)rnd(large ? 80 : 12);
    n_values = 0;
    sn_buf_printf(
        b, "{\"defaultAction\":\"%s\",\"architectures\":[\"SCMP_ARCH_X86_64\"%s%s],\"syscalls\":[",
        action_names[rnd(SN_COUNT_OF(action_names))], rnd(2) ? ",\"SCMP_ARCH_X86\"" : "",
        rnd(2) ? ",\"SCMP_ARCH_X32\"" : "");
    for (unsigned i = 0; i < entries; i++) {
        unsigned names = 1 + (unsigned)rnd(rnd(3) ? 3 : 40);
        sn_buf_printf(b, "%s{\"action\":\"%s\",\"names\":[", i ? "," : "",
                      action_names[rnd(SN_COUNT_OF(action_names))]);
        bool multiplexed = false;
        for (unsigned k = 0; k < names; k++) {
            const char *name = random_name();
            int direct = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86, name);
            multiplexed = multiplexed || sc_multiplexed_on_i386(name) || direct < 0;
            sn_buf_printf(b, "%s\"%s\"", k ? "," : "", name);
        }
        sn_buf_cstr(b, "]");
        /* libseccomp loses rules with conditions on what i386 multiplexes, also for x86-64. */
        if (multiplexed) {
        } else if (!large || rnd(6) == 0)
            random_args(b);
        if (rnd(3) == 0) sn_buf_printf(b, ",\"errnoRet\":%u", (unsigned)rnd(134));
        sn_buf_cstr(b, "}");
    }
    sn_buf_cstr(b, "]}");
}

static struct seccomp_data random_data(void)
{
    struct seccomp_data d = {.arch = rnd(3) ? AUDIT_ARCH_X86_64 : AUDIT_ARCH_I386,
                             .nr = (int)rnd(470)};
    if (rnd(50) == 0) d.arch = (uint32_t)rnd(UINT32_MAX);
    if (d.arch == AUDIT_ARCH_X86_64 && rnd(4) == 0) d.nr |= (int)SC_X32_BIT;
    if (rnd(50) == 0) d.nr = (int)(uint32_t)random_value();
    for (unsigned i = 0; i < 6; i++) {
        uint64_t v = n_values && rnd(3) ? values[rnd(n_values)] : random_value();
        d.args[i] = v + (rnd(4) == 0) - (rnd(4) == 0);
    }
    return d;
}

static int run_random(unsigned cases, uint64_t seed)
{
    struct tally t = {0};
    unsigned bad = 0;
    for (unsigned c = 0; c < cases; c++) {
        struct sn_arena a;
        struct sn_buf b;
        const struct sn_json *v;
        static struct seccomp_data data[2000];
        char what[64];
        state = seed + c;
        for (int i = 0; i < 5; i++) rnd(2);
        sn_arena_init(&a, NULL, 0);
        sn_buf_init(&b, 0);
        random_profile(&b);
        if (sn_json_parse(&a, sn_buf_view(&b), NULL, &v) < 0) exit(2);
        for (size_t i = 0; i < SN_COUNT_OF(data); i++) data[i] = random_data();
        snprintf(what, sizeof(what), "seed %llu", (unsigned long long)(seed + c));
        unsigned long before = t.wrong;
        compare(v, data, SN_COUNT_OF(data), &t, what);
        if (t.wrong > before && bad++ < 3) printf("  %.*s\n", (int)b.len, b.ptr);
        sn_buf_done(&b);
        sn_arena_done(&a);
    }
    printf("%u profiles: %lu verdicts agree, %lu where several rules overlap, %lu wrong; %lu "
           "profiles too large, %lu refused "
           "by libseccomp\n",
           cases, t.same, t.several, t.wrong, t.large, t.refused);
    return t.wrong || t.same == 0 || t.refused * 4 > cases;
}

/* ---- one profile -------------------------------------------------------------------------------
 */

static const struct sn_json *read_profile(struct sn_arena *a, const char *path)
{
    FILE *f = fopen(path, "r");
    size_t cap = 4u << 20, n;
    char *text = sn_arena_alloc(a, cap);
    const struct sn_json *v;
    if (!f || !text || (n = fread(text, 1, cap, f)) == 0 ||
        sn_json_parse(a, sn_str_of(text, n), NULL, &v) < 0) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(2);
    }
    fclose(f);
    return sn_json_get(v, "linux") ? sn_json_path(v, "linux.seccomp") : v;
}

static int run_profile(const char *path)
{
    struct sn_arena a;
    struct tally t = {0};
    sn_arena_init(&a, NULL, 0);
    const struct sn_json *v = read_profile(&a, path);
    static struct seccomp_data data[3 * 1100 * 8];
    static const uint64_t args[] = {0, 1, 2, 16, 40, 0x20000000, 0x7e020000, 0xffffffff};
    size_t n = 0;
    for (unsigned arch = 0; arch < 3; arch++)
        for (unsigned nr = 0; nr < 1100; nr++)
            for (unsigned k = 0; k < SN_COUNT_OF(args); k++) {
                data[n] =
                    (struct seccomp_data){.nr = (int)(nr | (arch == 2 ? SC_X32_BIT : 0)),
                                          .arch = arch == 1 ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64};
                for (unsigned i = 0; i < 6; i++)
                    data[n].args[i] = args[(k + i * 3) % SN_COUNT_OF(args)];
                n++;
            }
    compare(v, data, n, &t, path);
    struct sn_seccomp_filter f;
    uint32_t np;
    int e = sn_seccomp_compile(&a, v, &f);
    struct sock_filter *peer = peer_program(v, &np);
    unsigned ours_steps = 0, peer_steps = 0;
    for (int nr = 0; nr < 335 && e == 0; nr++) {
        struct seccomp_data d = {.nr = nr, .arch = AUDIT_ARCH_X86_64};
        bpf_run(f.insns, &d, &ours_steps);
        bpf_run(peer, &d, &peer_steps);
    }
    printf("%s: %lu verdicts agree, %lu where several rules overlap, %lu of calls unknown to "
           "libseccomp, %lu wrong; %u instructions "
           "(libseccomp %u), "
           "%.1f steps per call (libseccomp %.1f)\n",
           path, t.same, t.several, t.unknown, t.wrong, f.n, np, ours_steps / 335.0,
           peer_steps / 335.0);
    sn_free(peer);
    sn_arena_done(&a);
    return t.wrong || e < 0;
}

/* ---- bench -------------------------------------------------------------------------------------
 */

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* A child's measurement, so that filters do not pile up. */
static double in_child(double (*fn)(void *), void *arg)
{
    double *out = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = fork();
    if (pid == 0) {
        *out = fn(arg);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    double r = *out;
    munmap(out, 4096);
    return r;
}

struct prog {
    struct sock_filter *insns;
    uint32_t n, flags;
};
static double time_load(void *arg)
{
    struct prog *p = arg;
    struct sn_seccomp_filter f = {.insns = p->insns, .n = p->n, .flags = p->flags};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    double t = now_us();
    int r = sn_seccomp_load(&f, NULL);
    return r < 0 ? -1 : now_us() - t;
}
static double time_calls(void *arg)
{
    struct prog *p = arg;
    if (p && time_load(p) < 0) return -1;
    enum { N = 1000000 };
    double t = now_us();
    for (int i = 0; i < N; i++) syscall(SYS_getppid);
    return (now_us() - t) * 1000 / N;
}
/* personality has conditions in the usual profiles, so that its verdict is never cached. */
static double time_checked_calls(void *arg)
{
    struct prog *p = arg;
    if (p && time_load(p) < 0) return -1;
    enum { N = 1000000 };
    double t = now_us();
    for (int i = 0; i < N; i++) syscall(SYS_personality, 0xffffffff);
    return (now_us() - t) * 1000 / N;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static double median(double *v, size_t n)
{
    qsort(v, n, sizeof(*v), by_size);
    return v[n / 2];
}

static int run_bench(const char *path)
{
    enum { ROUNDS = 31 };
    static double ours[ROUNDS], peer[ROUNDS], cached[ROUNDS], hit[ROUNDS], load[3][ROUNDS],
        call[3][ROUNDS], checked[3][ROUNDS], bare[ROUNDS];
    struct sn_arena keep, a;
    sn_arena_init(&keep, NULL, 0);
    sn_arena_init(&a, NULL, 0);
    const struct sn_json *v = read_profile(&keep, path);
    struct sn_seccomp_filter f;
    char dir_name[] = "/tmp/sn-seccomp-XXXXXX";
    int dir = open(mkdtemp(dir_name), O_RDONLY | O_DIRECTORY);
    if (sn_seccomp_compile(&keep, v, &f) < 0) return 1;
    struct prog p[2] = {{f.insns, f.n, f.flags}, {NULL, 0, f.flags}};
    p[1].insns = peer_program(v, &p[1].n);
    for (int i = 0; i < ROUNDS; i++) {
        bool was;
        uint32_t n;
        double t = now_us();
        sn_arena_reset(&a);
        (void)!sn_seccomp_compile(&a, v, &f);
        ours[i] = now_us() - t;
        sn_arena_reset(&a);
        t = now_us();
        (void)!sn_seccomp_cached(&a, dir, v, &f, &was);
        cached[i] = now_us() - t;
        hit[i] = was;
        t = now_us();
        sn_free(peer_program(v, &n));
        peer[i] = now_us() - t;
        for (int k = 0; k < 2; k++) {
            load[k][i] = in_child(time_load, &p[k]);
            if (i < 7) call[k][i] = in_child(time_calls, &p[k]);
            if (i < 7) checked[k][i] = in_child(time_checked_calls, &p[k]);
        }
        if (i < 7) bare[i] = in_child(time_calls, NULL);
    }
    printf("compile: ours %.0f us, from cache %.0f us (%.0f of %d hits), libseccomp %.0f us\n",
           median(ours, ROUNDS), median(cached, ROUNDS), median(hit, ROUNDS) * (ROUNDS - 1), ROUNDS,
           median(peer, ROUNDS));
    printf("load:    ours %.0f us (%u instructions), libseccomp %.0f us (%u)\n",
           median(load[0], ROUNDS), p[0].n, median(load[1], ROUNDS), p[1].n);
    printf("getppid: no filter %.1f ns, ours %.1f ns, libseccomp %.1f ns\n", median(bare, 7),
           median(call[0], 7), median(call[1], 7));
    printf("personality, whose verdict needs the program: ours %.1f ns, libseccomp %.1f ns\n",
           median(checked[0], 7), median(checked[1], 7));
    sn_free(p[1].insns);
    sn_arena_done(&a);
    sn_arena_done(&keep);
    close(dir);
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 4 && strcmp(argv[1], "random") == 0)
        return run_random((unsigned)strtoul(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    if (argc == 3 && strcmp(argv[1], "profile") == 0) return run_profile(argv[2]);
    if (argc == 3 && strcmp(argv[1], "bench") == 0) return run_bench(argv[2]);
    fprintf(stderr, "usage: seccomp_peer random CASES SEED | profile FILE | bench FILE\n");
    return 2;
}
