/* SPDX-License-Identifier: Apache-2.0 */
/* oci/init_creds.c - child: limits, scheduling, identity, capabilities, labels. */
#include <grp.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "clusters/oci/init_int.h"

/* Root of the user namespace: as the owner of what is mounted, and to keep capabilities. */
void sn_oci_become_root(struct sn_oci_plan *p)
{
    if (!p->userns) return;
    if (!p->keep_groups && syscall(SYS_setgroups, 0, NULL) < 0 && errno != EPERM)
        sn_oci_die(p, errno, "drop supplementary groups");
    /* A mapping without 0 leaves the identity as it is; the program's user is set later. */
    if (syscall(SYS_setresgid, 0, 0, 0) < 0 && errno != EINVAL)
        sn_oci_die(p, errno, "become group 0 of the user namespace");
    if (syscall(SYS_setresuid, 0, 0, 0) < 0 && errno != EINVAL)
        sn_oci_die(p, errno, "become user 0 of the user namespace");
}

struct sched_attr_kernel {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t util_min, util_max;
};

static void scheduling(struct sn_oci_plan *p)
{
    const struct sn_oci_scheduler *s = &p->process->scheduler;
    if (s->set) {
        struct sched_attr_kernel a = {.size = sizeof(a),
                                      .policy = (uint32_t)s->policy,
                                      .flags = s->flags,
                                      .nice = (int32_t)s->nice,
                                      .priority = (uint32_t)s->priority,
                                      .runtime = s->runtime_ns,
                                      .deadline = s->deadline_ns,
                                      .period = s->period_ns};
        if (syscall(SYS_sched_setattr, 0, &a, 0) < 0) sn_oci_die(p, errno, "set the scheduler");
    }
    const struct sn_oci_io_priority *io = &p->process->io_priority;
    if (io->set) {
        int v = (int)(io->class << IOPRIO_CLASS_SHIFT | io->priority);
        if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, v) < 0)
            sn_oci_die(p, errno, "set the I/O priority");
    }
    if (p->affinity_in_child && p->process->affinity.final_set &&
        syscall(SYS_sched_setaffinity, 0, sizeof(cpu_set_t), &p->process->affinity.final) < 0)
        sn_oci_die(p, errno, "set the CPU affinity");
    const struct sn_oci_memory_policy *m = &p->spec->memory_policy;
    if (!m->set) return;
    bool nodes = m->nodes_text && m->nodes_text[0];
    if (syscall(SYS_set_mempolicy, m->mode | (int64_t)m->flags, nodes ? m->nodes : NULL,
                nodes ? sizeof(m->nodes) * 8 : 0) < 0)
        sn_oci_die(p, errno, "set the memory policy");
}

void sn_oci_limits(struct sn_oci_plan *p)
{
    scheduling(p);
    for (size_t i = 0; i < p->process->rlimits.n; i++) {
        const struct sn_oci_rlimit *l = &p->process->rlimits.ptr[i];
        struct rlimit64 r = {.rlim_cur = l->soft, .rlim_max = l->hard}, now;
        /* In a user namespace the parent has set them: raising is a right of the host's root. */
        if (syscall(SYS_prlimit64, 0, l->type, NULL, &now) == 0 && now.rlim_cur == r.rlim_cur &&
            now.rlim_max == r.rlim_max)
            continue;
        if (syscall(SYS_prlimit64, 0, l->type, &r, NULL) < 0)
            sn_oci_die(p, errno, "set rlimit %lld to %llu:%llu", (long long)l->type,
                       (unsigned long long)l->soft, (unsigned long long)l->hard);
    }
    if (p->spec->personality.set && personality((unsigned long)p->spec->personality.v) < 0)
        sn_oci_die(p, errno, "set the personality");
    if (p->new_keyring && syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, p->session.ptr) < 0 &&
        errno != ENOSYS && errno != EPERM && errno != EDQUOT)
        sn_oci_die(p, errno, "join a session keyring");
}

