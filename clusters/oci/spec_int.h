/* SPDX-License-Identifier: Apache-2.0 */
/* oci/spec_int.h - config.json as C structs: what the runtime-spec allows, checked and with every
 * name resolved, so that the child that builds the container only walks arrays.
 * Strings are NUL-terminated copies in the arena; lists end in NULL, ready for execve. */
#pragma once
#include <sched.h>

#include "clusters/oci/names.h"
#include "core/arena.h"
#include "core/base.h"
#include "core/status.h"
#include "wire/json.h"

#define SN_OCI_LIST_MAX 4096           /* elements of any list of the configuration */
#define SN_OCI_STRING_MAX (128u << 10) /* bytes of one string: the kernel's limit for an argument \
                                        */
#define SN_OCI_FIELD_PATH_MAX 200      /* bytes of a field's name in a diagnostic */
#define SN_OCI_MAPPINGS_MAX 340        /* lines of a uid_map */

struct sn_oci_strs {
    const char **ptr; /* NULL after the last, NULL where the member is absent */
    size_t n;
};
struct sn_oci_kv {
    const char *key, *value;
};
struct sn_oci_kvs {
    struct sn_oci_kv *ptr;
    size_t n;
};
struct sn_oci_id_map {
    uint32_t inside, outside, size;
};
struct sn_oci_id_maps {
    struct sn_oci_id_map *ptr;
    size_t n;
};
struct sn_oci_opt_int {
    bool set;
    int64_t v;
};

struct sn_oci_rlimit {
    int64_t type; /* RLIMIT_* */
    uint64_t soft, hard;
};
struct sn_oci_caps {
    bool set; /* the object was there */
    uint64_t bounding, effective, inheritable, permitted, ambient;
};
struct sn_oci_scheduler {
    bool set;
    int64_t policy; /* SCHED_* */
    int64_t nice, priority;
    uint64_t flags; /* SCHED_FLAG_* */
    uint64_t runtime_ns, deadline_ns, period_ns;
};
struct sn_oci_io_priority {
    bool set;
    int64_t class; /* IOPRIO_CLASS_* */
    int64_t priority;
};
struct sn_oci_cpu_affinity {
    cpu_set_t initial, final;
    bool initial_set, final_set;
};
struct sn_oci_user {
    uint32_t uid, gid;
    struct sn_oci_opt_int umask;
    uint32_t *groups;
    size_t n_groups;
    const char *username;
};
struct sn_oci_process_spec {
    bool terminal;
    int64_t console_height, console_width;
    struct sn_oci_user user;
    struct sn_oci_strs args, env;
    const char *cwd, *apparmor, *selinux, *affinity_initial, *affinity_final;
    struct sn_oci_caps caps;
    struct {
        struct sn_oci_rlimit *ptr;
        size_t n;
    } rlimits;
    struct sn_oci_opt_int oom_score_adj;
    struct sn_oci_scheduler scheduler;
    struct sn_oci_io_priority io_priority;
    struct sn_oci_cpu_affinity affinity;
    bool no_new_privs;
    bool no_new_privs_set, cwd_set, user_set; /* exec inherits what is absent */
};

