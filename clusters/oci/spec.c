/* SPDX-License-Identifier: Apache-2.0 */
/* oci/spec.c - the tables of config.json and the rules between its fields. */
#include <linux/sched.h>
#include <stdio.h>

#include "clusters/oci/container.h"
#include "clusters/oci/spec_int.h"

#define OFF(type, member) offsetof(type, member)
#define P(member) OFF(struct sn_oci_process_spec, member)
#define S(member) OFF(struct sn_oci_spec, member)
#define OBJ(name_, off_, schema) {name_, SN_OCI_F_OBJ, off_, schema}

/* ---- process ----------------------------------------------------------------------------------- */

static const struct sn_oci_field user_fields[] = {
    {"uid", SN_OCI_F_U32, OFF(struct sn_oci_user, uid)},
    {"gid", SN_OCI_F_U32, OFF(struct sn_oci_user, gid)},
    {"umask", SN_OCI_F_OPT, OFF(struct sn_oci_user, umask), .min = 0, .max = 0777},
    {"additionalGids", SN_OCI_F_U32S, OFF(struct sn_oci_user, groups)},
    {"username", SN_OCI_F_STR, OFF(struct sn_oci_user, username)},
    {NULL},
};
_Static_assert(OFF(struct sn_oci_user, n_groups) == OFF(struct sn_oci_user, groups) + sizeof(void *),
               "a list is a pointer and a count");
static const struct sn_oci_field box_fields[] = {
    {"height", SN_OCI_F_I64, P(console_height), .max = 65535},
    {"width", SN_OCI_F_I64, P(console_width), .max = 65535},
    {NULL},
};
#define CAPS(name_) {#name_, SN_OCI_F_CAPS, OFF(struct sn_oci_caps, name_), sn_oci_cap_names}
static const struct sn_oci_field cap_fields[] = {
    CAPS(bounding), CAPS(effective), CAPS(inheritable), CAPS(permitted), CAPS(ambient), {NULL},
};
static const struct sn_oci_field rlimit_fields[] = {
    {"type", SN_OCI_F_ENUM, OFF(struct sn_oci_rlimit, type), sn_oci_rlimit_names, .required = true},
    {"soft", SN_OCI_F_U64, OFF(struct sn_oci_rlimit, soft), .required = true},
    {"hard", SN_OCI_F_U64, OFF(struct sn_oci_rlimit, hard), .required = true},
    {NULL},
};
#define SCHED(member) OFF(struct sn_oci_scheduler, member)
static const struct sn_oci_field scheduler_fields[] = {
    {"policy", SN_OCI_F_ENUM, SCHED(policy), sn_oci_sched_names, .required = true},
    {"nice", SN_OCI_F_I64, SCHED(nice), .min = -20, .max = 19},
    {"priority", SN_OCI_F_I64, SCHED(priority), .min = 0, .max = 99},
    {"flags", SN_OCI_F_FLAGS, SCHED(flags), sn_oci_sched_flag_names},
    {"runtime", SN_OCI_F_U64, SCHED(runtime_ns)},
    {"deadline", SN_OCI_F_U64, SCHED(deadline_ns)},
    {"period", SN_OCI_F_U64, SCHED(period_ns)},
    {NULL},
};
static const struct sn_oci_field io_priority_fields[] = {
    {"class", SN_OCI_F_ENUM, OFF(struct sn_oci_io_priority, class), sn_oci_ioprio_names, .required = true},
    {"priority", SN_OCI_F_I64, OFF(struct sn_oci_io_priority, priority), .min = 0, .max = 7},
    {NULL},
};
static const struct sn_oci_field affinity_fields[] = {
    {"initial", SN_OCI_F_STR, P(affinity_initial)},
    {"final", SN_OCI_F_STR, P(affinity_final)},
    {NULL},
};
static const struct sn_oci_field process_fields[] = {
    {"terminal", SN_OCI_F_BOOL, P(terminal)},
    OBJ("consoleSize", 0, box_fields),
    {"user", SN_OCI_F_OBJ, P(user), user_fields},
    {"user", SN_OCI_F_SEEN, P(user_set)},
    {"args", SN_OCI_F_STRS, P(args)},
    {"env", SN_OCI_F_STRS, P(env)},
    {"cwd", SN_OCI_F_PATH, P(cwd)},
    {"cwd", SN_OCI_F_SEEN, P(cwd_set)},
    {"capabilities", SN_OCI_F_OBJ, P(caps), cap_fields, OFF(struct sn_oci_caps, set) + 1},
    {"rlimits", SN_OCI_F_LIST, P(rlimits), rlimit_fields, sizeof(struct sn_oci_rlimit)},
    {"noNewPrivileges", SN_OCI_F_BOOL, P(no_new_privs)},
    {"noNewPrivileges", SN_OCI_F_SEEN, P(no_new_privs_set)},
    {"apparmorProfile", SN_OCI_F_STR, P(apparmor)},
    {"selinuxLabel", SN_OCI_F_STR, P(selinux)},
    {"oomScoreAdj", SN_OCI_F_OPT, P(oom_score_adj), .min = -1000, .max = 1000},
    {"scheduler", SN_OCI_F_OBJ, P(scheduler), scheduler_fields, SCHED(set) + 1},
    {"ioPriority", SN_OCI_F_OBJ, P(io_priority), io_priority_fields, OFF(struct sn_oci_io_priority, set) + 1},
    OBJ("execCPUAffinity", 0, affinity_fields),
    {NULL},
};

