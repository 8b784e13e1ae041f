/* SPDX-License-Identifier: Apache-2.0 */
/* clusters/cgroup/cgroup.h - control groups: v1, v2 and hybrid behind one interface.
 *
 * A host says what is mounted where; it is probed once and borrowed by every group made on it. A
 * location names one container's group in all hierarchies, as text that a state file can keep. A
 * group (struct sn_cgroup) holds one directory descriptor per hierarchy, so that later work cannot
 * be led elsewhere by a renamed path.
 *
 * Everything is synchronous and may be called from any thread, one group from one thread at a time.
 * Functions marked async-signal-safe may run in a child between clone and exec; they set no
 * diagnostic. Nothing here sleeps: waiting is poll(2) on a file of the kernel, with a named limit.
 *
 * Sources: Linux Documentation/admin-guide/cgroup-v1, cgroup-v2.rst; OCI runtime-spec 1.3
 * config-linux.md; what runc and containerd print is named where it matters. */
#pragma once
#include "core/arena.h"
#include "core/base.h"
#include "core/buf.h"
#include "core/str.h"
#include "wire/json.h"

#define SN_CGROUP_HIERARCHIES_MAX 16
#define SN_CGROUP_PATH_MAX 4096     /* bytes of one path with its NUL, as the kernel's PATH_MAX */
#define SN_CGROUP_LOCATION_MAX 8192 /* bytes of a location with its NUL */
#define SN_CGROUP_DEPTH_MAX 64      /* components of a path, and levels of a walk */
#define SN_CGROUP_PIDS_MAX 1000000  /* processes one listing may return */
#define SN_CGROUP_RULES_MAX 512     /* device rules of one container */
#define SN_CGROUP_LIST_MAX 1024     /* entries of any other list in linux.resources */
#define SN_CGROUP_FREEZE_MS 10000   /* until a group that does not freeze is an error */
#define SN_CGROUP_REMOVE_MS 10000   /* until a group that stays busy is an error */

enum sn_cgroup_layout {
    SN_CGROUP_NONE, /* nothing mounted: everything but the probe is refused */
    SN_CGROUP_V1,
    SN_CGROUP_V2,
    SN_CGROUP_HYBRID, /* v1 controllers, and a v2 hierarchy beside them */
};
enum sn_cgroup_controller {
    SN_CGROUP_CPU,
    SN_CGROUP_CPUACCT,
    SN_CGROUP_CPUSET,
    SN_CGROUP_MEMORY,
    SN_CGROUP_PIDS,
    SN_CGROUP_IO, /* v1: blkio */
    SN_CGROUP_DEVICES,
    SN_CGROUP_FREEZER,
    SN_CGROUP_HUGETLB,
    SN_CGROUP_RDMA,
    SN_CGROUP_NET_CLS,
    SN_CGROUP_NET_PRIO,
    SN_CGROUP_PERF_EVENT,
    SN_CGROUP_MISC,
    SN_CGROUP_NAMED, /* v1 without a controller: name=systemd and the like */
    SN_CGROUP_CONTROLLERS,
};

/* ---- host --------------------------------------------------------------------------------------
 */

struct sn_cgroup_hierarchy {
    const char *mount;    /* where it is mounted, absolute */
    const char *name;     /* as /proc/PID/cgroup has it: "cpu,cpuacct", "name=systemd", "" for v2 */
    const char *own;      /* the prober's group below the mount point: "/" or "/a/b" */
    uint32_t controllers; /* bits of 1 << enum sn_cgroup_controller */
    bool v2;
};
struct sn_cgroup_host {
    enum sn_cgroup_layout layout;
    unsigned n;
    struct sn_cgroup_hierarchy h[SN_CGROUP_HIERARCHIES_MAX];
    int8_t of[SN_CGROUP_CONTROLLERS]; /* index into h, -1 where nobody has the controller */
    int8_t unified;                   /* index of the v2 hierarchy, or -1 */
    bool rootless;        /* refusals by permission are tolerated, as runc's --rootless */
    bool weight_linear;   /* cpu.shares to cpu.weight by the older, linear formula */
    struct sn_arena text; /* what the strings point into */
};
struct sn_cgroup_probe_opts {
    const char *root; /* before /proc and every mount point: tests' fake trees. NULL = "" */
    bool rootless;
    bool weight_linear;
};
/* sn_cgroup_probe - finds the hierarchies. opts: NULL for defaults. Where /sys/fs/cgroup holds them
 * all this reads no mount table, whose length grows with the pods of a machine.
 * Returns 0 (also for SN_CGROUP_NONE), SN_E_NOMEM, SN_E_IO, SN_E_SYNTAX.
 * Owns: the caller frees by sn_cgroup_host_done. */
