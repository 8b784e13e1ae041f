/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-bpf/kernel.c - libbpf's side of the loader. */
#include "sennit-bpf/kernel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/status.h"
#include "core/str.h"

#define BPF_FS_MAGIC_ 0xcafe4a11 /* linux/magic.h's BPF_FS_MAGIC */
#define CGROUP2_MAGIC_ 0x63677270
#define PATH_BYTES 4096

extern const unsigned char sn_takeover_object[];
extern const size_t sn_takeover_object_len;

/* What is attached to the workloads, and what to the gateway: the latter never redirects. */
static const char *const workload_programs[] = {
    "sn_connect4", "sn_connect6",     "sn_sendmsg4",     "sn_sendmsg6",   "sn_recvmsg4",
    "sn_recvmsg6", "sn_getpeername4", "sn_getpeername6", "sn_getsockopt",
};
static const char *const tell_programs[] = {"sn_sockops"};
static const char *const gateway_programs[] = {"sn_sockops", "sn_getsockopt"};
static const char *const pinned_maps[] = {"sn_services", "sn_control", "sn_counters"};

static bool verbose;
static int on_print(enum libbpf_print_level level, const char *fmt, va_list ap)
{
    return verbose && level != LIBBPF_DEBUG ? vfprintf(stderr, fmt, ap) : 0;
}

static bool on_fs(const char *path, long magic)
{
    struct statfs s;
    return statfs(path, &s) == 0 && (long)s.f_type == magic;
}

static int pin_path(const struct tk_kernel *k, const char *name, char out[PATH_BYTES])
{
    int n = snprintf(out, PATH_BYTES, "%s/%s", k->pin, name);
    return n < PATH_BYTES ? 0 : sn_fail(SN_E_TOO_LARGE, "path %s is too long", k->pin);
}

/* ---- attaching ------------------------------------------------------------------------------- */

static int attach(struct tk_kernel *k, const char *program, int cgroup_fd, const char *pin_as)
{
    char path[PATH_BYTES];
    struct bpf_program *p = bpf_object__find_program_by_name(k->obj, program);
    SN_ASSERT(p && k->n_links < TK_LINKS_MAX);
    struct bpf_link *l = bpf_program__attach_cgroup(p, cgroup_fd);
    if (!l) return sn_fail_errno(errno, "attach %s by a link", program);
    k->links[k->n_links++] = l;
    if (!k->pin) return 0;
    int r = pin_path(k, pin_as, path);
    if (r == 0 && (r = bpf_link__pin(l, path)) < 0) r = sn_fail_errno(-r, "pin %s", path);
    return r;
}

static int attach_all(struct tk_kernel *k, const char *cgroup, const char *const *programs,
                      size_t n, const char *prefix)
{
    char name[64];
    if (!on_fs(cgroup, CGROUP2_MAGIC_))
        return sn_fail(SN_E_INVALID_ARGUMENT, "%s is no folder of the cgroup v2 tree", cgroup);
    int fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    if (fd < 0) return sn_fail_errno(errno, "open %s", cgroup);
    for (size_t i = 0; r == 0 && i < n; i++) {
        snprintf(name, sizeof(name), "%s%s", prefix, programs[i]);
        r = attach(k, programs[i], fd, name);
    }
    (void)close(fd);
    return r < 0 ? sn_wrap(r, "%s", cgroup) : 0;
}

static int pin_maps(struct tk_kernel *k)
{
    char path[PATH_BYTES];
    for (size_t i = 0; i < SN_COUNT_OF(pinned_maps); i++) {
        struct bpf_map *m = bpf_object__find_map_by_name(k->obj, pinned_maps[i]);
        int r = pin_path(k, pinned_maps[i], path);
        if (r < 0) return r;
        r = bpf_map__pin(m, path);
        if (r < 0) return sn_fail_errno(-r, "pin %s", path);
    }
    return 0;
}

/* Messages of sockets in the short-cut's map go through the program from here on. */
static int attach_shortcut(struct tk_kernel *k)
{
    struct bpf_program *p = bpf_object__find_program_by_name(k->obj, "sn_msg");
    struct bpf_map *m = bpf_object__find_map_by_name(k->obj, "sn_shortcut");
    int r = bpf_prog_attach(bpf_program__fd(p), bpf_map__fd(m), BPF_SK_MSG_VERDICT, 0);
    return r < 0 ? sn_fail_errno(-r, "attach the short-cut") : 0;
}