/* ---- linux ------------------------------------------------------------------------------------- */

static const struct sn_oci_field id_map_fields[] = {
    {"containerID", SN_OCI_F_U32, OFF(struct sn_oci_id_map, inside), .required = true},
    {"hostID", SN_OCI_F_U32, OFF(struct sn_oci_id_map, outside), .required = true},
    {"size", SN_OCI_F_U32, OFF(struct sn_oci_id_map, size), .required = true},
    {NULL},
};
#define MAPS(name_, off_) {name_, SN_OCI_F_LIST, off_, id_map_fields, sizeof(struct sn_oci_id_map)}
static const struct sn_oci_field device_fields[] = {
    {"path", SN_OCI_F_PATH, OFF(struct sn_oci_device, path), .required = true},
    {"type", SN_OCI_F_STR, OFF(struct sn_oci_device, type), .required = true},
    {"major", SN_OCI_F_I64, OFF(struct sn_oci_device, major)},
    {"minor", SN_OCI_F_I64, OFF(struct sn_oci_device, minor)},
    {"fileMode", SN_OCI_F_OPT, OFF(struct sn_oci_device, file_mode), .min = 0, .max = 0xffffffff},
    {"uid", SN_OCI_F_OPT, OFF(struct sn_oci_device, uid), .min = 0, .max = 0xffffffff},
    {"gid", SN_OCI_F_OPT, OFF(struct sn_oci_device, gid), .min = 0, .max = 0xffffffff},
    {NULL},
};
static const struct sn_oci_field namespace_fields[] = {
    {"type", SN_OCI_F_STR, OFF(struct sn_oci_namespace, type), .required = true},
    {"path", SN_OCI_F_PATH, OFF(struct sn_oci_namespace, path)},
    {NULL},
};
static const struct sn_oci_field offset_fields[] = {
    {"secs", SN_OCI_F_I64, OFF(struct sn_oci_time_offset, secs)},
    {"nanosecs", SN_OCI_F_I64, OFF(struct sn_oci_time_offset, nanosecs), .min = 0, .max = 999999999},
    {NULL},
};
static const struct sn_oci_field offsets_fields[] = {
    {"boottime", SN_OCI_F_OBJ, S(boottime), offset_fields},
    {"monotonic", SN_OCI_F_OBJ, S(monotonic), offset_fields},
    {NULL},
};
static const struct sn_oci_field personality_fields[] = {
    {"domain", SN_OCI_F_ENUM, S(personality.v), sn_oci_personality_names, .required = true},
    {NULL},
};
#define MPOL(member) OFF(struct sn_oci_memory_policy, member)
static const struct sn_oci_field mpol_fields[] = {
    {"mode", SN_OCI_F_ENUM, MPOL(mode), sn_oci_mpol_names, .required = true},
    {"nodes", SN_OCI_F_STR, MPOL(nodes_text)},
    {"flags", SN_OCI_F_FLAGS, MPOL(flags), sn_oci_mpol_flag_names},
    {NULL},
};
static const struct sn_oci_field linux_fields[] = {
    MAPS("uidMappings", S(uid_maps)),
    MAPS("gidMappings", S(gid_maps)),
    {"sysctl", SN_OCI_F_KVS, S(sysctl)},
    {"resources", SN_OCI_F_TREE, S(resources)},
    {"cgroupsPath", SN_OCI_F_STR, S(cgroups_path)},
    {"namespaces", SN_OCI_F_LIST, S(namespaces), namespace_fields, sizeof(struct sn_oci_namespace)},
    {"devices", SN_OCI_F_LIST, S(devices), device_fields, sizeof(struct sn_oci_device)},
    {"seccomp", SN_OCI_F_TREE, S(seccomp)},
    {"rootfsPropagation", SN_OCI_F_STR, S(rootfs_propagation_name)},
    {"maskedPaths", SN_OCI_F_STRS, S(masked_paths)},
    {"readonlyPaths", SN_OCI_F_STRS, S(readonly_paths)},
    {"mountLabel", SN_OCI_F_STR, S(mount_label)},
    {"intelRdt", SN_OCI_F_TREE, S(intel_rdt)},
    {"memoryPolicy", SN_OCI_F_OBJ, S(memory_policy), mpol_fields, MPOL(set) + 1},
    {"personality", SN_OCI_F_OBJ, 0, personality_fields, S(personality.set) + 1},
    {"timeOffsets", SN_OCI_F_OBJ, 0, offsets_fields, S(time_offsets) + 1},
    {NULL},
};

