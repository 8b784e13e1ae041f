/* SPDX-License-Identifier: Apache-2.0 */
/* registry/checks.c - the checks a registry makes itself: a connection, or a GET that answers 2xx.
 */
#include "core/alloc.h"
#include "fiber/net.h"
#include "registry/server_int.h"

#define ROUND_NS (500 * SN_MS)
#define AT_ONCE_MAX 64u

struct job {
    struct sn_regserver *s;
    struct sn_http_client *http;
    uint32_t *running;
    enum reg_check_kind kind;
    int64_t timeout_ns;
    char ns[SN_REG_NAME_MAX + 1], inst[SN_REG_NAME_MAX + 1], check[SN_REG_NAME_MAX + 1],
        target[2049];
};

static int try_http(struct job *j, int *ret_status)
{
    struct sn_http_call call = {.url = sn_str(j->target)};
    struct sn_http_resp *resp;
    int r = sn_http_do(j->http, &call, &resp);
    if (r < 0) return r;
    *ret_status = resp->status;
    sn_http_resp_close(resp);
    return 0;
}

static int try_tcp(struct job *j)
{
    struct sn_stream *st;
    int r = sn_dial(j->target, NULL, &st);
    if (r >= 0) sn_stream_close(st);
    return r;
}

static int check_main(void *arg)
{
    struct job *j = arg;
    char out[300] = "";
    int status = 200;
    int64_t prev = sn_deadline_tighten(sn_now() + j->timeout_ns);
    int r = j->kind == REG_CHECK_HTTP ? try_http(j, &status) : try_tcp(j);
    sn_deadline_restore(prev);
    struct sn_buf b;
    sn_buf_init_fixed(&b, out, sizeof(out) - 1);
    char why[200];
    if (r < 0)
        (void)sn_buf_cstr(&b, sn_diag_format(r, why, sizeof(why)));
    else if (j->kind == REG_CHECK_HTTP)
        (void)sn_buf_printf(&b, "HTTP GET: %d", status);
    else
        (void)sn_buf_cstr(&b, "TCP connect: Success");
    enum reg_status st = r < 0                           ? REG_CRITICAL
                         : status == 429                 ? REG_WARNING
                         : status >= 200 && status < 300 ? REG_PASSING
                                                         : REG_CRITICAL;
    if (!sn_cancelled()) {
        reg_srv_lock(j->s);
        struct reg_inst *in = reg_store_instance(&j->s->store, sn_str(j->ns), sn_str(j->inst));
        struct reg_check *c = in ? reg_inst_check(in, sn_str(j->check)) : NULL;
        if (c && c->kind == j->kind)
            (void)!reg_store_check(&j->s->store, sn_now(), in, c, st, sn_buf_view(&b));
        reg_srv_unlock(j->s);
    }
    __atomic_sub_fetch(j->running, 1, __ATOMIC_RELEASE);
    sn_free(j);
    return 0;
}

static struct job *job_of(struct sn_regserver *s, struct sn_http_client *http,
                          const struct reg_inst *in, const struct reg_check *c)
{
    struct job *j = SN_NEW(struct job);
    if (!j) return NULL;
    *j = (struct job){.s = s, .http = http, .kind = c->kind, .timeout_ns = c->timeout_ns};
    if (sn_str_cz(in->svc->ns, j->ns, sizeof(j->ns)) == 0 &&
        sn_str_cz(in->spec.in.id, j->inst, sizeof(j->inst)) == 0 &&
        sn_str_cz(c->id, j->check, sizeof(j->check)) == 0 &&
        sn_str_cz(c->target, j->target, sizeof(j->target)) == 0)
        return j;
    sn_free(j);
    return NULL;
}

/* What is due now; each is due again an interval later, spread by up to a tenth, and not before it
 * must have ended. */
static unsigned due(struct sn_regserver *s, struct sn_http_client *http, struct job **ret,
                    unsigned max)
{
    unsigned n = 0;
    int64_t now = sn_now();
    struct sn_map_slot *slot;
    reg_srv_lock(s);
    for (size_t it = 0; n < max && (slot = sn_map_next(&s->store.by_id, &it));) {
        struct reg_inst *in = slot->value;
        for (uint32_t i = 0; i < in->spec.n_checks && n < max; i++) {
            struct reg_check *c = &in->spec.checks[i];
            if ((c->kind != REG_CHECK_TCP && c->kind != REG_CHECK_HTTP) || c->due_ns > now)
                continue;
            int64_t pause =
                c->interval_ns - (int64_t)(sn_random() % (uint64_t)(c->interval_ns / 10 + 1));
            c->due_ns = now + SN_MAX(pause, c->timeout_ns + ROUND_NS);
            if ((ret[n] = job_of(s, http, in, c))) n++;
        }
    }
    reg_srv_unlock(s);
    return n;
}

int reg_checks_run(void *server)
{
    struct sn_regserver *s = server;
    struct job **jobs = SN_NEW_ARRAY(struct job *, AT_ONCE_MAX);
    int r = jobs ? 0 : SN_E_NOMEM;
    uint32_t running = 0;
    struct sn_scope_storage mem;
    struct sn_scope *scope = sn_scope_begin(&mem);
    while (r >= 0 && (r = sn_sleep(ROUND_NS)) >= 0) {
        unsigned n =
            due(s, s->http, jobs, AT_ONCE_MAX - __atomic_load_n(&running, __ATOMIC_ACQUIRE));
        for (unsigned i = 0; i < n; i++) {
            jobs[i]->running = &running;
            __atomic_add_fetch(&running, 1, __ATOMIC_RELAXED);
            if (sn_scope_go(scope, "registry check", check_main, jobs[i]) >= 0) continue;
            __atomic_sub_fetch(&running, 1, __ATOMIC_RELAXED);
            sn_free(jobs[i]);
        }
    }
    sn_scope_cancel(scope);
    (void)!sn_scope_end(scope);
    sn_free(jobs);
    return r == SN_E_NOMEM ? r : 0;
}
