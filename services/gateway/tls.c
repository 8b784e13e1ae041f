/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/tls.c - TLS settings from the configuration. */
#include "kit/tls.h"

#include "core/alloc.h"
#include "gateway/gw_int.h"

#define PATH_BYTES 1024u

/* Files are read and keys parsed on the offload pool: OpenSSL needs more stack than a fiber has. */
struct tls_job {
    struct sn_tls_opts o;
    struct sn_tls_cert cert;
    char cert_file[PATH_BYTES], key_file[PATH_BYTES], ca_file[PATH_BYTES];
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

static int job_files(struct tls_job *j, struct sn_str cert, struct sn_str key, struct sn_str ca)
{
    if (sn_str_cz(cert, j->cert_file, PATH_BYTES) < 0 ||
        sn_str_cz(key, j->key_file, PATH_BYTES) < 0 || sn_str_cz(ca, j->ca_file, PATH_BYTES) < 0)
        return sn_fail(SN_E_TOO_LARGE, "file name longer than %u bytes", PATH_BYTES);
    j->cert.cert_file = j->cert_file;
    j->cert.key_file = j->key_file;
    if (cert.len) {
        j->o.certs = &j->cert;
        j->o.n_certs = 1;
    }
    if (ca.len) j->o.ca_file = j->ca_file;
    return 0;
}

int gw_tls_server(const struct sn_gw_conf_tls_server *c, bool h2, struct sn_tls_config **ret)
{
    struct tls_job *j SN_CLEANUP(sn_freep) = SN_NEW(struct tls_job);
    if (!j) return SN_E_NOMEM;
    j->o.alpn = h2 ? "h2,http/1.1" : "http/1.1";
    if (c->client_ca.ptr)
        j->o.client_auth = c->client_required ? SN_TLS_CLIENT_REQUIRE : SN_TLS_CLIENT_REQUEST;
    int r = job_files(j, c->cert, c->key, c->client_ca);
    return r < 0 ? r : job_run(j, ret);
}

int gw_tls_client(const struct sn_gw_conf_upstream *c, struct sn_tls_config **ret)
{
    struct tls_job *j SN_CLEANUP(sn_freep) = SN_NEW(struct tls_job);
    if (!j) return SN_E_NOMEM;
    j->o.alpn = c->h2 ? "h2" : "http/1.1";
    j->o.insecure = c->tls.insecure;
    int r = job_files(j, c->tls.cert, c->tls.key, c->tls.ca);
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
    struct tls_job *j SN_CLEANUP(sn_freep) = SN_NEW(struct tls_job);
    if (!j) return SN_E_NOMEM;
    j->made = t;
    int r = sn_offload(tls_again, j);
    if (r < 0) return r;
    return j->result < 0 ? sn_fail(j->result, "%s", j->why) : 0;
}

void gw_tls_free(struct sn_tls_config *t) { sn_tls_config_unref(t); }
