/* SPDX-License-Identifier: Apache-2.0 */
/* What is mounted where. On an ordinary machine /sys/fs/cgroup is either the v2 hierarchy itself or
 * a tmpfs with one directory per hierarchy, which statfs tells without the mount table; the table
 * decides wherever that picture does not fit. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cgroup/cgroup_int.h"
#include "core/status.h"

#define CG_MOUNTINFO_MAX (64u << 20)

static const struct {
    const char *v1, *v2;
} cg_names[SN_CGROUP_CONTROLLERS] = {
    [SN_CGROUP_CPU] = {"cpu", "cpu"},
    [SN_CGROUP_CPUACCT] = {"cpuacct", "cpuacct"},
    [SN_CGROUP_CPUSET] = {"cpuset", "cpuset"},
    [SN_CGROUP_MEMORY] = {"memory", "memory"},
    [SN_CGROUP_PIDS] = {"pids", "pids"},
    [SN_CGROUP_IO] = {"blkio", "io"},
    [SN_CGROUP_DEVICES] = {"devices", "devices"},
    [SN_CGROUP_FREEZER] = {"freezer", "freezer"},
    [SN_CGROUP_HUGETLB] = {"hugetlb", "hugetlb"},
    [SN_CGROUP_RDMA] = {"rdma", "rdma"},
    [SN_CGROUP_NET_CLS] = {"net_cls", "net_cls"},
    [SN_CGROUP_NET_PRIO] = {"net_prio", "net_prio"},
    [SN_CGROUP_PERF_EVENT] = {"perf_event", "perf_event"},
    [SN_CGROUP_MISC] = {"misc", "misc"},
    [SN_CGROUP_NAMED] = {"", "named"},
};

const char *sn_cgroup_controller_name(enum sn_cgroup_controller c)
{
    return (unsigned)c < SN_CGROUP_CONTROLLERS ? cg_names[c].v2 : "?";
}

static uint32_t cg_bit(struct sn_str name, bool v2)
{
    for (unsigned c = 0; c < SN_CGROUP_NAMED; c++)
        if (sn_str_eqc(name, v2 ? cg_names[c].v2 : cg_names[c].v1)) return 1u << c;
    return 0;
}

/* The v1 controllers among the words of a list, as in "rw,cpu,cpuacct". */
static uint32_t cg_bits(struct sn_str list)
{
    uint32_t bits = 0;
    while (list.ptr) bits |= cg_bit(sn_str_cut(&list, ','), false);
    return bits;
}

static int cg_add(struct sn_cgroup_host *h, struct sn_str mount, struct sn_str name, bool v2)
{
    if (h->n == SN_CGROUP_HIERARCHIES_MAX) return 0; /* more than the kernel has controllers */
    struct sn_cgroup_hierarchy *y = &h->h[h->n];
    y->mount = sn_arena_str(&h->text, mount).ptr;
    y->name = sn_arena_str(&h->text, name).ptr;
    y->own = "/";
    y->v2 = v2;
    y->controllers = v2 ? 0 : cg_bits(name);
    if (!y->mount || !y->name) return sn_fail(SN_E_NOMEM, "cgroup hierarchies");
    if (!v2 && y->controllers == 0) y->controllers = 1u << SN_CGROUP_NAMED;
    h->n++;
    return 0;
}

/* ---- /sys/fs/cgroup as it usually is -----------------------------------------------------------
 */

static int cg_scan_entry(struct sn_cgroup_host *h, const char *name)
{
    char path[512];
    struct statfs fs;
    struct sn_buf b;
    sn_buf_init_fixed(&b, path, sizeof(path));
    sn_buf_printf(&b, "/sys/fs/cgroup/%s", name);
    sn_buf_cz(&b);
    /* The listing said that it is no link; the folder is the machine's own. */
    if (b.err < 0 || statfs(path, &fs) < 0) return 0;
    if (fs.f_type == CGROUP2_SUPER_MAGIC) return cg_add(h, sn_buf_view(&b), SN_STR(""), true);
    if (fs.f_type != CGROUP_SUPER_MAGIC) return 0;
    if (cg_bits(sn_str(name))) return cg_add(h, sn_buf_view(&b), sn_str(name), false);
    char named[300];
    struct sn_buf nb;
    sn_buf_init_fixed(&nb, named, sizeof(named));
    sn_buf_printf(&nb, "name=%s", name);
    return cg_add(h, sn_buf_view(&b), sn_buf_view(&nb), false);
}

