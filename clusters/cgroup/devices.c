/* SPDX-License-Identifier: Apache-2.0 */
/* Device rules. The specification's list is read in order, and each bit of access is decided by the
 * last rule that covers the device; before the first rule everything is denied. v2's program
 * decides exactly so. v1's file holds a default and exceptions of the other kind, which covers
 * every list but those that punch a hole into a wildcard: these are refused rather than made wider.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cgroup/cgroup_int.h"
#include "core/status.h"

#define CG_PROGS_MAX 64 /* programs one group may have attached, the kernel's own limit */

/* ---- normal form -------------------------------------------------------------------------------
 */

static bool cg_same(const struct sn_cgroup_device_rule *a, const struct sn_cgroup_device_rule *b)
{
    return a->type == b->type && a->major == b->major && a->minor == b->minor;
}

static bool cg_overlap(const struct sn_cgroup_device_rule *a, const struct sn_cgroup_device_rule *b)
{
    return a->type == b->type && (a->major == b->major || a->major < 0 || b->major < 0) &&
           (a->minor == b->minor || a->minor < 0 || b->minor < 0) && a->access & b->access;
}

/* Whether everything b is about a covers, too. */
static bool cg_covers(const struct sn_cgroup_device_rule *a, const struct sn_cgroup_device_rule *b)
{
    return a->type == b->type && (a->major < 0 || a->major == b->major) &&
           (a->minor < 0 || a->minor == b->minor);
}

/* A rule that repeats the default takes back from the exceptions. */
static int cg_take_back(struct cg_devices *d, const struct sn_cgroup_device_rule *r)
{
    for (size_t k = 0; k < d->n; k++) {
        struct sn_cgroup_device_rule *x = &d->rule[k];
        if (cg_covers(r, x))
            x->access &= (uint8_t)~r->access;
        else if (cg_overlap(r, x))
            return sn_fail(
                SN_E_UNIMPLEMENTED,
                "linux.resources.devices: cgroup v1 cannot %s %c %lld:%lld out of the wider rule "
                "%c %lld:%lld",
                r->allow ? "allow" : "deny", r->type, (long long)r->major, (long long)r->minor,
                x->type, (long long)x->major, (long long)x->minor);
        if (x->access == 0) d->rule[k--] = d->rule[--d->n];
    }
    return 0;
}

int cg_devices_fold(struct sn_arena *a, const struct sn_cgroup_device_rule *rule, size_t n,
                    bool exceptions, struct cg_devices *d)
{
    *d = (struct cg_devices){.rule = SN_ARENA_ARRAY(a, struct sn_cgroup_device_rule, n + 1)};
    if (!d->rule) return sn_fail(SN_E_NOMEM, "device rules");
    for (size_t i = 0; i < n; i++) {
        const struct sn_cgroup_device_rule *r = &rule[i];
        if (r->type == 'a') {
            d->allow = r->allow;
            d->n = 0;
            continue;
        }
        if (!exceptions) {
            d->rule[d->n++] = *r;
            continue;
        }
        if (r->allow == d->allow) {
            int e = cg_take_back(d, r);
            if (e < 0) return e;
            continue;
        }
        size_t k = 0;
        while (k < d->n && !cg_same(&d->rule[k], r)) k++;
        if (k < d->n)
            d->rule[k].access |= r->access;
        else
            d->rule[d->n++] = *r;
    }
    return 0;
}

/* ---- v1 ----------------------------------------------------------------------------------------
 */

static int cg_rule_text(char out[64], const struct sn_cgroup_device_rule *r)
{
    char major[16] = "*", minor[16] = "*";
    if (r->major >= 0) snprintf(major, sizeof(major), "%u", (unsigned)r->major);
    if (r->minor >= 0) snprintf(minor, sizeof(minor), "%u", (unsigned)r->minor);
    return snprintf(out, 64, "%c %s:%s %s%s%s", r->type, major, minor,
                    r->access & SN_CGROUP_DEV_READ ? "r" : "",
                    r->access & SN_CGROUP_DEV_WRITE ? "w" : "",
                    r->access & SN_CGROUP_DEV_MKNOD ? "m" : "");
}