enum sn_oci_mount_kind {
    SN_OCI_MOUNT_FS, /* a file system by fsopen */
    SN_OCI_MOUNT_BIND,
    SN_OCI_MOUNT_CGROUP,
    SN_OCI_MOUNT_REMOUNT,
};
struct sn_oci_mount {
    const char *destination, *source, *type;
    struct sn_oci_strs options;
    struct sn_oci_id_maps uid_maps, gid_maps;
    /* From here on derived by sn_oci_mount_compile. */
    enum sn_oci_mount_kind kind;
    uint64_t set, clear;                      /* MOUNT_ATTR_* of the mount itself */
    uint64_t rset, rclear;                    /* and of all below it */
    unsigned propagation[4], rpropagation[4]; /* MS_*, 0 ends */
    struct sn_oci_kvs data;                   /* fsconfig: value NULL = flag */
    const char *data_text;                    /* the same, joined for mount(2) */
    unsigned long ms_flags;                   /* the same as set, for mount(2) */
    bool recursive;                           /* rbind */
    bool tmpcopyup, idmap, ridmap, copy_symlink, src_nofollow, dest_nofollow, sb_ro;
    bool legacy; /* by mount(2): an option is longer than fsconfig takes */
};
struct sn_oci_device {
    const char *path, *type;
    int64_t major, minor;
    struct sn_oci_opt_int file_mode, uid, gid;
};
struct sn_oci_namespace {
    const char *type, *path;
    uint64_t flag; /* CLONE_NEW* */
};
struct sn_oci_time_offset {
    int64_t secs;
    int64_t nanosecs;
};
struct sn_oci_hook {
    const char *path;
    struct sn_oci_strs args, env;
    struct sn_oci_opt_int timeout_s;
};
struct sn_oci_hook_list {
    struct sn_oci_hook *ptr;
    size_t n;
};
enum sn_oci_hook_kind {
    SN_OCI_HOOK_PRESTART,
    SN_OCI_HOOK_CREATE_RUNTIME,
    SN_OCI_HOOK_CREATE_CONTAINER,
    SN_OCI_HOOK_START_CONTAINER,
    SN_OCI_HOOK_POSTSTART,
    SN_OCI_HOOK_POSTSTOP,
    SN_OCI_HOOK_KINDS,
};
struct sn_oci_memory_policy {
    bool set;
    int64_t mode; /* MPOL_* */
    uint64_t flags;
    const char *nodes_text;
    unsigned long nodes[16]; /* 1024 nodes */
};
struct sn_oci_net_device {
    const char *host, *name;
};

struct sn_oci_spec {
    const char *version, *hostname, *domainname;
    struct {
        const char *path;
        bool readonly;
    } root;
    bool process_set;
    struct sn_oci_process_spec process;
    struct {
        struct sn_oci_mount *ptr;
        size_t n;
    } mounts;
    struct sn_oci_hook_list hooks[SN_OCI_HOOK_KINDS];
    const struct sn_json *annotations;

    struct {
        struct sn_oci_device *ptr;
        size_t n;
    } devices;
    struct {
        struct sn_oci_namespace *ptr;
        size_t n;
    } namespaces;
    struct sn_oci_id_maps uid_maps, gid_maps;
    struct sn_oci_time_offset boottime, monotonic;
    bool time_offsets;
    struct sn_oci_kvs sysctl;
    const struct sn_json *resources, *seccomp, *intel_rdt;
    const char *cgroups_path, *rootfs_propagation_name, *mount_label;
    unsigned long rootfs_propagation; /* MS_*, 0 = default */
    struct sn_oci_strs masked_paths, readonly_paths;
    struct sn_oci_opt_int personality;
    struct sn_oci_memory_policy memory_policy;
    struct {
        struct sn_oci_net_device *ptr;
        size_t n;
    } net_devices;

    /* Derived. */
    uint64_t ns_new; /* CLONE_NEW* to be made */
};

/* sn_oci_spec_parse - reads and checks a configuration. warn: told of names that are ignored; may
 * be NULL. Returns 0; SN_E_SYNTAX, SN_E_DEPTH (JSON); SN_E_INVALID_ARGUMENT ("config.json: FIELD:
 * VALUE: what is allowed"); SN_E_TOO_LARGE; SN_E_NOMEM. Owns: the arena; trees borrow `text`. */
int sn_oci_spec_parse(struct sn_arena *a, struct sn_str text,
                      void (*warn)(void *arg, const char *text), void *warn_arg,
                      struct sn_oci_spec *ret) SN_MUST_CHECK;
/* sn_oci_process_parse - a lone process object, as exec has it; args may be missing where base
 * (may be NULL) has some: what is absent comes from base. */
int sn_oci_process_parse(struct sn_arena *a, struct sn_str text,
                         const struct sn_oci_process_spec *base,
                         void (*warn)(void *arg, const char *text), void *warn_arg,
                         struct sn_oci_process_spec *ret) SN_MUST_CHECK;