/* Returns 1 where the picture fits, 0 where not. */
static int cg_scan(struct sn_cgroup_host *h)
{
    struct statfs fs;
    int dir = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return 0;
    int r = fstatfs(dir, &fs);
    if (r == 0 && fs.f_type == CGROUP2_SUPER_MAGIC) {
        close(dir);
        r = cg_add(h, SN_STR("/sys/fs/cgroup"), SN_STR(""), true);
        return r < 0 ? r : 1;
    }
    DIR *d = r == 0 && fs.f_type == TMPFS_MAGIC ? fdopendir(dir) : NULL;
    if (!d) {
        close(dir);
        return 0;
    }
    r = 0;
    struct dirent *e;
    while (r == 0 && (e = readdir(d)))
        if (e->d_name[0] != '.' && e->d_type == DT_DIR) r = cg_scan_entry(h, e->d_name);
    closedir(d);
    return r < 0 ? r : h->n > 0;
}

/* ---- the mount table ---------------------------------------------------------------------------
 */

/* "\040" and its like, as /proc writes space, tab, newline and backslash. */
static struct sn_str cg_unescape(struct sn_arena *a, struct sn_str s)
{
    char *out = sn_arena_alloc(a, s.len + 1);
    size_t n = 0;
    if (!out) return (struct sn_str){0};
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\\' && i + 3 < s.len && s.ptr[i + 1] >= '0' && s.ptr[i + 1] <= '3') {
            out[n++] =
                (char)((s.ptr[i + 1] - '0') * 64 + (s.ptr[i + 2] - '0') * 8 + (s.ptr[i + 3] - '0'));
            i += 3;
        } else {
            out[n++] = s.ptr[i];
        }
    }
    out[n] = '\0';
    return sn_str_of(out, n);
}

/* The name /proc/PID/cgroup has for the super options "rw,xattr,name=systemd". */
static struct sn_str cg_v1_name(struct sn_arena *a, struct sn_str options)
{
    struct sn_buf b;
    sn_buf_init(&b, 256);
    struct sn_str named = {0};
    for (struct sn_str rest = options; rest.ptr;) {
        struct sn_str word = sn_str_cut(&rest, ',');
        if (sn_str_starts(word, SN_STR("name="))) named = word;
        if (!cg_bit(word, false)) continue;
        if (b.len) sn_buf_byte(&b, ',');
        sn_buf_str(&b, word);
    }
    struct sn_str r =
        b.err < 0 ? (struct sn_str){0} : sn_arena_str(a, b.len ? sn_buf_view(&b) : named);
    sn_buf_done(&b);
    return r;
}

static bool cg_known(const struct sn_cgroup_host *h, struct sn_str name, bool v2)
{
    for (unsigned i = 0; i < h->n; i++)
        if (h->h[i].v2 == v2 && sn_str_eqc(name, h->h[i].name)) return true;
    return false;
}