/* ---- the rest ---------------------------------------------------------------------------------- */

const struct sn_oci_field sn_oci_mount_fields[] = {
    {"destination", SN_OCI_F_STR, OFF(struct sn_oci_mount, destination), .required = true},
    {"source", SN_OCI_F_STR, OFF(struct sn_oci_mount, source)},
    {"type", SN_OCI_F_STR, OFF(struct sn_oci_mount, type)},
    {"options", SN_OCI_F_STRS, OFF(struct sn_oci_mount, options)},
    MAPS("uidMappings", OFF(struct sn_oci_mount, uid_maps)),
    MAPS("gidMappings", OFF(struct sn_oci_mount, gid_maps)),
    {NULL},
};
static const struct sn_oci_field hook_fields[] = {
    {"path", SN_OCI_F_PATH, OFF(struct sn_oci_hook, path), .required = true},
    {"args", SN_OCI_F_STRS, OFF(struct sn_oci_hook, args)},
    {"env", SN_OCI_F_STRS, OFF(struct sn_oci_hook, env)},
    {"timeout", SN_OCI_F_OPT, OFF(struct sn_oci_hook, timeout_s), .min = 1, .max = 1000000},
    {NULL},
};
#define HOOK(name_, kind_) {name_, SN_OCI_F_LIST, S(hooks[kind_]), hook_fields, sizeof(struct sn_oci_hook)}
static const struct sn_oci_field hooks_fields[] = {
    HOOK("prestart", SN_OCI_HOOK_PRESTART),
    HOOK("createRuntime", SN_OCI_HOOK_CREATE_RUNTIME),
    HOOK("createContainer", SN_OCI_HOOK_CREATE_CONTAINER),
    HOOK("startContainer", SN_OCI_HOOK_START_CONTAINER),
    HOOK("poststart", SN_OCI_HOOK_POSTSTART),
    HOOK("poststop", SN_OCI_HOOK_POSTSTOP),
    {NULL},
};
static const struct sn_oci_field root_fields[] = {
    {"path", SN_OCI_F_STR, S(root.path), .required = true},
    {"readonly", SN_OCI_F_BOOL, S(root.readonly)},
    {NULL},
};
static const struct sn_oci_field spec_fields[] = {
    {"ociVersion", SN_OCI_F_STR, S(version), .required = true},
    OBJ("root", 0, root_fields),
    {"process", SN_OCI_F_OBJ, S(process), process_fields},
    {"process", SN_OCI_F_SEEN, S(process_set)},
    {"hostname", SN_OCI_F_STR, S(hostname)},
    {"domainname", SN_OCI_F_STR, S(domainname)},
    {"mounts", SN_OCI_F_LIST, S(mounts), sn_oci_mount_fields, sizeof(struct sn_oci_mount)},
    OBJ("hooks", 0, hooks_fields),
    {"annotations", SN_OCI_F_TREE, S(annotations)},
    OBJ("linux", 0, linux_fields),
    {NULL},
};

