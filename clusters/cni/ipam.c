/* SPDX-License-Identifier: Apache-2.0 */
/* cni/ipam.c - host-local: addresses from ranges, one file for each that is taken.
 *
 * STATE/networks/NETWORK/ADDRESS holds "ID\r\nINTERFACE", last_reserved_ip.N the last one given out
 * of range set N, `lock` is flock(2)ed meanwhile: the plugin's own layout, so that both may take
 * turns. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clusters/cni/cni_int.h"
#include "core/status.h"

#define SETS_MAX 8u
#define RANGES_MAX 32u       /* of one set */
#define TRIES_MAX (1u << 20) /* addresses looked at for one */
#define OWNER_BYTES_MAX 512u

struct range {
    struct sn_cidr subnet;
    struct sn_ip first, last, gateway;
};
struct set {
    struct range r[RANGES_MAX];
    unsigned n;
};
struct pool {
    int dir;
    struct set sets[SETS_MAX];
    unsigned n;
};

static int range_addr(const struct sn_json *v, const char *key, const struct sn_cidr *in,
                      struct sn_ip *io)
{
    struct sn_str s = sn_json_str(sn_json_get(v, key));
    if (!s.len) return 0;
    if (sn_ip_parse(s, io) < 0 || !sn_cidr_has(in, io)) {
        char t[SN_CIDR_TEXT_MAX];
        return sn_fail(SN_E_SYNTAX, "ipam: %s \"%.*s\" is not in %s", key, SN_STR_ARG(s),
                       sn_cidr_text(in, t));
    }
    return 0;
}

static int read_range(const struct sn_json *v, struct range *ret)
{
    struct range g = {0};
    struct sn_str s = sn_json_str(sn_json_get(v, "subnet"));
    int r = sn_cidr_parse(s, &g.subnet);
    if (r < 0) return sn_wrap(r, "ipam: subnet");
    if (g.subnet.bits > g.subnet.ip.len * 8u - 2)
        return sn_fail(SN_E_SYNTAX, "ipam: subnet %.*s is too small to share out", SN_STR_ARG(s));
    struct sn_ip net = sn_cidr_net(&g.subnet);
    g.subnet.ip = net;
    g.first = sn_ip_step(&net, false);
    g.gateway = g.first;
    g.last = sn_cidr_last(&g.subnet);
    if (net.len == 4) g.last = sn_ip_step(&g.last, true); /* not the broadcast address */
    r = range_addr(v, "rangeStart", &g.subnet, &g.first);
    if (r >= 0) r = range_addr(v, "rangeEnd", &g.subnet, &g.last);
    if (r >= 0) r = range_addr(v, "gateway", &g.subnet, &g.gateway);
    if (r >= 0 && sn_ip_cmp(&g.first, &g.last) > 0)
        r = sn_fail(SN_E_SYNTAX, "ipam: rangeStart lies behind rangeEnd in %.*s", SN_STR_ARG(s));
    if (r < 0) return r;
    *ret = g;
    return 0;
}

static int read_pool(const struct sn_json *ipam, struct pool *p)
{
    if (sn_json_get(ipam, "subnet")) { /* the older way: one range at the top */
        int r = read_range(ipam, &p->sets[0].r[0]);
        if (r < 0) return r;
        p->sets[p->n++].n = 1;
    }
    for (SN_JSON_EACH(sn_json_get(ipam, "ranges"), s)) {
        if (p->n == SETS_MAX)
            return sn_fail(SN_E_TOO_LARGE, "ipam: at most %u range sets", SETS_MAX);
        struct set *set = &p->sets[p->n++];
        for (SN_JSON_EACH(s, it)) {
            if (set->n == RANGES_MAX)
                return sn_fail(SN_E_TOO_LARGE, "ipam: at most %u ranges in a set", RANGES_MAX);
            int r = read_range(it, &set->r[set->n++]);
            if (r < 0) return r;
        }
        if (!set->n) return sn_fail(SN_E_SYNTAX, "ipam: ranges[%u] is empty", p->n - 1);
    }
    return p->n ? 0 : sn_fail(SN_E_SYNTAX, "ipam: expected ranges or subnet");
}