int sn_cgroup_probe(struct sn_cgroup_host *ret,
                    const struct sn_cgroup_probe_opts *opts) SN_MUST_CHECK;
void sn_cgroup_host_done(struct sn_cgroup_host *h);
/* sn_cgroup_host_write, _read - what was found as a text without NUL, and back, for a record that
 * another process reads: no look at the machine, which costs thirty system calls. The reader finds
 * out by sn_cgroup_complete whether it sees the same. write: appends; nothing where a name has a
 * control character. read: opts as for probe, its root is ignored. Return 0, SN_E_NOMEM;
 * SN_E_SYNTAX where the text is none (then the caller probes). */
int sn_cgroup_host_write(const struct sn_cgroup_host *h, struct sn_buf *b) SN_MUST_CHECK;
int sn_cgroup_host_read(struct sn_str text, const struct sn_cgroup_probe_opts *opts,
                        struct sn_cgroup_host *ret) SN_MUST_CHECK;
/* sn_cgroup_controller_name - its v2 name ("io"; "named" for none). A static string. */
const char *sn_cgroup_controller_name(enum sn_cgroup_controller c);
/* sn_cgroup_swap_accounting - whether the kernel counts swap by group. */
bool sn_cgroup_swap_accounting(const struct sn_cgroup_host *h);

/* ---- location ----------------------------------------------------------------------------------
 */

struct sn_cgroup_where {
    struct sn_str path; /* linux.cgroupsPath, may be empty */
    struct sn_str id;   /* the container's, stands in for an empty path */
    bool systemd;       /* path is "slice:prefix:name", as with runc's --systemd-cgroup */
};
/* sn_cgroup_resolve - from the configuration to a location. Absolute paths start at each mount
 * point; an empty one is "/ID"; relative ones start at the prober's own group (v2: at its parent,
 * which may have controllers enabled though processes live beside it). "slice:prefix:name" becomes
 * the path that systemd would use: "user-1.slice:p:n" is /user.slice/user-1.slice/p-n.scope (we
 * make it ourselves; systemd is not asked). "." and ".." are resolved as text and never leave "/".
 * Returns 0; SN_E_INVALID_ARGUMENT (syntax, the root group, newline), SN_E_TOO_LARGE, SN_E_NOMEM.
 * Owns: the location is the arena's. */
int sn_cgroup_resolve(const struct sn_cgroup_host *h, const struct sn_cgroup_where *where,
                      struct sn_arena *a, const char **ret) SN_MUST_CHECK;

/* ---- group -------------------------------------------------------------------------------------
 */

struct sn_cgroup;
/* sn_cgroup_create - makes the directories that are missing, in every hierarchy; on v2 enables the
 * controllers on the way down; on v1 lets cpuset inherit. A directory that existed is joined (runc
 * and crun do), sn_cgroup_existed tells. Rootless: a hierarchy that refuses is left out.
 * location: from sn_cgroup_resolve. Returns 0; SN_E_PERMISSION_DENIED, SN_E_IO, SN_E_NOMEM,
 * SN_E_FAILED_PRECONDITION (nothing mounted), SN_E_INVALID_ARGUMENT (not a location).
 * On failure the directories this call made are removed again. Owns: caller closes. */
int sn_cgroup_create(const struct sn_cgroup_host *h, const char *location,
                     struct sn_cgroup **ret) SN_MUST_CHECK;
/* sn_cgroup_open - an existing group; hierarchies without its directory are left out.
 * Returns 0; SN_E_NOT_FOUND where none has it; as create otherwise. */
