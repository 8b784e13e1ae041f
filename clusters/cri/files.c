/* SPDX-License-Identifier: Apache-2.0 */
/* cri/files.c - the files of a pod that its containers find in /etc: hostname, hosts, resolv.conf.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "clusters/cri/cri_int.h"

#define HOST_FILE_MAX (64u << 10) /* of the host's /etc/hosts that pods see */
#define RESOLV_MAX 64u            /* servers, domains or options */

static int put(struct cri_pod *p, const char *name, struct sn_str text)
{
    struct sn_arena a;
    sn_arena_init(&a, NULL, 0);
    struct sn_str path = cri_path(&a, p->s->run_dir, "pods", p->id, name);
    int fd = path.ptr ? open(path.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
    int r = fd < 0 ? sn_fail_errno(errno, "%s", path.ptr ? path.ptr : name) : 0;
    if (fd >= 0 && write(fd, text.ptr, text.len) != (ssize_t)text.len)
        r = sn_fail_errno(errno, "%s", path.ptr);
    const struct runtime_v1_user_namespace *u = cri_pod_userns(p);
    if (r >= 0 && u && fchown(fd, u->uids.ptr[0]->host_id, u->gids.ptr[0]->host_id) < 0)
        r = sn_fail_errno(errno, "owner of %s", path.ptr);
    if (fd >= 0) close(fd);
    sn_arena_done(&a);
    return r;
}

/* A copy of the host's own file; a missing one is empty. */
static int put_host(struct cri_pod *p, const char *name, const char *from)
{
    char *text = sn_alloc(HOST_FILE_MAX);
    int fd = text ? open(from, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd < 0 ? 0 : read(fd, text, HOST_FILE_MAX);
    if (fd >= 0) close(fd);
    int r = text ? put(p, name, sn_str_of(text, n > 0 ? (size_t)n : 0)) : SN_E_NOMEM;
    sn_free(text);
    return r;
}

static void line(struct sn_buf *b, const char *word, const struct sn_str *list, uint32_t n,
                 bool each)
{
    for (uint32_t i = 0; i < n && i < RESOLV_MAX; i++) {
        if (i == 0 || each) sn_buf_printf(b, "%s%s", i ? "\n" : "", word);
        sn_buf_printf(b, " %.*s", SN_STR_ARG(list[i]));
    }
    if (n) sn_buf_byte(b, '\n');
}

static int put_resolv(struct cri_pod *p)
{
    const struct runtime_v1_dns_config *d = p->config->dns_config;
    struct sn_buf b;
    if (!d || (!d->servers.len && !d->searches.len && !d->options.len))
        return put_host(p, "resolv.conf", "/etc/resolv.conf");
    sn_buf_init(&b, 64u << 10);
    line(&b, "search", d->searches.ptr, d->searches.len, false);
    line(&b, "nameserver", d->servers.ptr, d->servers.len, true);
    line(&b, "options", d->options.ptr, d->options.len, false);
    int r = b.err < 0 ? b.err : put(p, "resolv.conf", sn_buf_view(&b));
    sn_buf_done(&b);
    return r;
}

int cri_pod_files(struct cri_pod *p)
{
    char name[256];
    struct sn_str host = p->config->hostname;
    if (!host.len || p->host_network) {
        if (gethostname(name, sizeof name - 1) < 0) return sn_fail_errno(errno, "hostname");
        name[sizeof name - 1] = 0;
        host = sn_str(name);
    }
    struct sn_str text = sn_arena_printf(&p->arena, "%.*s\n", SN_STR_ARG(host));
    int r = text.ptr ? put(p, "hostname", text) : SN_E_NOMEM;
    if (r >= 0) r = put_host(p, "hosts", "/etc/hosts");
    return r < 0 ? r : put_resolv(p);
}