static int cg_rule_number(struct sn_str s, int64_t *ret)
{
    uint64_t v;
    if (sn_str_eqc(s, "*")) {
        *ret = -1;
        return 0;
    }
    if (sn_str_to_u64(s, &v) < 0 || v > UINT32_MAX) return -ENOMSG;
    *ret = (int64_t)v;
    return 0;
}

/* devices.list: "c 1:3 rwm" per line, or "a *:* rwm" alone where everything but what it does not
 * show is allowed. */
static int cg_current(struct sn_arena *a, int dir, struct cg_devices *d)
{
    struct sn_str text, line, type, number, access;
    int r = cg_read(a, dir, "devices.list", &text);
    if (r < 0) return r;
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++) lines += text.ptr[i] == '\n';
    *d = (struct cg_devices){.rule = SN_ARENA_ARRAY(a, struct sn_cgroup_device_rule, lines)};
    if (!d->rule) return -ENOMEM;
    while (cg_next_line(&text, &line)) {
        struct sn_cgroup_device_rule x = {.allow = true};
        if (!cg_next_word(&line, &type) || !cg_next_word(&line, &number) ||
            !cg_next_word(&line, &access))
            return -ENOMSG;
        if (type.ptr[0] == 'a') {
            d->allow = true;
            return 0;
        }
        struct sn_str minor = number, major = sn_str_cut(&minor, ':');
        x.type = type.ptr[0];
        if (cg_rule_number(major, &x.major) < 0 || cg_rule_number(minor, &x.minor) < 0)
            return -ENOMSG;
        for (size_t i = 0; i < access.len; i++)
            x.access |= access.ptr[i] == 'r'   ? SN_CGROUP_DEV_READ
                        : access.ptr[i] == 'w' ? SN_CGROUP_DEV_WRITE
                                               : SN_CGROUP_DEV_MKNOD;
        d->rule[d->n++] = x;
    }
    return 0;
}

static int cg_send(int fd, const char *text, size_t n)
{
    ssize_t w;
    do w = write(fd, text, n);
    while (w < 0 && errno == EINTR);
    return w < 0 ? -errno : 0;
}

static int cg_send_rule(int fd, const struct sn_cgroup_device_rule *r)
{
    char text[64];
    return cg_send(fd, text, (size_t)cg_rule_text(text, r));
}

/* The bits of `r` that no exception of d has. */
static uint8_t cg_missing(const struct cg_devices *d, const struct sn_cgroup_device_rule *r)
{
    for (size_t k = 0; k < d->n; k++)
        if (cg_same(&d->rule[k], r)) return (uint8_t)(r->access & ~d->rule[k].access);
    return r->access;
}

/* Sends what is in `want` and not in `have`. */
static int cg_send_difference(int fd, const struct cg_devices *want, const struct cg_devices *have)
{
    int r = 0;
    for (size_t k = 0; r == 0 && k < want->n; k++) {
        struct sn_cgroup_device_rule x = want->rule[k];
        x.access = cg_missing(have, &x);
        if (x.access) r = cg_send_rule(fd, &x);
    }
    return r;
}

/* Only differences are written while the default stays, so that a running container never loses a
 * device for a moment. The default itself can only be set by writing "a", which drops all
 * exceptions. */
int cg_devices_v1(struct sn_arena *a, int dir, const struct cg_devices *d, bool fresh)
{
    /* A fresh group has what its parent allows, and nobody who could lose a device: it need not be
     * read, writing "a" first is right in every case. */
    struct cg_devices now = {.allow = true};
    static const struct cg_devices none;
    int r = fresh && !d->allow ? 0 : cg_current(a, dir, &now);
    if (r < 0) return r;
    if (d->allow && d->n == 0 && now.allow) {
        /* Denials under an allowed default are not listed: only a new "a" is sure to end them. */
        return cg_write(dir, "devices.allow", "a", 1);
    }
    int allow = openat(dir, "devices.allow", O_WRONLY | O_CLOEXEC);
    int deny = openat(dir, "devices.deny", O_WRONLY | O_CLOEXEC);
    r = allow < 0 || deny < 0 ? -errno : 0;
    bool flip = d->allow || now.allow;
    if (r == 0 && flip) r = cg_send(d->allow ? allow : deny, "a", 1);
    if (r == 0) r = cg_send_difference(d->allow ? deny : allow, d, flip ? &none : &now);
    if (r == 0 && !flip) r = cg_send_difference(deny, &now, d);
    if (allow >= 0) close(allow);
    if (deny >= 0) close(deny);
    return r;
}

