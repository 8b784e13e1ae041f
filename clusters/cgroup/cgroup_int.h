/* SPDX-License-Identifier: Apache-2.0 */
/* clusters/cgroup/cgroup_int.h - what the files of this room share: the group, small files, rules.
 */
#pragma once
#include "cgroup/cgroup.h"
#include "core/buf.h"

#define CG_FILE_MAX (1u << 20) /* bytes of a control file we are willing to read */
#define CG_VALUE_MAX 512       /* bytes of a formatted value written to one */

struct sn_cgroup_member {
    int dir;          /* -1: the group has no directory in this hierarchy */
    int tasks;        /* opened by attach_prepare, or -1 */
    unsigned made;    /* levels of directories that create made */
    const char *path; /* absolute */
};
struct sn_cgroup {
    const struct sn_cgroup_host *host;
    struct sn_arena text;
    const char *location;
    uint32_t existed;
    bool fresh; /* made by this handle in all hierarchies, no limit applied yet */
    struct sn_cgroup_member m[SN_CGROUP_HIERARCHIES_MAX];
};

/* Small files of a directory. All return -errno on failure and set no diagnostic: whether a refusal
 * matters is the caller's to say. */
int cg_write(int dir, const char *file, const char *data, size_t n);
int cg_writef(int dir, const char *file, const char *fmt, ...) SN_PRINTF(3, 4);
/* cg_read_into - at most cap - 1 bytes, NUL added, trailing newline cut. Returns the length. */
ssize_t cg_read_into(int dir, const char *file, char *buf, size_t cap);
/* cg_read - a whole file into the arena, NUL-terminated. -EFBIG beyond CG_FILE_MAX. */
int cg_read(struct sn_arena *a, int dir, const char *file, struct sn_str *ret);
/* cg_read_u64 - one number; "max" is UINT64_MAX. -ENOMSG where it is neither. */
int cg_read_u64(int dir, const char *file, uint64_t *ret);
bool cg_exists(int dir, const char *file);

/* cg_next_line, cg_next_word - cut the next one from *s; false at the end. Words lie between SP. */
bool cg_next_line(struct sn_str *s, struct sn_str *line);
bool cg_next_word(struct sn_str *s, struct sn_str *word);

/* cg_index - which hierarchy carries the controller for this group, -1 where none. */
static inline int cg_index(const struct sn_cgroup *cg, enum sn_cgroup_controller c)
{
    int i = cg->host->of[c];
    return i >= 0 && cg->m[i].dir >= 0 ? i : -1;
}
/* cg_dir - the directory there, -1 where none; *v2 says which dialect it speaks. */
static inline int cg_dir(const struct sn_cgroup *cg, enum sn_cgroup_controller c, bool *v2)
{
    int i = cg_index(cg, c);
    if (i < 0) return -1;
    *v2 = cg->host->h[i].v2;
    return cg->m[i].dir;
}
static inline int cg_unified(const struct sn_cgroup *cg)
{
    return cg->host->unified >= 0 ? cg->m[cg->host->unified].dir : -1;
}
/* cg_denied - a refusal that a runtime without privileges has to live with. */
bool cg_denied(int err);
/* cg_fail - the diagnostic of a failed file operation, err a positive errno. */
int cg_fail(const struct sn_cgroup *cg, int i, int err, const char *what, const char *file);

/* cg_location_path - the path of hierarchy i in a location, "/a/b"; .ptr NULL where it has none. */
struct sn_str cg_location_path(const struct sn_cgroup_host *h, unsigned i, const char *location);
/* cg_location_check - whether a text is a location. Returns 0 or a failure. */
int cg_location_check(const char *location);

/* cg_enable_v2 - enables the controllers of the v2 hierarchy on the way down to the group. */
int cg_enable_v2(const struct sn_cgroup *cg);

/* cg_wait_exit - waits until a process of the group ends, at most `ms`. Returns the ms to count. */
int cg_wait_exit(const struct sn_cgroup *cg, int ms);

/* Device rules without what later ones overrule entirely. */
struct cg_devices {
    bool allow; /* the default */
    size_t n;
    struct sn_cgroup_device_rule *rule;
};
/* cg_devices_fold - starts at the last rule for all devices. exceptions: brings the rest to a form
 * that v1 can hold, only rules against the default, one per device. Returns 0; SN_E_UNIMPLEMENTED
 * where there is no such form; SN_E_NOMEM. */
int cg_devices_fold(struct sn_arena *a, const struct sn_cgroup_device_rule *rule, size_t n,
                    bool exceptions, struct cg_devices *d);
/* cg_devices_v1 - brings devices.list of the directory to d; fresh: made just now, nobody is in it.
 * Returns 0 or -errno. */
int cg_devices_v1(struct sn_arena *a, int dir, const struct cg_devices *d, bool fresh);
/* cg_devices_v2 - a program for d, in place of those attached. Returns 0 or -errno. */
int cg_devices_v2(struct sn_arena *a, int dir, const struct cg_devices *d);
/* The program alone, for its test. */
struct bpf_insn;
int cg_devices_program(struct sn_arena *a, const struct cg_devices *d, struct bpf_insn **ret,
                       size_t *ret_n);

/* cg_weight - cpu.shares (2..262144) to cpu.weight (1..10000). */
uint64_t cg_weight(uint64_t shares, bool linear);