static int load_object(struct tk_kernel *k)
{
    LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "sn_takeover");
    k->obj = bpf_object__open_mem(sn_takeover_object, sn_takeover_object_len, &opts);
    if (!k->obj) return sn_fail_errno(errno, "read the programs");
    int r = bpf_object__load(k->obj);
    if (r < 0)
        return sn_fail_errno(-r, "the kernel refuses the programs (sennit doctor says what it "
                                 "allows, --verbose what the verifier says)");
    k->services = bpf_object__find_map_fd_by_name(k->obj, "sn_services");
    k->control = bpf_object__find_map_fd_by_name(k->obj, "sn_control");
    k->counters = bpf_object__find_map_fd_by_name(k->obj, "sn_counters");
    return 0;
}

static int load_fresh(struct tk_kernel *k, const struct tk_load_opts *o)
{
    int r = load_object(k);
    if (r == 0 && k->pin && mkdir(k->pin, 0700) < 0)
        return sn_fail_errno(errno, "make the folder %s", k->pin);
    if (r == 0 && k->pin && !on_fs(k->pin, BPF_FS_MAGIC_)) {
        (void)rmdir(k->pin);
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "%s is not on a BPF file system (mount -t bpf bpf FOLDER)", k->pin);
    }
    /* The deadline has passed in the record's first state: without the gateway's first snapshot
     * there is no service, so nothing is refused by that. */
    struct sn_tk_control c = {.layout = SN_TK_LAYOUT, .shortcut = o->shortcut};
    if (r == 0) r = tk_control_set(k, &c);
    if (r == 0 && k->pin) r = pin_maps(k);
    if (r == 0 && o->shortcut) r = attach_shortcut(k);
    if (r == 0 && o->gateway_cgroup)
        r = attach_all(k, o->gateway_cgroup, gateway_programs, SN_COUNT_OF(gateway_programs),
                       "gateway_");
    if (r == 0)
        r = attach_all(k, o->cgroup, workload_programs, SN_COUNT_OF(workload_programs), "link_");
    /* It costs every connect of the cgroup a tenth of a microsecond: only where somebody will ask
     * for original destinations, or sockets are to be joined. */
    if (r == 0 && (o->gateway_cgroup || o->shortcut))
        r = attach_all(k, o->cgroup, tell_programs, SN_COUNT_OF(tell_programs), "link_");
    if (r < 0 && k->pin) (void)!tk_kernel_unpin(k->pin);
    return r;
}

/* ---- an earlier loader's programs ------------------------------------------------------------ */

static int open_pinned(struct tk_kernel *k)
{
    int *const fds[] = {&k->services, &k->control, &k->counters};
    char path[PATH_BYTES];
    for (size_t i = 0; i < SN_COUNT_OF(fds); i++) {
        int r = pin_path(k, pinned_maps[i], path);
        if (r < 0) return r;
        *fds[i] = bpf_obj_get(path);
        if (*fds[i] < 0)
            return sn_fail_errno(-*fds[i],
                                 "%s is not complete (sennit-bpf unload --pin removes it): %s",
                                 k->pin, pinned_maps[i]);
    }
    struct sn_tk_control c;
    int r = tk_control_get(k, &c);
    if (r == 0 && c.layout != SN_TK_LAYOUT)
        r = sn_fail(
            SN_E_FAILED_PRECONDITION,
            "%s holds programs of layout %u, this loader writes %u: sennit-bpf unload first",
            k->pin, c.layout, SN_TK_LAYOUT);
    return r < 0 ? r : 1;
}

int tk_kernel_load(struct tk_kernel *k, const struct tk_load_opts *o)
{
    *k = (struct tk_kernel){.services = -1, .control = -1, .counters = -1, .pin = o->pin};
    verbose = o->verbose;
    libbpf_set_print(on_print);
    int r = k->pin && access(k->pin, F_OK) == 0 ? open_pinned(k) : load_fresh(k, o);
    if (r < 0) tk_kernel_done(k);
    return r;
}

void tk_kernel_done(struct tk_kernel *k)
{
    for (unsigned i = 0; i < k->n_links; i++) (void)bpf_link__destroy(k->links[i]);
    if (k->obj) {
        bpf_object__close(k->obj);
    } else {
        const int fds[] = {k->services, k->control, k->counters};
        for (size_t i = 0; i < SN_COUNT_OF(fds); i++)
            if (fds[i] >= 0) (void)close(fds[i]);
    }
    *k = (struct tk_kernel){.services = -1, .control = -1, .counters = -1};
}