/* ---- rules ------------------------------------------------------------------------------------- */

int sn_oci_bits_parse(struct sn_str s, unsigned long *set, size_t bits)
{
    if (s.len == 0) return SN_E_SYNTAX;
    while (s.ptr) {
        struct sn_str hi = sn_str_trim(sn_str_cut(&s, ',')), lo = sn_str_cut(&hi, '-');
        uint64_t a, b;
        int e = sn_str_to_u64(lo, &a);
        if (e == 0) {
            b = a;
            if (hi.ptr) e = sn_str_to_u64(hi, &b);
        }
        if (e < 0) return e;
        if (b < a || b >= bits) return SN_E_OUT_OF_RANGE;
        for (; a <= b; a++) set[a / 64] |= 1ul << (a % 64);
    }
    return 0;
}

static int check_affinity(struct sn_oci_reader *r, const char *field, const char *text, cpu_set_t *set, bool *ret)
{
    if (!text || !text[0]) return 0;
    CPU_ZERO(set);
    if (sn_oci_bits_parse(sn_str(text), (unsigned long *)set, CPU_SETSIZE) < 0)
        return sn_oci_refuse(r, field, "\"%.64s\" is no list of CPUs like \"0-3,7\" below %d", text, CPU_SETSIZE);
    *ret = true;
    return 0;
}

static int check_scheduler(struct sn_oci_reader *r, const struct sn_oci_scheduler *s)
{
    if (!s->set) return 0;
    bool rt = s->policy == 1 || s->policy == 2, deadline = s->policy == 6;
    if (s->priority && !rt)
        return sn_oci_refuse(r, "scheduler.priority", "%lld: only SCHED_FIFO and SCHED_RR have one",
                             (long long)s->priority);
    if (s->nice && s->policy != 0 && s->policy != 3)
        return sn_oci_refuse(r, "scheduler.nice", "%lld: only SCHED_OTHER and SCHED_BATCH have one",
                             (long long)s->nice);
    if ((s->runtime_ns || s->deadline_ns || s->period_ns) && !deadline)
        return sn_oci_refuse(r, "scheduler", "runtime, deadline and period are for SCHED_DEADLINE only");
    return 0;
}