/* ---- v2 ----------------------------------------------------------------------------------------
 */

enum {
    R_CTX = BPF_REG_1,
    R_TYPE = BPF_REG_2,
    R_LEFT = BPF_REG_3,
    R_MAJOR = BPF_REG_4,
    R_MINOR = BPF_REG_5,
    R_HIT = BPF_REG_6
};

static struct bpf_insn cg_op(uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
    return (struct bpf_insn){.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm};
}
#define OP_LOAD(dst, off) cg_op(BPF_LDX | BPF_MEM | BPF_W, dst, R_CTX, off, 0)
#define OP_MOV(dst, src) cg_op(BPF_ALU | BPF_MOV | BPF_X, dst, src, 0, 0)
#define OP_SET(dst, v) cg_op(BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, v)
#define OP_AND(dst, v) cg_op(BPF_ALU | BPF_AND | BPF_K, dst, 0, 0, v)
#define OP_SHR(dst, v) cg_op(BPF_ALU | BPF_RSH | BPF_K, dst, 0, 0, v)
#define OP_NE(dst, v, skip) cg_op(BPF_JMP | BPF_JNE | BPF_K, dst, 0, skip, v)
#define OP_EQ(dst, v, skip) cg_op(BPF_JMP | BPF_JEQ | BPF_K, dst, 0, skip, v)
#define OP_EXIT() cg_op(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define CG_RULE_INSNS 8  /* three comparisons, three of the decision, a return */
#define CG_FRAME_INSNS 8 /* before and after the rules */

/* From the last rule to the first, `left` holding the access not decided yet: a denial of any of it
 * ends the matter, an allowance takes its bits away, and nothing left is a yes. */
static size_t cg_rule_insns(const struct sn_cgroup_device_rule *r, struct bpf_insn *out)
{
    struct bpf_insn body[4], *p = out;
    size_t n = 0;
    if (r->allow) {
        body[n++] = OP_AND(R_LEFT, ~r->access & SN_CGROUP_DEV_ALL);
        body[n++] = OP_NE(R_LEFT, 0, 2);
    } else {
        body[n++] = OP_MOV(R_HIT, R_LEFT);
        body[n++] = OP_AND(R_HIT, r->access);
        body[n++] = OP_EQ(R_HIT, 0, 2);
    }
    int16_t skip = (int16_t)(n + 2);
    bool major = r->major >= 0, minor = r->minor >= 0;
    *p++ = OP_NE(R_TYPE, r->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR,
                 (int16_t)(skip + major + minor));
    if (major) *p++ = OP_NE(R_MAJOR, (int32_t)r->major, (int16_t)(skip + minor));
    if (minor) *p++ = OP_NE(R_MINOR, (int32_t)r->minor, skip);
    memcpy(p, body, n * sizeof(*p));
    p += n;
    *p++ = OP_SET(BPF_REG_0, r->allow);
    *p++ = OP_EXIT();
    return (size_t)(p - out);
}