/* Labels take effect at the execution; written through the host's /proc, so that no mount of the
 * container can redirect them (CVE-2019-16884, CVE-2025-52881). */
void sn_oci_labels(struct sn_oci_plan *p)
{
    const char *profile = p->process->apparmor, *label = p->process->selinux;
    if (profile && profile[0]) {
        int n = snprintf(p->part, sizeof(p->part), "exec %s", profile);
        int e = sn_oci_write_file(p->proc, "self/attr/apparmor/exec", p->part, (size_t)n);
        if (e == -ENOENT) e = sn_oci_write_file(p->proc, "self/attr/exec", p->part, (size_t)n);
        if (e < 0) sn_oci_die(p, -e, "apparmor profile %.64s (is AppArmor enabled?)", profile);
    }
    if (label && label[0]) {
        int e = sn_oci_write_file(p->proc, "self/attr/exec", label, strlen(label));
        if (e < 0) sn_oci_die(p, -e, "selinux label %.64s", label);
    }
}

static void set_caps(struct sn_oci_plan *p, uint64_t eff, uint64_t perm, uint64_t inh)
{
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct d[2] = {{(uint32_t)eff, (uint32_t)perm, (uint32_t)inh},
                                          {(uint32_t)(eff >> 32), (uint32_t)(perm >> 32),
                                           (uint32_t)(inh >> 32)}};
    if (syscall(SYS_capset, &h, d) < 0) sn_oci_die(p, errno, "set capabilities");
}

static uint64_t own_permitted(void)
{
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct d[2] = {0};
    return syscall(SYS_capget, &h, d) < 0 ? 0 : d[0].permitted | (uint64_t)d[1].permitted << 32;
}

static void drop_bounding(struct sn_oci_plan *p, uint64_t keep)
{
    for (int c = 0; c < 64; c++) {
        if (keep >> c & 1) continue;
        if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) == 0) continue;
        if (errno == EINVAL) break; /* beyond the kernel's last */
        if (errno != EPERM || prctl(PR_CAPBSET_READ, c, 0, 0, 0) == 1)
            sn_oci_die(p, errno, "drop capability %d from the bounding set", c);
    }
}

static void set_identity(struct sn_oci_plan *p)
{
    const struct sn_oci_user *u = &p->process->user;
    if (!p->keep_groups && syscall(SYS_setgroups, u->n_groups, u->groups) < 0) {
        /* A user namespace made without privilege has setgroups denied. */
        if (errno != EPERM || u->n_groups || !p->userns)
            sn_oci_die(p, errno, "set supplementary groups");
    }
    if (syscall(SYS_setresgid, u->gid, u->gid, u->gid) < 0)
        sn_oci_die(p, errno, "set group %u", u->gid);
    if (syscall(SYS_setresuid, u->uid, u->uid, u->uid) < 0)
        sn_oci_die(p, errno, "set user %u", u->uid);
}

void sn_oci_credentials(struct sn_oci_plan *p)
{
    const struct sn_oci_caps *c = &p->process->caps;
    uint64_t own = own_permitted();
    if (p->process->user.umask.set)
        umask((mode_t)p->process->user.umask.v);
    else
        umask(0022);
    drop_bounding(p, c->bounding);
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) sn_oci_die(p, errno, "keep capabilities");
    set_identity(p);
    if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0) sn_oci_die(p, errno, "keep capabilities");
    /* What the runtime itself has not cannot be given: left out, as the specification advises. */
    uint64_t perm = c->permitted & own, inh = c->inheritable & (own | c->bounding);
    set_caps(p, c->effective & perm, perm, inh & own);
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
        sn_oci_die(p, errno, "clear ambient capabilities");
    for (int i = 0; i <= SN_OCI_CAP_LAST; i++)
        if (c->ambient >> i & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0 &&
            errno != EPERM)
            sn_oci_die(p, errno, "raise ambient capability %d", i);
    if (p->process->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        sn_oci_die(p, errno, "set no_new_privs");
}