/* One line: "id parent dev root mountpoint options [tags] - type source superoptions". */
static int cg_mount_line(struct sn_cgroup_host *h, struct sn_str line, struct sn_str prefix)
{
    struct sn_str f[6] = {0}, word;
    ssize_t dash = sn_str_find(line, SN_STR(" - "));
    if (dash < 0) return 0;
    struct sn_str tail = sn_str_from(line, (size_t)dash + 3);
    struct sn_str type = {0}, source = {0};
    if (!cg_next_word(&tail, &type) || !cg_next_word(&tail, &source)) return 0;
    bool v2 = sn_str_eqc(type, "cgroup2");
    if (!v2 && !sn_str_eqc(type, "cgroup")) return 0;
    struct sn_str head = sn_str_sub(line, 0, (size_t)dash);
    for (unsigned i = 0; i < SN_COUNT_OF(f) && cg_next_word(&head, &word); i++) f[i] = word;
    if (!f[4].ptr) return 0;
    struct sn_str name = v2 ? SN_STR("") : cg_v1_name(&h->text, sn_str_trim(tail));
    struct sn_str mount = cg_unescape(&h->text, f[4]), root = cg_unescape(&h->text, f[3]);
    if (!name.ptr || !mount.ptr || !root.ptr) return v2 ? sn_fail(SN_E_NOMEM, "mount table") : 0;
    if (cg_known(h, name, v2)) return 0; /* the first mount of a hierarchy is the machine's */
    struct sn_str full =
        sn_arena_printf(&h->text, "%.*s%.*s", SN_STR_ARG(prefix), SN_STR_ARG(mount));
    if (!full.ptr) return sn_fail(SN_E_NOMEM, "mount table");
    int r = cg_add(h, full, name, v2);
    /* What is mounted may be a part of the hierarchy: kept until own paths are known. */
    if (r == 0 && h->n > 0) h->h[h->n - 1].own = root.ptr;
    return r;
}

static int cg_mounts(struct sn_cgroup_host *h, struct sn_arena *scratch, const char *prefix)
{
    struct sn_str path = sn_arena_printf(scratch, "%s/proc/self/mountinfo", prefix), text, line;
    if (!path.ptr) return sn_fail(SN_E_NOMEM, "mount table");
    struct sn_buf all;
    sn_buf_init(&all, CG_MOUNTINFO_MAX);
    int fd = open(path.ptr, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "open %s", path.ptr);
    ssize_t n = 1;
    while (n > 0 && sn_buf_reserve(&all, 32768) == 0) {
        n = read(fd, all.ptr + all.len, 32768);
        if (n > 0) all.len += (size_t)n;
    }
    int r = all.err < 0 ? sn_fail(all.err, "read %s", path.ptr)
            : n < 0     ? sn_fail_errno(errno, "read %s", path.ptr)
                        : 0;
    close(fd);
    text = sn_buf_view(&all);
    while (r == 0 && cg_next_line(&text, &line)) r = cg_mount_line(h, line, sn_str(prefix));
    sn_buf_done(&all);
    return r;
}

/* ---- the prober's own groups -------------------------------------------------------------------
 */

/* `own` as seen below the mount point, given the part of the hierarchy that is mounted there. */
static struct sn_str cg_below(struct sn_str own, struct sn_str root)
{
    if (root.len <= 1) return own;
    if (!sn_str_starts(own, root)) return own;
    struct sn_str rest = sn_str_from(own, root.len);
    if (rest.len == 0) return SN_STR("/");
    return rest.ptr[0] == '/' ? rest : own;
}

static int cg_own_line(struct sn_cgroup_host *h, struct sn_str line, uint32_t *seen)
{
    struct sn_str id = sn_str_cut(&line, ':');
    if (!line.ptr) return 0;
    struct sn_str name = sn_str_cut(&line, ':');
    if (!line.ptr || line.len == 0) return 0;
    bool v2 = sn_str_eqc(id, "0") && name.len == 0;
    for (unsigned i = 0; i < h->n; i++) {
        struct sn_cgroup_hierarchy *y = &h->h[i];
        bool same = y->v2 ? v2 : !v2 && sn_str_eqc(name, y->name);
        if (!same && !v2 && !y->v2) /* co-mounted controllers may be listed in another order */
            same = y->controllers != 1u << SN_CGROUP_NAMED && y->controllers == cg_bits(name);
        if (!same) continue;
        struct sn_str own = sn_arena_str(&h->text, cg_below(line, sn_str(y->own)));
        if (!own.ptr) return sn_fail(SN_E_NOMEM, "own cgroups");
        y->own = own.ptr;
        *seen |= 1u << i;
        return 0;
    }
    return 0;
}