static int check_process(struct sn_oci_reader *r, struct sn_oci_process_spec *p, bool args_needed)
{
    if (args_needed && p->args.n == 0) return sn_oci_refuse(r, "args", "must not be empty");
    if (p->args.n && p->args.ptr[0][0] == 0) return sn_oci_refuse(r, "args[0]", "must not be empty");
    if (!p->cwd) return sn_oci_refuse(r, "cwd", "Cwd property must not be empty");
    for (size_t i = 0; i < p->rlimits.n; i++) {
        const struct sn_oci_rlimit *l = &p->rlimits.ptr[i];
        if (l->soft > l->hard)
            return sn_oci_refuse(r, "rlimits", "soft limit %llu is above the hard limit %llu",
                                 (unsigned long long)l->soft, (unsigned long long)l->hard);
        for (size_t k = 0; k < i; k++)
            if (p->rlimits.ptr[k].type == l->type)
                return sn_oci_refuse(r, "rlimits", "a type is there twice");
    }
    for (size_t i = 0; i < p->env.n; i++)
        if (!strchr(p->env.ptr[i], '=') || p->env.ptr[i][0] == '=')
            return sn_oci_refuse(r, "env", "\"%.64s\" is not NAME=VALUE", p->env.ptr[i]);
    int e = check_scheduler(r, &p->scheduler);
    if (e == 0)
        e = check_affinity(r, "execCPUAffinity.initial", p->affinity_initial, &p->affinity.initial,
                           &p->affinity.initial_set);
    if (e == 0)
        e = check_affinity(r, "execCPUAffinity.final", p->affinity_final, &p->affinity.final,
                           &p->affinity.final_set);
    return e;
}

const struct sn_oci_namespace *sn_oci_namespace_of(const struct sn_oci_spec *s, uint64_t flag)
{
    for (size_t i = 0; i < s->namespaces.n; i++)
        if (s->namespaces.ptr[i].flag == flag) return &s->namespaces.ptr[i];
    return NULL;
}

static int check_namespaces(struct sn_oci_reader *r, struct sn_oci_spec *s)
{
    uint64_t all = 0;
    for (size_t i = 0; i < s->namespaces.n; i++) {
        struct sn_oci_namespace *n = &s->namespaces.ptr[i];
        const struct sn_oci_name *name = sn_oci_name_find(sn_oci_ns_names, sn_str(n->type));
        if (!name)
            return sn_oci_refuse(r, "linux.namespaces",
                                 "\"%.64s\" is not one of user, mount, pid, network, ipc, uts, cgroup, time",
                                 n->type);
        n->flag = (uint64_t)name->value;
        if (n->path && !n->path[0]) n->path = NULL;
        if (all & n->flag) return sn_oci_refuse(r, "linux.namespaces", "\"%s\" is there twice", n->type);
        all |= n->flag;
        if (!n->path) s->ns_new |= n->flag;
    }
    bool maps = s->uid_maps.n || s->gid_maps.n;
    if (maps && !(all & CLONE_NEWUSER))
        return sn_oci_refuse(r, "linux.uidMappings", "mappings are for a user namespace, and there is none");
    if ((s->ns_new & CLONE_NEWUSER) && (!s->uid_maps.n || !s->gid_maps.n))
        return sn_oci_refuse(r, "linux.uidMappings", "a new user namespace needs uidMappings and gidMappings");
    if (s->uid_maps.n > SN_OCI_MAPPINGS_MAX || s->gid_maps.n > SN_OCI_MAPPINGS_MAX)
        return sn_oci_refuse(r, "linux.uidMappings", "more than %d mappings", SN_OCI_MAPPINGS_MAX);
    if (s->hostname && s->hostname[0] && !(all & CLONE_NEWUTS))
        return sn_oci_refuse(r, "hostname", "\"%.64s\" needs a uts namespace of the container", s->hostname);
    if (s->domainname && s->domainname[0] && !(all & CLONE_NEWUTS))
        return sn_oci_refuse(r, "domainname", "\"%.64s\" needs a uts namespace of the container", s->domainname);
    if (s->time_offsets && !(s->ns_new & CLONE_NEWTIME))
        return sn_oci_refuse(r, "linux.timeOffsets", "need a new time namespace");
    if (s->net_devices.n && !(all & CLONE_NEWNET))
        return sn_oci_refuse(r, "linux.netDevices", "need a network namespace of the container");
    return 0;
}

