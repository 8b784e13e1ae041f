/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/tls.c - TLS settings from the configuration. */
#include "kit/tls.h"

#include "core/alloc.h"
#include "gateway/gw_int.h"

/* Files are read and keys parsed on the offload pool: OpenSSL needs more stack than a fiber has. */
struct tls_job {
    struct sn_tls_opts o;
    struct sn_arena arena; /* of the options */
    struct sn_tls_config *made;
    int result;
    char why[SN_DIAG_BYTES];
};

static int tls_make(void *arg)
{
    struct tls_job *j = arg;
    j->result = sn_tls_config_new(&j->o, &j->made);
    if (j->result < 0) sn_diag_format(j->result, j->why, sizeof(j->why));
    return 0;
}

static int job_run(struct tls_job *j, struct sn_tls_config **ret)
{
    int r = sn_offload(tls_make, j);
    if (r < 0) return r;
    if (j->result < 0) return sn_fail(j->result, "%s", j->why);
    *ret = j->made;
    return 0;
}

static struct tls_job *job_new(void)
{
    struct tls_job *j = SN_NEW(struct tls_job);
    if (j) sn_arena_init(&j->arena, NULL, 0);
    return j;
}

static void job_freep(struct tls_job **j)
{
    if (*j) sn_arena_done(&(*j)->arena);
    sn_free(*j);
}

/* certs: of `first` and, behind it, `n_more` others; none where first has no file. */
static int job_files(struct tls_job *j, const struct sn_gw_conf_cert *first,
                     const struct sn_gw_conf_cert *more, size_t n_more, struct sn_str ca)
{
    size_t n = first->cert.len ? n_more + 1 : 0;
    struct sn_tls_cert *certs = SN_ARENA_ARRAY(&j->arena, struct sn_tls_cert, n_more + 1);
    if (!certs) return SN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct sn_gw_conf_cert *c = i ? &more[i - 1] : first;
        certs[i].cert_pem = c->cert_pem; /* copied by whoever makes the configuration */
        certs[i].key_pem = c->key_pem;
        certs[i].cert_file = sn_arena_str(&j->arena, c->cert).ptr;
        certs[i].key_file = sn_arena_str(&j->arena, c->key).ptr;
        if (!certs[i].cert_file || !certs[i].key_file) return SN_E_NOMEM;
    }
    j->o.certs = certs;
    j->o.n_certs = (unsigned)n;
    if (ca.len && !(j->o.ca_file = sn_arena_str(&j->arena, ca).ptr)) return SN_E_NOMEM;
    return 0;
}

int gw_tls_server(const struct sn_gw_conf_tls_server *c, bool h2, struct sn_tls_config **ret)
{
    struct tls_job *j SN_CLEANUP(job_freep) = job_new();
    if (!j) return SN_E_NOMEM;
    j->o.alpn = h2 ? "h2,http/1.1" : "http/1.1";
    if (c->client_ca.ptr)
        j->o.client_auth = c->client_required ? SN_TLS_CLIENT_REQUIRE : SN_TLS_CLIENT_REQUEST;
    int r = job_files(j, &c->first, c->more, c->n_more, c->client_ca);
    return r < 0 ? r : job_run(j, ret);
}

int gw_tls_client(const struct sn_gw_conf_upstream *c, struct sn_tls_config **ret)
{
    struct tls_job *j SN_CLEANUP(job_freep) = job_new();
    if (!j) return SN_E_NOMEM;
    j->o.alpn = c->h2 ? "h2" : "http/1.1";
    j->o.insecure = c->tls.insecure;
    struct sn_gw_conf_cert own = {c->tls.cert, c->tls.key};
    int r = job_files(j, &own, NULL, 0, c->tls.ca);
    return r < 0 ? r : job_run(j, ret);
}

static int tls_again(void *arg)
{
    struct tls_job *j = arg;
    j->result = sn_tls_config_reload(j->made);
    if (j->result < 0) sn_diag_format(j->result, j->why, sizeof(j->why));
    return 0;
}

int gw_tls_reload(struct sn_tls_config *t)
{
    if (!t) return 0;
    struct tls_job *j SN_CLEANUP(job_freep) = job_new();
    if (!j) return SN_E_NOMEM;
    j->made = t;
    int r = sn_offload(tls_again, j);
    if (r < 0) return r;
    return j->result < 0 ? sn_fail(j->result, "%s", j->why) : 0;
}

void gw_tls_free(struct sn_tls_config *t) { sn_tls_config_unref(t); }