int sn_cgroup_open(const struct sn_cgroup_host *h, const char *location,
                   struct sn_cgroup **ret) SN_MUST_CHECK;
/* sn_cgroup_close - closes the descriptors; the group stays. NULL is fine. */
void sn_cgroup_close(struct sn_cgroup *cg);
/* sn_cgroup_existed - bits of hierarchies (index in host->h) whose directory was there before. */
uint32_t sn_cgroup_existed(const struct sn_cgroup *cg);
/* sn_cgroup_location - what create or open was given. Borrowed. */
const char *sn_cgroup_location(const struct sn_cgroup *cg);
/* sn_cgroup_dir - the absolute path of the group in hierarchy i of the host (i < host->n), NULL
 * where the group has none there. For state files ("cgroup_paths") and mounts. Borrowed. */
const char *sn_cgroup_dir(const struct sn_cgroup *cg, unsigned i);

/* sn_cgroup_fd - the v2 directory for CLONE_INTO_CGROUP (pure v2 and hybrid), or -1. Borrowed. */
int sn_cgroup_fd(const struct sn_cgroup *cg);
/* sn_cgroup_attach - moves a process into the group in every hierarchy, pid 0 = the caller itself.
 * skip_v2: it was born there (CLONE_INTO_CGROUP).
 * pid 0 is for a single-threaded child directly after clone, before it unshares a cgroup namespace
 * (whose root is where the child then is) or changes user: it costs microseconds, because a thread
 * that moves itself by v1's `tasks` takes no global lock. Another pid waits for an RCU grace
 * period: 7 to 20 ms measured here, once per idle machine. Returns 0 or -errno. Context:
 * async-signal-safe. */
int sn_cgroup_attach(const struct sn_cgroup *cg, pid_t pid, bool skip_v2) SN_MUST_CHECK;
/* sn_cgroup_attach_prepare - opens the files for attach(0) now: the kernel judges by who opened
 * them, so that a child in a new user namespace may still move itself. They are close-on-exec and
 * closed by sn_cgroup_close. Returns 0, SN_E_PERMISSION_DENIED, SN_E_FILES, SN_E_IO. */
int sn_cgroup_attach_prepare(struct sn_cgroup *cg) SN_MUST_CHECK;

struct sn_cgroup_pids {
    pid_t *ptr; /* the arena's */
    size_t n;
};
/* sn_cgroup_pids - processes of the group, and of those below it where `recursive`; pids of the
 * caller's namespace (0, of a stranger, is left out). Returns 0, SN_E_NOMEM, SN_E_IO,
 * SN_E_TOO_LARGE. */
int sn_cgroup_pids(const struct sn_cgroup *cg, bool recursive, struct sn_arena *a,
                   struct sn_cgroup_pids *ret) SN_MUST_CHECK;
/* sn_cgroup_populated - whether any process is left, below included. Returns 0, 1 or as pids. */
int sn_cgroup_populated(const struct sn_cgroup *cg) SN_MUST_CHECK;

/* sn_cgroup_freeze - stops (true) or continues all processes and waits until they are. A group
 * that does not freeze within SN_CGROUP_FREEZE_MS is thawed again: SN_E_DEADLINE_EXCEEDED.
 * SN_E_UNIMPLEMENTED without a freezer. */
int sn_cgroup_freeze(struct sn_cgroup *cg, bool frozen) SN_MUST_CHECK;
/* sn_cgroup_frozen - Returns 0 or 1, or an error. */
int sn_cgroup_frozen(const struct sn_cgroup *cg) SN_MUST_CHECK;
/* sn_cgroup_signal - sends `sig` to every process, below included. SIGKILL is cgroup.kill where
 * there is one; otherwise the group is frozen so that no fork escapes, signalled and thawed.
 * Returns 0, errors as pids. */
int sn_cgroup_signal(struct sn_cgroup *cg, int sig) SN_MUST_CHECK;
/* sn_cgroup_kill - SIGKILL to all, then waits until the group is empty, SN_CGROUP_REMOVE_MS at most
 * (SN_E_DEADLINE_EXCEEDED). A frozen group is thawed. */