/* What a sysctl belongs to; the host's own must not be set through a container. */
static int check_sysctl(struct sn_oci_reader *r, const struct sn_oci_spec *s)
{
    static const char *const ipc[] = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
                                      "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
                                      "kernel.shm_rmid_forced"};
    for (size_t i = 0; i < s->sysctl.n; i++) {
        char name[256];
        if (sn_str_cz(sn_str(s->sysctl.ptr[i].key), name, sizeof(name)) < 0)
            return sn_oci_refuse(r, "linux.sysctl", "\"%.64s...\" is too long", s->sysctl.ptr[i].key);
        /* The slash is the separator where it comes first; dots and slashes are swapped then. */
        char *sep = strpbrk(name, "./");
        if (sep && *sep == '/')
            for (char *c = name; *c; c++) *c = *c == '/' ? '.' : *c == '.' ? '/' : *c;
        uint64_t need = 0;
        for (size_t k = 0; k < SN_COUNT_OF(ipc); k++)
            if (strcmp(name, ipc[k]) == 0) need = CLONE_NEWIPC;
        if (strncmp(name, "fs.mqueue.", 10) == 0) need = CLONE_NEWIPC;
        if (strncmp(name, "net.", 4) == 0) need = CLONE_NEWNET;
        if (strcmp(name, "kernel.domainname") == 0) need = CLONE_NEWUTS;
        if (strcmp(name, "kernel.hostname") == 0)
            return sn_oci_refuse(r, "linux.sysctl", "\"kernel.hostname\" is set by the field hostname");
        if (strncmp(name, "user.", 5) == 0) need = CLONE_NEWUSER;
        if (!need)
            return sn_oci_refuse(r, "linux.sysctl", "sysctl \"%s\" is not in a separate kernel namespace", name);
        if (!sn_oci_namespace_of(s, need))
            return sn_oci_refuse(r, "linux.sysctl", "sysctl \"%s\" is not allowed in the hosts %s namespace",
                                 name, need == CLONE_NEWIPC ? "ipc" : need == CLONE_NEWNET ? "network"
                                 : need == CLONE_NEWUTS ? "uts" : "user");
    }
    return 0;
}

static int check_devices(struct sn_oci_reader *r, struct sn_oci_spec *s)
{
    for (size_t i = 0; i < s->devices.n; i++) {
        struct sn_oci_device *d = &s->devices.ptr[i];
        if (strlen(d->type) != 1 || !strchr("cubp", d->type[0]))
            return sn_oci_refuse(r, "linux.devices", "%.64s: type \"%.16s\" is not one of c, u, b, p", d->path,
                                 d->type);
        if (d->type[0] != 'p' && (d->major < 0 || d->minor < 0))
            return sn_oci_refuse(r, "linux.devices", "%.64s: major and minor must not be negative", d->path);
    }
    return 0;
}

static int read_net_devices(struct sn_oci_reader *r, const struct sn_json *v, struct sn_oci_spec *s)
{
    if (!v || v->kind == SN_JSON_NULL) return 0;
    if (v->kind != SN_JSON_OBJECT || v->len > 1024)
        return sn_oci_refuse(r, "linux.netDevices", "is no object of at most 1024 members");
    s->net_devices.ptr = SN_ARENA_ARRAY(r->a, struct sn_oci_net_device, v->len ? v->len : 1);
    if (!s->net_devices.ptr) return SN_E_NOMEM;
    for (SN_JSON_MEMBERS(v, m)) {
        struct sn_oci_net_device *d = &s->net_devices.ptr[s->net_devices.n++];
        struct sn_str name = sn_json_str(sn_json_get(&m->value, "name")), key = sn_json_str(&m->key);
        if (!name.len) name = key;
        const struct sn_str both[] = {key, name};
        for (int i = 0; i < 2; i++)
            if (!both[i].len || both[i].len > 15 || memchr(both[i].ptr, '/', both[i].len) ||
                memchr(both[i].ptr, 0, both[i].len) || sn_str_eqc(both[i], ".") || sn_str_eqc(both[i], ".."))
                return sn_oci_refuse(r, "linux.netDevices", "\"%.*s\" is no name of an interface",
                                     (int)SN_MIN(both[i].len, (size_t)32), both[i].ptr);
        d->host = sn_oci_cstr(r->a, key);
        d->name = sn_oci_cstr(r->a, name);
        if (!d->host || !d->name) return SN_E_NOMEM;
    }
    return 0;
}