int tk_kernel_unpin(const char *pin)
{
    DIR *d = opendir(pin);
    if (!d) return sn_fail_errno(errno, "%s", pin);
    int r = 0;
    if (!on_fs(pin, BPF_FS_MAGIC_))
        r = sn_fail(SN_E_INVALID_ARGUMENT, "%s is not on a BPF file system", pin);
    for (struct dirent *e; r == 0 && (e = readdir(d));) {
        struct sn_str name = sn_str(e->d_name);
        if (name.ptr[0] == '.') continue;
        if (!sn_str_starts(name, SN_STR("sn_")) && !sn_str_starts(name, SN_STR("link_")) &&
            !sn_str_starts(name, SN_STR("gateway_")))
            r = sn_fail(SN_E_FAILED_PRECONDITION, "%s/%s is none of ours", pin, e->d_name);
        else if (unlinkat(dirfd(d), e->d_name, 0) < 0)
            r = sn_fail_errno(errno, "remove %s/%s", pin, e->d_name);
    }
    (void)closedir(d);
    if (r == 0 && rmdir(pin) < 0) r = sn_fail_errno(errno, "remove %s", pin);
    return r;
}

/* ---- maps ------------------------------------------------------------------------------------ */

int tk_control_set(struct tk_kernel *k, const struct sn_tk_control *c)
{
    const uint32_t zero = 0;
    int r = bpf_map_update_elem(k->control, &zero, c, BPF_ANY);
    return r < 0 ? sn_fail_errno(-r, "write the control record") : 0;
}

int tk_control_get(struct tk_kernel *k, struct sn_tk_control *ret)
{
    const uint32_t zero = 0;
    int r = bpf_map_lookup_elem(k->control, &zero, ret);
    return r < 0 ? sn_fail_errno(-r, "read the control record") : 0;
}

int tk_table_new(struct tk_kernel *k, const struct sn_tk_table *t)
{
    const uint32_t zero = 0;
    int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "sn_table", sizeof(zero), sizeof(*t), 1, NULL);
    if (fd < 0) return sn_fail_errno(-fd, "make a table");
    int r = bpf_map_update_elem(fd, &zero, t, BPF_ANY);
    if (r == 0) return fd;
    (void)close(fd);
    return sn_fail_errno(-r, "fill a table");
}

/* In one call where the kernel has it: after each call that changes a map of maps it waits until no
 * program can be looking at an old one, and a thousand such waits take twenty seconds. */
int tk_services_set(struct tk_kernel *k, const struct sn_tk_key *keys, const int *table_fds,
                    uint32_t n)
{
    uint32_t done = n;
    if (n == 0) return 0;
    int r = bpf_map_update_batch(k->services, keys, table_fds, &done, NULL);
    if (r == 0) return 0;
    for (uint32_t i = 0; i < n; i++) {
        r = bpf_map_update_elem(k->services, &keys[i], &table_fds[i], BPF_ANY);
        if (r < 0) return sn_fail_errno(-r, "put a table in its place");
    }
    return 0;
}

void tk_services_del(struct tk_kernel *k, const struct sn_tk_key *keys, uint32_t n)
{
    uint32_t done = n;
    if (n == 0 || bpf_map_delete_batch(k->services, keys, &done, NULL) == 0) return;
    for (uint32_t i = 0; i < n; i++) (void)bpf_map_delete_elem(k->services, &keys[i]);
}

bool tk_service_next(struct tk_kernel *k, const struct sn_tk_key *at, struct sn_tk_key *ret)
{
    return bpf_map_get_next_key(k->services, at, ret) == 0;
}

/* One record per possible processor, each filled up to 8 bytes, which these are anyway. */
static int per_cpu(struct sn_tk_counters **ret, int *ret_n)
{
    int n = libbpf_num_possible_cpus();
    if (n < 1) return sn_fail(SN_E_IO, "cannot count the processors");
    *ret = SN_NEW_ARRAY(struct sn_tk_counters, (size_t)n);
    *ret_n = n;
    return *ret ? 0 : sn_fail(SN_E_NOMEM, "counters of %d processors", n);
}

int tk_counters_get(struct tk_kernel *k, uint32_t index, struct sn_tk_counters *ret)
{
    struct sn_tk_counters *c, sum = {0};
    int n, r = per_cpu(&c, &n);
    if (r < 0) return r;
    r = bpf_map_lookup_elem(k->counters, &index, c);
    for (int i = 0; r == 0 && i < n; i++) {
        sum.connects += c[i].connects;
        sum.datagrams += c[i].datagrams;
        sum.replies += c[i].replies;
        sum.refused += c[i].refused;
        sum.lapsed += c[i].lapsed;
    }
    sn_free(c);
    if (r < 0) return sn_fail_errno(-r, "read counters");
    *ret = sum;
    return 0;
}

int tk_counters_clear(struct tk_kernel *k, uint32_t index)
{
    struct sn_tk_counters *c;
    int n, r = per_cpu(&c, &n);
    if (r < 0) return r;
    r = bpf_map_update_elem(k->counters, &index, c, BPF_ANY);
    sn_free(c);
    return r < 0 ? sn_fail_errno(-r, "clear counters") : 0;
}
