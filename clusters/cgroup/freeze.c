/* SPDX-License-Identifier: Apache-2.0 */
/* Stopping, continuing and ending all processes of a group. The v2 hierarchy is asked first, also
 * on hybrid hosts, where cgroup.freeze and cgroup.kill work without any controller: it tells when
 * it is done, and what it froze can still be killed. v1's freezer has no event, so its state is
 * read again every millisecond. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "cgroup/cgroup_int.h"
#include "core/status.h"

/* A freezer that is stuck at FREEZING goes on after a thaw: a fork was under way. */
#define CG_REFREEZE_MS 50

/* The value of `key` in a flat-keyed file like cgroup.events; -1 where there is none. */
static int cg_flag(const char *text, const char *key)
{
    struct sn_str s = sn_str(text), line;
    while (cg_next_line(&s, &line)) {
        struct sn_str word = sn_str_cut(&line, ' ');
        if (sn_str_eqc(word, key)) return line.ptr && sn_str_eqc(line, "1");
    }
    return -1;
}

static int cg_event(int dir, const char *key)
{
    char text[256];
    ssize_t n = cg_read_into(dir, "cgroup.events", text, sizeof(text));
    return n < 0 ? (int)n : cg_flag(text, key);
}

/* Waits until `key` of cgroup.events is `want`. Returns 0, -ETIMEDOUT or another -errno. */
static int cg_await(int dir, const char *key, int want, int ms)
{
    int fd = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC), r = -ETIMEDOUT;
    if (fd < 0) return -errno;
    while (ms >= 0) {
        char text[256];
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
        if (n < 0) {
            r = errno == ENODEV && want == 0 ? 0 : -errno;
            break;
        }
        text[n] = '\0';
        if (cg_flag(text, key) == want) {
            r = 0;
            break;
        }
        struct pollfd p = {.fd = fd, .events = POLLPRI};
        const int slice = 100;
        int n_ready = poll(&p, 1, slice); /* banned: cgroup.events, below the fibers */
        ms -= n_ready == 0 ? slice : 1;
    }
    close(fd);
    return r;
}

/* Whether v2 is the one to ask: it has the group, knows how, and the processes are in it. */
static bool cg_v2_rules(const struct sn_cgroup *cg, const char *file)
{
    int dir = cg_unified(cg);
    if (dir < 0 || !cg_exists(dir, file)) return false;
    int f = cg->host->of[SN_CGROUP_FREEZER];
    bool v1 = f >= 0 && !cg->host->h[f].v2 && cg->m[f].dir >= 0;
    return !v1 || cg_event(dir, "populated") == 1;
}

static int cg_v1_freezer(const struct sn_cgroup *cg)
{
    bool v2 = false;
    int dir = cg_dir(cg, SN_CGROUP_FREEZER, &v2);
    return v2 ? -1 : dir;
}

static int cg_freeze_v1(int dir)
{
    char state[32];
    for (int ms = 0; ms < SN_CGROUP_FREEZE_MS; ms++) {
        int r = cg_write(dir, "freezer.state", "FROZEN", 6);
        if (r < 0) return r;
        ssize_t n = cg_read_into(dir, "freezer.state", state, sizeof(state));
        if (n < 0) return (int)n;
        if (strcmp(state, "FROZEN") == 0) return 0;
        if (ms % CG_REFREEZE_MS == CG_REFREEZE_MS - 1)
            (void)cg_write(dir, "freezer.state", "THAWED", 6);
        (void)poll(NULL, 0, 1); /* banned: v1's freezer has no event to wait for */
    }
    (void)cg_write(dir, "freezer.state", "THAWED", 6);
    return -ETIMEDOUT;
}

static int cg_thaw(const struct sn_cgroup *cg)
{
    int v1 = cg_v1_freezer(cg), v2 = cg_unified(cg), r = v1 < 0 && v2 < 0 ? -ENOSYS : 0;
    if (v1 >= 0) r = cg_write(v1, "freezer.state", "THAWED", 6);
    if (r == 0 && v2 >= 0 && cg_exists(v2, "cgroup.freeze")) {
        r = cg_write(v2, "cgroup.freeze", "0", 1);
        if (r == 0) r = cg_await(v2, "frozen", 0, SN_CGROUP_FREEZE_MS);
    }
    return r;
}