int sn_cgroup_kill(struct sn_cgroup *cg) SN_MUST_CHECK;
/* sn_cgroup_remove_empty - removes the group where nobody and no group below it is left: what is
 * nearly always so after the last process, without a look at each hierarchy. Returns 0 removed, 1
 * not or not everywhere: sn_cgroup_kill and _remove go on from there. Context: does not wait. */
int sn_cgroup_remove_empty(struct sn_cgroup *cg) SN_MUST_CHECK;
/* sn_cgroup_remove - removes the group and those below it from every hierarchy; the processes must
 * be gone, those that are dying are waited for. Missing is fine. Parents stay. Afterwards only
 * close. Returns 0; SN_E_BUSY (processes left), SN_E_PERMISSION_DENIED, SN_E_IO. */
int sn_cgroup_remove(struct sn_cgroup *cg) SN_MUST_CHECK;

/* ---- resources ---------------------------------------------------------------------------------
 */

struct sn_opt_i64 {
    bool set;
    int64_t v;
};
struct sn_opt_bool {
    bool set, v;
};
struct sn_cgroup_device_rule {
    bool allow;
    char type;            /* 'a', 'b', 'c' */
    int64_t major, minor; /* -1 = any */
    uint8_t access;       /* SN_CGROUP_DEV_* */
};
enum {
    SN_CGROUP_DEV_MKNOD = 1,
    SN_CGROUP_DEV_READ = 2,
    SN_CGROUP_DEV_WRITE = 4,
    SN_CGROUP_DEV_ALL = 7
};
struct sn_cgroup_dev_weight {
    int64_t major, minor;
    struct sn_opt_i64 weight, leaf_weight;
};
struct sn_cgroup_dev_rate {
    int64_t major, minor;
    uint64_t rate;
};
struct sn_cgroup_hugetlb {
    struct sn_str page_size; /* "2MB", "1GB", "64KB" */
    uint64_t limit;          /* bytes */
};
struct sn_cgroup_rdma {
    struct sn_str device;
    struct sn_opt_i64 handles, objects;
};
struct sn_cgroup_prio {
    struct sn_str interface;
    uint32_t priority;
};
struct sn_cgroup_kv {
    struct sn_str key, value;
};
#define SN_CGROUP_SLICE(type) \
    struct {                  \
        const type *ptr;      \
        size_t n;             \
    }
enum sn_cgroup_throttle {
    SN_CGROUP_READ_BPS,
    SN_CGROUP_WRITE_BPS,
    SN_CGROUP_READ_IOPS,
    SN_CGROUP_WRITE_IOPS,
    SN_CGROUP_THROTTLES,
};
/* linux.resources of the runtime-spec. Zero is "change nothing". -1 in a limit is "unlimited". */
struct sn_cgroup_resources {
    SN_CGROUP_SLICE(struct sn_cgroup_device_rule) devices; /* in order, later ones win */
    bool devices_set; /* an update without the field leaves devices as they are */
    struct {
        struct sn_opt_i64 limit, reservation, swap; /* bytes; swap is memory + swap, as on v1 */
        struct sn_opt_i64 kernel, kernel_tcp;
        struct sn_opt_i64 swappiness; /* 0..100 */
        struct sn_opt_bool disable_oom_killer, use_hierarchy, check_before_update;
    } memory;
    struct {
        struct sn_opt_i64 shares, quota_us, burst_us, period_us, rt_runtime_us, rt_period_us, idle;
        struct sn_str cpus, mems; /* list format: "0-3,7" */
    } cpu;
    struct sn_opt_i64 pids_limit; /* spec: <= 0 is "max" */
    struct {
        struct sn_opt_i64 weight, leaf_weight; /* 10..1000 */
        SN_CGROUP_SLICE(struct sn_cgroup_dev_weight) weight_device;
        SN_CGROUP_SLICE(struct sn_cgroup_dev_rate) throttle[SN_CGROUP_THROTTLES];
    } io;
    SN_CGROUP_SLICE(struct sn_cgroup_hugetlb) hugetlb;
    SN_CGROUP_SLICE(struct sn_cgroup_rdma) rdma;
    struct sn_opt_i64 net_class;
    SN_CGROUP_SLICE(struct sn_cgroup_prio) net_prio;
    SN_CGROUP_SLICE(struct sn_cgroup_kv) unified; /* v2 files by name */
};
/* sn_cgroup_resources_parse - reads the object linux.resources (NULL gives the zero value). What it
 * refuses it names: field from "linux.resources", value, what is allowed. Unknown members are
 * ignored, as the specification demands.
 * Returns 0, SN_E_INVALID_ARGUMENT, SN_E_TOO_LARGE, SN_E_NOMEM. Owns: lists are the arena's,
 * strings borrow the tree. */