/* sn_oci_mounts_parse - a JSON array of mounts. */
int sn_oci_mounts_parse(struct sn_arena *a, const struct sn_json *mounts, struct sn_oci_mount **ret,
                        size_t *ret_n) SN_MUST_CHECK;
/* sn_oci_namespace_of - the entry with that CLONE_NEW* flag, or NULL. */
const struct sn_oci_namespace *sn_oci_namespace_of(const struct sn_oci_spec *s, uint64_t flag);

/* ---- the reader --------------------------------------------------------------------------------
 */

enum sn_oci_field_kind {
    SN_OCI_F_STR,   /* const char * */
    SN_OCI_F_PATH,  /* const char *, absolute */
    SN_OCI_F_BOOL,  /* bool */
    SN_OCI_F_U32,   /* uint32_t */
    SN_OCI_F_I64,   /* int64_t, min..max */
    SN_OCI_F_U64,   /* uint64_t */
    SN_OCI_F_OPT,   /* struct sn_oci_opt_int, min..max */
    SN_OCI_F_STRS,  /* struct sn_oci_strs */
    SN_OCI_F_U32S,  /* uint32_t *, size_t */
    SN_OCI_F_ENUM,  /* int64_t by name, names in `of` */
    SN_OCI_F_FLAGS, /* uint64_t: list of names, or-ed */
    SN_OCI_F_CAPS,  /* uint64_t: list of capability names, unknown ones warned of */
    SN_OCI_F_OBJ,   /* a struct, schema in `of`; `size` is the offset of its bool "set" + 1, or 0 */
    SN_OCI_F_LIST,  /* pointer, size_t: array of structs of `size` bytes, schema in `of` */
    SN_OCI_F_KVS,   /* struct sn_oci_kvs: an object of strings */
    SN_OCI_F_TREE,  /* const struct sn_json *: an object for somebody else */
    SN_OCI_F_SEEN,  /* bool: whether the member is there and not null */
};
struct sn_oci_field {
    const char *name;
    enum sn_oci_field_kind kind;
    size_t off;
    const void *of;
    size_t size;
    int64_t min, max; /* both 0: any */
    bool required;
};
struct sn_oci_reader {
    struct sn_arena *a;
    const char *file; /* "config.json" */
    char path[SN_OCI_FIELD_PATH_MAX];
    size_t path_len;
    void (*warn)(void *arg, const char *text);
    void *warn_arg;
};
/* sn_oci_read - members of object v into `out` by a table that ends with a NULL name. Null counts
 * as absent, unknown members are ignored. */
int sn_oci_read(struct sn_oci_reader *r, const struct sn_json *v, const struct sn_oci_field *fields,
                void *out) SN_MUST_CHECK;
/* sn_oci_refuse - SN_E_INVALID_ARGUMENT with "FILE: FIELD: text". field: appended to the reader's
 * place, may be NULL. */
int sn_oci_refuse(const struct sn_oci_reader *r, const char *field, const char *fmt, ...)
    SN_PRINTF(3, 4);
void sn_oci_warn(const struct sn_oci_reader *r, const char *fmt, ...) SN_PRINTF(2, 3);
/* sn_oci_cstr - NUL-terminated copy; NULL without memory. */
const char *sn_oci_cstr(struct sn_arena *a, struct sn_str s);

#define SN_OCI_CAP_LAST 40
/* sn_oci_name_find - the entry, or NULL. */
const struct sn_oci_name *sn_oci_name_find(const struct sn_oci_name *table, struct sn_str name);

extern const struct sn_oci_field sn_oci_mount_fields[];
/* sn_oci_mount_compile - options to flags. r's place is the mount. */
int sn_oci_mount_compile(struct sn_oci_reader *r, struct sn_oci_mount *m) SN_MUST_CHECK;
/* sn_oci_bits_parse - "0-3,7" into a set of `bits`. Returns 0, SN_E_SYNTAX, SN_E_OUT_OF_RANGE. */
int sn_oci_bits_parse(struct sn_str s, unsigned long *set, size_t bits) SN_MUST_CHECK;