static int cg_own(struct sn_cgroup_host *h, struct sn_arena *scratch, const char *prefix)
{
    struct sn_str path = sn_arena_printf(scratch, "%s/proc/self/cgroup", prefix), text, line;
    uint32_t seen = 0;
    if (!path.ptr) return sn_fail(SN_E_NOMEM, "own cgroups");
    int r = cg_read(scratch, AT_FDCWD, path.ptr, &text);
    if (r < 0) return sn_fail_errno(-r, "read %s", path.ptr);
    while (cg_next_line(&text, &line))
        if ((r = cg_own_line(h, line, &seen)) < 0) return r;
    for (unsigned i = 0; i < h->n; i++)
        if (!(seen & 1u << i)) h->h[i].own = "/";
    return 0;
}

/* ---- probe -------------------------------------------------------------------------------------
 */

static int cg_v2_controllers(struct sn_cgroup_host *h, struct sn_cgroup_hierarchy *y)
{
    char text[512];
    int dir = open(y->mount, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return sn_fail_errno(errno, "open %s", y->mount);
    ssize_t n = cg_read_into(dir, "cgroup.controllers", text, sizeof(text));
    close(dir);
    if (n < 0) return sn_fail_errno((int)-n, "read %s/cgroup.controllers", y->mount);
    struct sn_str s = sn_str_of(text, (size_t)n), word;
    while (cg_next_word(&s, &word)) y->controllers |= cg_bit(word, true);
    return 0;
}

/* v1 carries what it has; v2 the rest, with devices (programs) and freezing (cgroup.freeze), which
 * are not listed among its controllers. cpuacct is part of v2's cpu. */
static void cg_assign(struct sn_cgroup_host *h)
{
    bool v1 = false;
    h->unified = -1;
    memset(h->of, -1, sizeof(h->of));
    for (unsigned i = 0; i < h->n; i++) {
        if (h->h[i].v2) {
            h->unified = (int8_t)i;
            continue;
        }
        v1 = true;
        for (unsigned c = 0; c < SN_CGROUP_CONTROLLERS; c++)
            if (h->h[i].controllers & 1u << c) h->of[c] = (int8_t)i;
    }
    if (h->unified >= 0) {
        uint32_t has = h->h[h->unified].controllers;
        has |= 1u << SN_CGROUP_DEVICES | 1u << SN_CGROUP_FREEZER;
        if (has & 1u << SN_CGROUP_CPU) has |= 1u << SN_CGROUP_CPUACCT;
        for (unsigned c = 0; c < SN_CGROUP_CONTROLLERS; c++)
            if (h->of[c] < 0 && has & 1u << c) h->of[c] = h->unified;
    }
    h->layout = h->n == 0        ? SN_CGROUP_NONE
                : h->unified < 0 ? SN_CGROUP_V1
                : v1             ? SN_CGROUP_HYBRID
                                 : SN_CGROUP_V2;
}

static int cg_probe(struct sn_cgroup_host *h, struct sn_arena *scratch, const char *prefix)
{
    int r = *prefix ? 0 : cg_scan(h);
    if (r < 0) return r;
    if (r == 0) {
        h->n = 0;
        r = cg_mounts(h, scratch, prefix);
        if (r < 0) return r;
    }
    r = cg_own(h, scratch, prefix);
    for (unsigned i = 0; r == 0 && i < h->n; i++)
        if (h->h[i].v2) r = cg_v2_controllers(h, &h->h[i]);
    if (r == 0) cg_assign(h);
    return r;
}

int sn_cgroup_probe(struct sn_cgroup_host *ret, const struct sn_cgroup_probe_opts *opts)
{
    struct sn_arena scratch;
    struct sn_cgroup_host h = {.rootless = opts && opts->rootless,
                               .weight_linear = opts && opts->weight_linear};
    sn_arena_init(&scratch, NULL, 0);
    sn_arena_init(&h.text, NULL, 0);
    int r = cg_probe(&h, &scratch, opts && opts->root ? opts->root : "");
    sn_arena_done(&scratch);
    if (r < 0) {
        sn_arena_done(&h.text);
        return sn_wrap(r, "find cgroups");
    }
    *ret = h;
    return 0;
}

static bool cg_writable(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20) return false;
    return true;
}