int sn_cgroup_resources_parse(struct sn_arena *a, const struct sn_json *resources,
                              struct sn_cgroup_resources *ret) SN_MUST_CHECK;
/* sn_cgroup_devices_default - appends the rules every container needs (null, zero, full, random,
 * urandom, tty, ptmx, pts, console, tun is not among them; mknod of anything), as runc and crun do.
 * A list of rules starts from "everything is denied".
 * Returns 0, SN_E_NOMEM, SN_E_TOO_LARGE. */
int sn_cgroup_devices_default(struct sn_arena *a, struct sn_cgroup_resources *r) SN_MUST_CHECK;
/* sn_cgroup_complete - whether the group has its directory in every hierarchy that its location
 * names. */
bool sn_cgroup_complete(const struct sn_cgroup *cg);
/* sn_cgroup_apply - writes what is set, in an order that the kernel accepts also for changes of
 * live groups (memory before swap when growing, after when shrinking; quota and period likewise).
 * Needs a controller that is not there: SN_E_FAILED_PRECONDITION naming field and controller.
 * Rootless: only device rules may be refused; a limit that was asked for is an error if it cannot
 * be set (as in runc). The first call on a group just made takes it that nobody is in it yet. On
 * failure earlier writes stay. Returns 0; SN_E_INVALID_ARGUMENT (the kernel
 * or we refused the value), SN_E_PERMISSION_DENIED, SN_E_IO, SN_E_NOMEM. */
int sn_cgroup_apply(struct sn_cgroup *cg, const struct sn_cgroup_resources *r) SN_MUST_CHECK;

/* ---- statistics --------------------------------------------------------------------------------
 */

struct sn_cgroup_io_entry {
    uint64_t major, minor;
    struct sn_str
        op; /* "Read", "Write", "Sync", ... on v1; "Read", "Write", "Discard" on v2; may be "" */
    uint64_t value;
};
typedef SN_CGROUP_SLICE(struct sn_cgroup_io_entry) sn_cgroup_io_list;
struct sn_cgroup_memory_counter {
    uint64_t usage, max, limit, failcnt; /* bytes, count; limit UINT64_MAX = none */
};
struct sn_cgroup_psi_line {
    double avg10, avg60, avg300; /* percent */
    uint64_t total_us;
};
struct sn_cgroup_psi {
    bool set;
    struct sn_cgroup_psi_line some, full;
};
struct sn_cgroup_u64_kv {
    struct sn_str key;
    uint64_t value;
};
struct sn_cgroup_hugetlb_stat {
    struct sn_str page_size;
    uint64_t usage, max, failcnt; /* bytes, count (v2: hugetlb.events' max) */
};
struct sn_cgroup_rdma_stat {
    struct sn_str device;
    uint64_t handles, objects, handles_max, objects_max; /* UINT64_MAX = no limit */
};
struct sn_cgroup_stats {
    bool v2;          /* where memory, cpu and io come from: names in memory.stat differ */
    uint32_t present; /* bits of controllers that answered */
    struct {
        uint64_t usage_ns, user_ns, system_ns;
        SN_CGROUP_SLICE(uint64_t) percpu_ns, percpu_user_ns, percpu_system_ns; /* v1 only */
        uint64_t periods, throttled_periods, throttled_ns, bursts, burst_ns;
        struct sn_cgroup_psi psi;
    } cpu;
    struct {
        struct sn_cgroup_memory_counter memory; /* v2: max is memory.peak where there is one */
        struct sn_cgroup_memory_counter swap;   /* v1: memory + swap together; v2: swap alone */
        struct sn_cgroup_memory_counter kernel, kernel_tcp; /* v1 only */
        bool use_hierarchy, swap_set, kernel_set, kernel_tcp_set;
        uint64_t cache;                                /* bytes: v1 cache, v2 file */
        SN_CGROUP_SLICE(struct sn_cgroup_u64_kv) stat; /* memory.stat as it is */
        uint64_t oom, oom_kill, high, max_events, low; /* memory.events, v1: oom_kill only */
        struct sn_cgroup_psi psi;
    } memory;
    struct {
        uint64_t current, limit; /* limit UINT64_MAX = none */
        bool limit_set;
    } pids;
    struct {
        sn_cgroup_io_list service_bytes, serviced, queued, service_time, wait_time, merged, time,
            sectors;
        struct sn_cgroup_psi psi;
    } io;
    SN_CGROUP_SLICE(struct sn_cgroup_hugetlb_stat) hugetlb;
    SN_CGROUP_SLICE(struct sn_cgroup_rdma_stat) rdma;
};
/* sn_cgroup_stats - reads everything that is there; what a kernel lacks stays zero. Lists are the
 * arena's. Returns 0, SN_E_NOMEM, SN_E_IO, SN_E_SYNTAX (a file we cannot read, named). */