static int check_version(struct sn_oci_reader *r, const char *v)
{
    /* Any 1.x: later minor versions only add what we ignore. */
    bool good = v[0] == '1' && v[1] == '.' && v[2] >= '0' && v[2] <= '9';
    size_t dots = 0;
    for (const char *c = v; *c && *c != '-' && *c != '+'; c++) {
        dots += *c == '.';
        good = good && (*c == '.' || (*c >= '0' && *c <= '9'));
    }
    if (!good || dots != 2)
        return sn_oci_refuse(r, "ociVersion", "\"%.32s\" is unknown version, expected 1.MINOR.PATCH", v);
    return 0;
}

static int check_linux(struct sn_oci_reader *r, const struct sn_json *tree, struct sn_oci_spec *s)
{
    int e = read_net_devices(r, sn_json_get(sn_json_get(tree, "linux"), "netDevices"), s);
    if (e == 0) e = check_namespaces(r, s);
    if (e == 0) e = check_sysctl(r, s);
    if (e == 0) e = check_devices(r, s);
    if (e < 0) return e;
    if (s->rootfs_propagation_name && s->rootfs_propagation_name[0]) {
        const struct sn_oci_name *p = sn_oci_name_find(sn_oci_propagation_names, sn_str(s->rootfs_propagation_name));
        if (!p)
            return sn_oci_refuse(r, "linux.rootfsPropagation", "\"%.32s\" is not one of private, slave, shared, unbindable and these with r before",
                                 s->rootfs_propagation_name);
        s->rootfs_propagation = (unsigned long)p->value;
    }
    if (s->intel_rdt)
        return sn_oci_refuse(r, "linux.intelRdt", "Intel RDT is not supported by this runtime");
    struct sn_oci_memory_policy *mp = &s->memory_policy;
    if (mp->set && mp->nodes_text && mp->nodes_text[0] &&
        sn_oci_bits_parse(sn_str(mp->nodes_text), mp->nodes, sizeof(mp->nodes) * 8) < 0)
        return sn_oci_refuse(r, "linux.memoryPolicy.nodes", "\"%.64s\" is no list of nodes like \"0-3,7\"",
                             mp->nodes_text);
    return 0;
}

static int check_annotations(struct sn_oci_reader *r, const struct sn_json *a)
{
    for (SN_JSON_MEMBERS(a, m)) {
        if (m->key.len == 0) return sn_oci_refuse(r, "annotations", "a key must not be empty");
        if (m->value.kind != SN_JSON_STRING)
            return sn_oci_refuse(r, "annotations", "\"%.*s\" is no string", (int)SN_MIN(m->key.len, 64u), m->key.str);
    }
    return 0;
}

static int compile_mounts(struct sn_oci_reader *r, struct sn_oci_mount *m, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        int k = snprintf(r->path, sizeof(r->path), "%s[%zu]", name, i);
        r->path_len = k > 0 ? (size_t)k : 0;
        int e = sn_oci_mount_compile(r, &m[i]);
        if (e < 0) return e;
    }
    r->path_len = 0;
    return 0;
}

static int parse(struct sn_oci_reader *r, struct sn_str text, const struct sn_json **ret)
{
    struct sn_json_opts o = {.bytes_max = SN_OCI_CONFIG_BYTES_MAX};
    int e = sn_json_parse(r->a, text, &o, ret);
    return e < 0 ? sn_wrap(e, "%s", r->file) : 0;
}