/* A line per hierarchy: "2|1 CONTROLLERS <TAB> MOUNT <TAB> NAME <TAB> OWN". */
int sn_cgroup_host_write(const struct sn_cgroup_host *h, struct sn_buf *b)
{
    for (unsigned i = 0; i < h->n; i++)
        if (!cg_writable(h->h[i].mount) || !cg_writable(h->h[i].name) || !cg_writable(h->h[i].own))
            return 0;
    for (unsigned i = 0; i < h->n; i++)
        sn_buf_printf(b, "%c%u\t%s\t%s\t%s\n", h->h[i].v2 ? '2' : '1', h->h[i].controllers,
                      h->h[i].mount, h->h[i].name, h->h[i].own);
    return b->err;
}

static int cg_read_line(struct sn_cgroup_host *h, struct sn_str line)
{
    struct sn_str head = sn_str_cut(&line, '\t'), mount = sn_str_cut(&line, '\t'),
                  name = sn_str_cut(&line, '\t'), own = line;
    uint64_t bits;
    bool v2 = head.len && head.ptr[0] == '2';
    if (head.len < 2 || (!v2 && head.ptr[0] != '1') ||
        sn_str_to_u64(sn_str_from(head, 1), &bits) < 0 || bits >> SN_CGROUP_CONTROLLERS ||
        !mount.len || mount.ptr[0] != '/' || !name.ptr || !own.len || own.ptr[0] != '/' ||
        h->n == SN_CGROUP_HIERARCHIES_MAX)
        return sn_fail(SN_E_SYNTAX, "a record of cgroup hierarchies is damaged");
    int r = cg_add(h, mount, name, v2);
    if (r < 0) return r;
    struct sn_cgroup_hierarchy *y = &h->h[h->n - 1];
    y->controllers = (uint32_t)bits;
    y->own = sn_arena_str(&h->text, own).ptr;
    return y->own ? 0 : sn_fail(SN_E_NOMEM, "cgroup hierarchies");
}

int sn_cgroup_host_read(struct sn_str text, const struct sn_cgroup_probe_opts *opts,
                        struct sn_cgroup_host *ret)
{
    struct sn_cgroup_host h = {.rootless = opts && opts->rootless,
                               .weight_linear = opts && opts->weight_linear};
    struct sn_str line;
    int r = text.len ? 0 : sn_fail(SN_E_SYNTAX, "no record of cgroup hierarchies");
    sn_arena_init(&h.text, NULL, 0);
    while (r == 0 && cg_next_line(&text, &line)) r = cg_read_line(&h, line);
    if (r < 0) {
        sn_arena_done(&h.text);
        return r;
    }
    cg_assign(&h);
    *ret = h;
    return 0;
}

void sn_cgroup_host_done(struct sn_cgroup_host *h)
{
    if (!h) return;
    sn_arena_done(&h->text);
    *h = (struct sn_cgroup_host){.unified = -1};
}

bool sn_cgroup_swap_accounting(const struct sn_cgroup_host *h)
{
    int i = h->of[SN_CGROUP_MEMORY];
    if (i < 0) return false;
    int dir = open(h->h[i].mount, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return false;
    bool has = true;
    if (!h->h[i].v2) {
        has = cg_exists(dir, "memory.memsw.limit_in_bytes");
    } else if (strcmp(h->h[i].own, "/") != 0) { /* the root group has no memory.swap.max */
        int own = openat(dir, h->h[i].own + 1, O_PATH | O_DIRECTORY | O_CLOEXEC);
        has = own < 0 || cg_exists(own, "memory.swap.max");
        if (own >= 0) close(own);
    }
    close(dir);
    return has;
}