int sn_cgroup_stats(const struct sn_cgroup *cg, struct sn_arena *a,
                    struct sn_cgroup_stats *ret) SN_MUST_CHECK;
/* sn_cgroup_stat_get - a value of memory.stat by its name, 0 where absent. */
uint64_t sn_cgroup_stat_get(const struct sn_cgroup_stats *s, const char *name);

/* ---- events ------------------------------------------------------------------------------------
 */

/* A watch is a descriptor to poll and what reading it means. Zeroed with fd -1 is closed. */
struct sn_cgroup_watch {
    int fd;        /* poll for `events` */
    short events;  /* POLLIN or POLLPRI */
    int file;      /* the counter's file, private */
    uint64_t seen; /* the last count, private */
    bool v2;
};
/* sn_cgroup_oom_watch - v1: an eventfd on memory.oom_control; v2: inotify on memory.events.
 * Returns 0; SN_E_UNIMPLEMENTED without the memory controller; SN_E_IO, SN_E_FILES.
 * Owns: sn_cgroup_watch_close. */
int sn_cgroup_oom_watch(const struct sn_cgroup *cg, struct sn_cgroup_watch *ret) SN_MUST_CHECK;
/* sn_cgroup_oom_read - after fd was readable: how many processes the kernel killed for memory since
 * the last call (0 is possible: a group's end wakes, too). Never blocks.
 * Returns 0, SN_E_IO, or SN_E_EOF where the group is gone. */
int sn_cgroup_oom_read(struct sn_cgroup_watch *w, uint64_t *ret_kills) SN_MUST_CHECK;
enum sn_cgroup_pressure { SN_CGROUP_PSI_CPU, SN_CGROUP_PSI_MEMORY, SN_CGROUP_PSI_IO };
/* sn_cgroup_pressure_watch - PSI of the v2 hierarchy: wakes (POLLPRI) when within window_us tasks
 * stalled for stall_us; full: all of them at once. POLLERR: the group is gone.
 * Returns 0; SN_E_UNIMPLEMENTED without v2 or PSI; SN_E_INVALID_ARGUMENT (the kernel wants a window
 * of 0.5 to 10 s, without CAP_SYS_RESOURCE a multiple of 2 s); SN_E_IO. */
int sn_cgroup_pressure_watch(const struct sn_cgroup *cg, enum sn_cgroup_pressure what, bool full,
                             unsigned stall_us, unsigned window_us,
                             struct sn_cgroup_watch *ret) SN_MUST_CHECK;
/* sn_cgroup_level_watch - v1's memory.pressure_level: "low", "medium" or "critical", an eventfd.
 * Returns as sn_cgroup_oom_watch. */
int sn_cgroup_level_watch(const struct sn_cgroup *cg, const char *level,
                          struct sn_cgroup_watch *ret) SN_MUST_CHECK;
void sn_cgroup_watch_close(struct sn_cgroup_watch *w);