int sn_cgroup_freeze(struct sn_cgroup *cg, bool frozen)
{
    int r, v1 = cg_v1_freezer(cg);
    if (!frozen) {
        r = cg_thaw(cg);
    } else if (cg_v2_rules(cg, "cgroup.freeze")) {
        r = cg_write(cg_unified(cg), "cgroup.freeze", "1", 1);
        if (r == 0) r = cg_await(cg_unified(cg), "frozen", 1, SN_CGROUP_FREEZE_MS);
        if (r < 0) (void)cg_write(cg_unified(cg), "cgroup.freeze", "0", 1);
    } else {
        r = v1 >= 0 ? cg_freeze_v1(v1) : -ENOSYS;
    }
    const char *what = frozen ? "freeze" : "thaw";
    if (r == -ENOSYS)
        return sn_fail(SN_E_UNIMPLEMENTED, "%s cgroup %s: no freezer is mounted", what,
                       cg->location);
    if (r == -ETIMEDOUT)
        return sn_fail(SN_E_DEADLINE_EXCEEDED, "%s cgroup %s: not within %d ms", what, cg->location,
                       SN_CGROUP_FREEZE_MS);
    return r < 0 ? sn_fail_errno(-r, "%s cgroup %s", what, cg->location) : 0;
}

int sn_cgroup_frozen(const struct sn_cgroup *cg)
{
    char state[32];
    int v1 = cg_v1_freezer(cg), v2 = cg_unified(cg), r = 0;
    if (v2 >= 0 && cg_exists(v2, "cgroup.freeze")) {
        ssize_t n = cg_read_into(v2, "cgroup.freeze", state, sizeof(state));
        if (n == 1 && state[0] == '1') return 1;
        if (n < 0) r = (int)n;
    }
    if (v1 >= 0) {
        ssize_t n = cg_read_into(v1, "freezer.state", state, sizeof(state));
        if (n > 0) return strcmp(state, "THAWED") != 0;
        r = (int)n;
    }
    return r < 0 ? sn_fail_errno(-r, "read the freezer of %s", cg->location) : 0;
}

/* ---- signals -----------------------------------------------------------------------------------
 */

static int cg_signal_all(const struct sn_cgroup *cg, int sig)
{
    struct sn_arena a;
    struct sn_cgroup_pids p = {0};
    sn_arena_init(&a, NULL, 0);
    int r = sn_cgroup_pids(cg, true, &a, &p);
    for (size_t i = 0; r == 0 && i < p.n; i++)
        if (kill(p.ptr[i], sig) < 0 && errno != ESRCH)
            r = sn_fail_errno(errno, "signal %d to process %d of %s", sig, (int)p.ptr[i],
                              cg->location);
    sn_arena_done(&a);
    return r;
}

int sn_cgroup_signal(struct sn_cgroup *cg, int sig)
{
    if (sig == SIGKILL && cg_v2_rules(cg, "cgroup.kill")) {
        int r = cg_write(cg_unified(cg), "cgroup.kill", "1", 1);
        if (r == 0) return 0;
        if (r != -EOPNOTSUPP && r != -ENOENT)
            return cg_fail(cg, cg->host->unified, -r, "kill", NULL);
    }
    /* Frozen, nobody forks between the listing and the signal. A group that was frozen before stays
     * so, except for SIGKILL, which v1 delivers only to the thawed. */
    int was = sn_cgroup_frozen(cg);
    bool froze = was == 0 && sn_cgroup_freeze(cg, true) == 0;
    int r = cg_signal_all(cg, sig);
    if (froze || (was == 1 && sig == SIGKILL)) {
        int t = sn_cgroup_freeze(cg, false);
        if (r == 0) r = t;
    }
    return r;
}

int sn_cgroup_kill(struct sn_cgroup *cg)
{
    int r = sn_cgroup_signal(cg, SIGKILL);
    if (r == 0 && sn_cgroup_frozen(cg) == 1) r = sn_cgroup_freeze(cg, false);
    if (r < 0) return r;
    int u = cg_unified(cg);
    if (u >= 0 && cg_await(u, "populated", 0, SN_CGROUP_REMOVE_MS) == -ETIMEDOUT)
        return sn_fail(SN_E_DEADLINE_EXCEEDED, "%s: processes survive SIGKILL", cg->location);
    /* Whoever is only in a v1 hierarchy is signalled, too; forks may have been missed. */
    for (int ms = 0; (r = sn_cgroup_populated(cg)) == 1 && ms < SN_CGROUP_REMOVE_MS;) {
        if ((r = cg_signal_all(cg, SIGKILL)) < 0) return r;
        ms += cg_wait_exit(cg, 10);
    }
    return r == 1 ? sn_fail(SN_E_DEADLINE_EXCEEDED, "%s: processes survive SIGKILL", cg->location)
                  : r;
}