static int open_dir(struct cni_run *run, const struct sn_json *ipam, int *ret)
{
    char path[512];
    struct sn_str dir = sn_json_str(sn_json_get(ipam, "dataDir"));
    int n = dir.len ? snprintf(path, sizeof path, "%.*s/%.*s", SN_STR_ARG(dir),
                               SN_STR_ARG(run->network))
                    : snprintf(path, sizeof path, "%s/networks/%.*s", run->state_dir,
                               SN_STR_ARG(run->network));
    if (n >= (int)sizeof path) return sn_fail(SN_E_TOO_LARGE, "ipam: dataDir is too long");
    for (char *p = path + 1; *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        (void)mkdir(path, 0755);
        *p = '/';
    }
    if (mkdir(path, 0755) < 0 && errno != EEXIST) return sn_fail_errno(errno, "%s", path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return sn_fail_errno(errno, "%s", path);
    *ret = fd;
    return 0;
}

static int lock_dir(int dir)
{
    int fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return sn_fail_errno(errno, "ipam: lock");
    if (flock(fd, LOCK_EX) < 0) {
        int err = errno;
        close(fd);
        return sn_fail_errno(err, "ipam: lock");
    }
    return fd;
}

static ssize_t read_small(int dir, const char *name, char *out, size_t cap)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return -1;
    ssize_t n = read(fd, out, cap - 1);
    close(fd);
    if (n >= 0) out[n] = 0;
    return n;
}

static bool write_small(int dir, const char *name, int flags, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    if (fd < 0) return false;
    size_t n = strlen(text);
    bool ok = write(fd, text, n) == (ssize_t)n;
    int err = errno;
    close(fd);
    if (!ok) (void)unlinkat(dir, name, 0);
    errno = err;
    return ok;
}

static void owner(const struct cni_run *run, char out[OWNER_BYTES_MAX])
{
    snprintf(out, OWNER_BYTES_MAX, "%s\r\n%s", run->pod->id, run->ifname);
}

/* The address behind `ip` in the set, wrapping around, and its range. */
static struct sn_ip next_in(const struct set *s, struct sn_ip ip, unsigned *io_range)
{
    const struct range *g = &s->r[*io_range];
    if (ip.len == g->last.len && sn_ip_cmp(&ip, &g->last) < 0 && sn_ip_cmp(&ip, &g->first) >= 0)
        return sn_ip_step(&ip, false);
    *io_range = (*io_range + 1) % s->n;
    return s->r[*io_range].first;
}

static bool in_range(const struct range *g, const struct sn_ip *ip)
{
    return ip->len == g->first.len && sn_ip_cmp(ip, &g->first) >= 0 && sn_ip_cmp(ip, &g->last) <= 0;
}

/* Takes `ip` if it is free. Returns 1, 0 where it is taken, or an error. */
static int reserve(struct cni_run *run, int dir, const struct sn_ip *ip)
{
    char name[SN_IP_TEXT_MAX], text[OWNER_BYTES_MAX];
    owner(run, text);
    if (write_small(dir, sn_ip_text(ip, name), O_EXCL, text)) return 1;
    return errno == EEXIST ? 0 : sn_fail_errno(errno, "ipam: %s", name);
}

static int allocate(struct cni_run *run, struct pool *p, unsigned i, struct sn_cni_ip *ret)
{
    const struct set *s = &p->sets[i];
    char name[32], text[SN_IP_TEXT_MAX];
    unsigned range = s->n - 1;
    struct sn_ip ip = s->r[range].last, last;
    snprintf(name, sizeof name, "last_reserved_ip.%u", i);
    if (read_small(p->dir, name, text, sizeof text) > 0 && sn_ip_parse(sn_str(text), &last) == 0)
        for (unsigned k = 0; k < s->n; k++)
            if (in_range(&s->r[k], &last)) range = k, ip = last;
    struct sn_ip begin = next_in(s, ip, &range);
    ip = begin;
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        const struct range *g = &s->r[range];
        int r = sn_ip_eq(&ip, &g->gateway) ? 0 : reserve(run, p->dir, &ip);
        if (r < 0) return r;
        if (r > 0) {
            (void)write_small(p->dir, name, O_TRUNC, sn_ip_text(&ip, text));
            *ret =
                (struct sn_cni_ip){.at = {ip, g->subnet.bits}, .gateway = g->gateway, .iface = -1};
            return 0;
        }
        ip = next_in(s, ip, &range);
        if (sn_ip_eq(&ip, &begin)) break;
    }
    char a[SN_IP_TEXT_MAX], b[SN_IP_TEXT_MAX];
    return sn_fail(SN_E_RESOURCE_EXHAUSTED,
                   "no IP addresses available in network %.*s: range %s-%s",
                   SN_STR_ARG(run->network), sn_ip_text(&s->r[0].first, a),
                   sn_ip_text(&s->r[s->n - 1].last, b));
}

static bool is_ours(int dir, const char *name, const char *want)
{
    char text[OWNER_BYTES_MAX];
    return read_small(dir, name, text, sizeof text) > 0 && strcmp(text, want) == 0;
}