int sn_oci_spec_parse(struct sn_arena *a, struct sn_str text, void (*warn)(void *arg, const char *text),
                      void *warn_arg, struct sn_oci_spec *ret)
{
    struct sn_oci_reader r = {.a = a, .file = "config.json", .warn = warn, .warn_arg = warn_arg};
    const struct sn_json *tree;
    int e = parse(&r, text, &tree);
    if (e < 0) return e;
    struct sn_oci_spec *s = ret;
    memset(s, 0, sizeof(*s));
    if ((e = sn_oci_read(&r, tree, spec_fields, s)) < 0) return e;
    if ((e = check_version(&r, s->version)) < 0) return e;
    if (!s->root.path || !s->root.path[0]) return sn_oci_refuse(&r, "root.path", "must not be empty");
    if (!sn_json_get(tree, "linux")) return sn_oci_refuse(&r, "linux", "is missing: this runtime is for Linux");
    if (s->process_set) {
        r.path_len = (size_t)snprintf(r.path, sizeof(r.path), "process");
        if ((e = check_process(&r, &s->process, false)) < 0) return e;
        r.path_len = 0;
    }
    if ((e = check_linux(&r, tree, s)) < 0) return e;
    if ((e = check_annotations(&r, s->annotations)) < 0) return e;
    return compile_mounts(&r, s->mounts.ptr, s->mounts.n, "mounts");
}

/* An exec inherits what its own process does not say, as runc's flags do. */
static void inherit(struct sn_oci_process_spec *p, const struct sn_oci_process_spec *base)
{
    if (!p->cwd_set) p->cwd = base->cwd;
    if (!p->user_set) p->user = base->user;
    if (!p->user.umask.set) p->user.umask = base->user.umask;
    if (!p->env.ptr) p->env = base->env;
    if (!p->args.ptr) p->args = base->args;
    if (!p->caps.set) p->caps = base->caps;
    if (!p->rlimits.ptr) {
        p->rlimits.ptr = base->rlimits.ptr;
        p->rlimits.n = base->rlimits.n;
    }
    if (!p->no_new_privs_set) p->no_new_privs = base->no_new_privs;
    if (!p->apparmor) p->apparmor = base->apparmor;
    if (!p->selinux) p->selinux = base->selinux;
    if (!p->oom_score_adj.set) p->oom_score_adj = base->oom_score_adj;
    if (!p->scheduler.set) p->scheduler = base->scheduler;
    if (!p->io_priority.set) p->io_priority = base->io_priority;
    if (!p->affinity_initial && !p->affinity_final) {
        p->affinity_initial = base->affinity_initial;
        p->affinity_final = base->affinity_final;
    }
}

int sn_oci_process_parse(struct sn_arena *a, struct sn_str text, const struct sn_oci_process_spec *base,
                         void (*warn)(void *arg, const char *text), void *warn_arg,
                         struct sn_oci_process_spec *ret)
{
    struct sn_oci_reader r = {.a = a, .file = "process", .warn = warn, .warn_arg = warn_arg};
    const struct sn_json *tree;
    int e = parse(&r, text, &tree);
    if (e < 0) return e;
    memset(ret, 0, sizeof(*ret));
    if ((e = sn_oci_read(&r, tree, process_fields, ret)) < 0) return e;
    if (base) inherit(ret, base);
    return check_process(&r, ret, true);
}

int sn_oci_mounts_parse(struct sn_arena *a, const struct sn_json *mounts, struct sn_oci_mount **ret, size_t *ret_n)
{
    struct sn_oci_reader r = {.a = a, .file = "mounts"};
    if (!sn_json_is(mounts, SN_JSON_ARRAY) || mounts->len > SN_OCI_LIST_MAX)
        return sn_oci_refuse(&r, NULL, "is no array of at most %u mounts", SN_OCI_LIST_MAX);
    struct sn_oci_mount *m = SN_ARENA_ARRAY(a, struct sn_oci_mount, mounts->len ? mounts->len : 1);
    if (!m) return SN_E_NOMEM;
    for (uint32_t i = 0; i < mounts->len; i++) {
        int e = sn_oci_read(&r, &mounts->items[i], sn_oci_mount_fields, &m[i]);
        if (e < 0) return e;
    }
    int e = compile_mounts(&r, m, mounts->len, "");
    if (e < 0) return e;
    *ret = m;
    *ret_n = mounts->len;
    return 0;
}
