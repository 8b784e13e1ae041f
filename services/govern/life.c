/* SPDX-License-Identifier: Apache-2.0 */
/* govern/life.c - see life.h. */
#include "govern/life.h"

#include "core/status.h"
#include "fiber/fiber.h"
#include "kit/log.h"

SN_LOG_MODULE("life");

void sn_gov_life_init(struct sn_gov_life *l, const struct sn_gov_life_opts *o)
{
    *l = (struct sn_gov_life){.o = *o};
    if (!l->o.settle_ns) l->o.settle_ns = SN_GOV_SETTLE_NS;
    if (!l->o.grace_ns) l->o.grace_ns = SN_GOV_GRACE_NS;
}

enum sn_gov_state sn_gov_life_state(const struct sn_gov_life *l)
{
    return (enum sn_gov_state)l->state;
}

const char *sn_gov_state_name(enum sn_gov_state s)
{
    static const char *const names[] = {"STARTING", "SERVING", "DRAINING", "STOPPED"};
    return names[s];
}

static int step(int (*fn)(void *), void *arg, int64_t ns)
{
    if (!fn) return 0;
    int64_t prev = sn_deadline_tighten(ns == SN_FOREVER ? SN_FOREVER : sn_now() + ns);
    int r = fn(arg);
    sn_deadline_restore(prev);
    return r;
}

static void tell(const struct sn_gov_life *l, bool yes)
{
    if (l->o.serving) l->o.serving(yes, l->o.arg);
}

int sn_gov_life_start(struct sn_gov_life *l)
{
    int r = step(l->o.warm_up, l->o.arg, SN_FOREVER);
    if (r < 0) return sn_wrap(r, "warm-up");
    l->state = SN_GOV_SERVING;
    tell(l, true);
    r = step(l->o.enlist, l->o.arg, SN_GOV_STEP_NS);
    if (r >= 0) return 0;
    l->state = SN_GOV_STARTING;
    tell(l, false);
    return sn_wrap(r, "register");
}

static int drain(void *arg)
{
    struct sn_gov_life *l = arg;
    int64_t cut = 0;
    int r = step(l->o.delist, l->o.arg, SN_GOV_STEP_NS);
    if (r < 0) SN_LOG_WARN("not deregistered", SN_L_ERR(r));
    l->state = SN_GOV_DRAINING;
    tell(l, false);
    if (l->o.settle_ns > 0) r = sn_sleep(l->o.settle_ns);
    /* One deadline for all: servers drain one after the other, but new calls end everywhere by
     * then. */
    int64_t end = sn_now() + SN_MAX(l->o.grace_ns, 0);
    for (unsigned i = 0; i < l->o.n_servers; i++)
        cut += sn_http_server_drain(l->o.servers[i], SN_MAX(end - sn_now(), SN_MS));
    l->state = SN_GOV_STOPPED;
    if (cut) SN_LOG_WARN("connections cut", SN_L("connections", cut));
    return (int)SN_MIN(cut, INT32_MAX);
}

int64_t sn_gov_life_drain(struct sn_gov_life *l)
{
    int64_t most =
        SN_GOV_STEP_NS + SN_MAX(l->o.settle_ns, 0) + SN_MAX(l->o.grace_ns, 0) + 5 * SN_SEC;
    int r = sn_shield(most, drain, l);
    return r < 0 ? 0 : r;
}

int sn_gov_readiness(struct sn_http_x *x, void *life)
{
    enum sn_gov_state s = sn_gov_life_state(life);
    return sn_http_reply(x, s == SN_GOV_SERVING ? 200 : 503, SN_STR("text/plain"),
                         sn_str(sn_gov_state_name(s)));
}