static bool is_valid(struct cni_run *run, int dir, const char *name)
{
    char text[OWNER_BYTES_MAX];
    if (read_small(dir, name, text, sizeof text) <= 0) return true;
    text[strcspn(text, "\r\n")] = 0;
    for (unsigned i = 0; i < run->n_valid; i++)
        if (!strcmp(run->valid[i], text)) return true;
    return false;
}

/* DEL without a result, and GC: every file is looked at. */
static int release_scan(struct cni_run *run, int dir, bool gc)
{
    char want[OWNER_BYTES_MAX];
    struct sn_ip ip;
    if (!gc) owner(run, want);
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d) {
        int err = errno;
        if (copy >= 0) close(copy);
        return sn_fail_errno(err, "ipam: list");
    }
    for (struct dirent *e; (e = readdir(d));) {
        if (sn_ip_parse(sn_str(e->d_name), &ip) < 0) continue;
        if (gc ? !is_valid(run, dir, e->d_name) : is_ours(dir, e->d_name, want))
            (void)unlinkat(dir, e->d_name, 0);
    }
    closedir(d);
    return 0;
}

static void release(struct cni_run *run, int dir)
{
    char want[OWNER_BYTES_MAX], name[SN_IP_TEXT_MAX];
    owner(run, want);
    for (unsigned i = 0; i < run->result->n_ips; i++)
        if (is_ours(dir, sn_ip_text(&run->result->ips[i].at.ip, name), want))
            (void)unlinkat(dir, name, 0);
}

static int add_routes(struct cni_run *run, const struct sn_json *ipam)
{
    struct sn_cni_result *res = run->result;
    for (SN_JSON_EACH(sn_json_get(ipam, "routes"), it)) {
        struct sn_cni_route rt = {0};
        struct sn_str gw = sn_json_str(sn_json_get(it, "gw"));
        int r = sn_cidr_parse(sn_json_str(sn_json_get(it, "dst")), &rt.to);
        if (r >= 0 && gw.len) r = sn_ip_parse(gw, &rt.gateway);
        if (r < 0) return sn_wrap(r, "ipam: routes");
        if (res->n_routes == SN_CNI_ROUTES_MAX)
            return sn_fail(SN_E_TOO_LARGE, "ipam: at most %u routes", SN_CNI_ROUTES_MAX);
        res->routes[res->n_routes++] = rt;
    }
    return 0;
}

static int add_all(struct cni_run *run, struct pool *p, const struct sn_json *ipam)
{
    struct sn_cni_result *res = run->result;
    unsigned before = res->n_ips;
    int r = 0;
    for (unsigned i = 0; i < p->n && r >= 0; i++) {
        if (res->n_ips == SN_CNI_IPS_MAX)
            r = sn_fail(SN_E_TOO_LARGE, "at most %u addresses", SN_CNI_IPS_MAX);
        else
            r = allocate(run, p, i, &res->ips[res->n_ips]);
        if (r >= 0) res->n_ips++;
    }
    if (r >= 0) r = add_routes(run, ipam);
    if (r < 0) {
        release(run, p->dir);
        res->n_ips = before;
    }
    return r;
}

int cni_host_local(struct cni_run *run, const struct sn_json *ipam, enum cni_command cmd)
{
    char name[SN_IP_TEXT_MAX], want[OWNER_BYTES_MAX];
    if (cmd == CNI_STATUS) return 0;
    struct pool *p = SN_ARENA_NEW(run->a, struct pool);
    if (!p) return SN_E_NOMEM;
    int r = cmd == CNI_ADD ? read_pool(ipam, p) : 0;
    if (r >= 0) r = open_dir(run, ipam, &p->dir);
    if (r < 0) return r;
    int lock = lock_dir(p->dir);
    if (lock < 0) {
        close(p->dir);
        return lock;
    }
    if (cmd == CNI_ADD)
        r = add_all(run, p, ipam);
    else if (cmd == CNI_DEL && run->have_result)
        release(run, p->dir);
    else if (cmd == CNI_DEL || cmd == CNI_GC)
        r = release_scan(run, p->dir, cmd == CNI_GC);
    else if (cmd == CNI_CHECK) {
        owner(run, want);
        for (unsigned i = 0; i < run->result->n_ips && r >= 0; i++)
            if (!is_ours(p->dir, sn_ip_text(&run->result->ips[i].at.ip, name), want))
                r = sn_fail(SN_E_FAILED_PRECONDITION, "ipam: %s is not reserved for %s", name,
                            run->pod->id);
    }
    close(lock);
    close(p->dir);
    return r;
}