int cg_devices_program(struct sn_arena *a, const struct cg_devices *d, struct bpf_insn **ret,
                       size_t *ret_n)
{
    struct bpf_insn *p = SN_ARENA_ARRAY(a, struct bpf_insn, CG_FRAME_INSNS + d->n * CG_RULE_INSNS),
                    *at = p;
    if (!p) return -ENOMEM;
    *at++ = OP_LOAD(R_TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
    *at++ = OP_LOAD(R_MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
    *at++ = OP_LOAD(R_MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
    *at++ = OP_MOV(R_LEFT, R_TYPE);
    *at++ = OP_SHR(R_LEFT, 16);
    *at++ = OP_AND(R_TYPE, 0xffff);
    for (size_t k = d->n; k-- > 0;) {
        const struct sn_cgroup_device_rule *r = &d->rule[k];
        /* Numbers have 12 and 20 bits in the kernel: no device has a larger one. */
        if (r->major <= INT32_MAX && r->minor <= INT32_MAX && r->access) at += cg_rule_insns(r, at);
    }
    *at++ = OP_SET(BPF_REG_0, d->allow);
    *at++ = OP_EXIT();
    *ret = p;
    *ret_n = (size_t)(at - p);
    return 0;
}

static int cg_bpf(int cmd, union bpf_attr *attr)
{
    long r = syscall(SYS_bpf, cmd, attr, sizeof(*attr));
    return r < 0 ? -errno : (int)r;
}

static int cg_attach(int dir, int prog, int replace)
{
    union bpf_attr attr = {.target_fd = (uint32_t)dir,
                           .attach_bpf_fd = (uint32_t)prog,
                           .attach_type = BPF_CGROUP_DEVICE,
                           .attach_flags = BPF_F_ALLOW_MULTI};
    if (replace >= 0) {
        attr.attach_flags |= BPF_F_REPLACE;
        attr.replace_bpf_fd = (uint32_t)replace;
    }
    return cg_bpf(BPF_PROG_ATTACH, &attr);
}

/* One program is replaced in one step. Several, which another runtime left, are detached after ours
 * is in place: all must agree, so access is never wider meanwhile. */
static int cg_attach_over(int dir, int prog, const uint32_t *ids, unsigned n)
{
    int old[CG_PROGS_MAX], r = 0;
    for (unsigned k = 0; k < n; k++) {
        union bpf_attr attr = {.prog_id = ids[k]};
        old[k] = cg_bpf(BPF_PROG_GET_FD_BY_ID, &attr);
    }
    bool replaced = n == 1 && old[0] >= 0 && cg_attach(dir, prog, old[0]) == 0;
    if (!replaced) {
        r = cg_attach(dir, prog, -1);
        for (unsigned k = 0; r == 0 && k < n; k++) {
            union bpf_attr attr = {.target_fd = (uint32_t)dir,
                                   .attach_bpf_fd = (uint32_t)old[k],
                                   .attach_type = BPF_CGROUP_DEVICE};
            r = old[k] < 0 ? old[k] : cg_bpf(BPF_PROG_DETACH, &attr);
        }
    }
    for (unsigned k = 0; k < n; k++)
        if (old[k] >= 0) close(old[k]);
    return r;
}

int cg_devices_v2(struct sn_arena *a, int dir, const struct cg_devices *d)
{
    uint32_t ids[CG_PROGS_MAX] = {0};
    struct bpf_insn *insns;
    size_t n;
    union bpf_attr query = {.query.target_fd = (uint32_t)dir,
                            .query.attach_type = BPF_CGROUP_DEVICE,
                            .query.prog_ids = (uintptr_t)ids,
                            .query.prog_cnt = CG_PROGS_MAX};
    int r = cg_bpf(BPF_PROG_QUERY, &query);
    if (r < 0) return r;
    if (d->allow && d->n == 0 && query.query.prog_cnt == 0) return 0; /* nothing to forbid */
    if ((r = cg_devices_program(a, d, &insns, &n)) < 0) return r;
    union bpf_attr load = {.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
                           .insn_cnt = (uint32_t)n,
                           .insns = (uintptr_t)insns,
                           .license = (uintptr_t) "Apache-2.0",
                           .prog_name = "sennit_devices"};
    int prog = cg_bpf(BPF_PROG_LOAD, &load);
    if (prog < 0) return prog;
    r = cg_attach_over(dir, prog, ids, query.query.prog_cnt);
    close(prog);
    return r;
}
