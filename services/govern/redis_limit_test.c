/* SPDX-License-Identifier: Apache-2.0 */
/* govern/redis_limit_test.c - limits shared through a real redis-server, its death and its return. */
#include "govern/redis_limit.h"

#include <unistd.h>

#include "fiber/fiber.h"
#include "harness/test.h"

#include "kit/redis_rig_test.h"

static struct redis_rig rig;

static int take(struct sn_gov_shared *s, const char *key)
{
    int r = sn_gov_shared_take(s, sn_str(key), 1, NULL);
    T_OK(r);
    return r;
}

static int main_fiber(void *arg)
{
    rig_start(&rig);
    struct sn_redis *r[2] = {rig_client(&rig, 10 * SN_SEC), rig_client(&rig, 10 * SN_SEC)};
    struct sn_gov_shared *s[2], *p;
    /* Slow enough that nothing comes in during the test. */
    for (int i = 0; i < 2; i++)
        T_OK(sn_gov_shared_new(&(struct sn_gov_shared_opts){.redis = r[i], .prefix = SN_STR("rate:"), .peers = 2,
                                                            .call_ns_max = 10 * SN_SEC,
                                                            .rate = {.per_s = 0.01, .burst = 10}}, &s[i]));
    int ok = 0;
    for (int i = 0; i < 30; i++) ok += take(s[i % 2], "alice");
    T_EQ(ok, 10); /* together, not each */
    T_EQ(take(s[0], "bob"), 1);
    int64_t wait;
    T_EQ(sn_gov_shared_take(s[0], SN_STR("alice"), 1, &wait), 0);
    T_ASSERTF(wait > 80 * SN_SEC && wait <= 100 * SN_SEC, "wait %lld ms", (long long)(wait / SN_MS));
    T_OK(sn_gov_shared_new(&(struct sn_gov_shared_opts){.redis = r[0], .prefix = SN_STR("day:"), .quota = 5,
                                                        .call_ns_max = 10 * SN_SEC, .period_ns = SN_HOUR}, &p));
    ok = 0;
    for (int i = 0; i < 8; i++) ok += take(p, "carol");
    T_EQ(ok, 5);
    /* Without Redis each answers by itself with its half. */
    rig_stop(&rig);
    ok = 0;
    for (int i = 0; i < 20; i++) ok += take(s[0], "alice");
    T_EQ(ok, 5);
    uint64_t shared, local;
    T_ASSERT(sn_gov_shared_local(s[0], &shared, &local));
    T_ASSERT(shared == 17 && local == 20);
    rig_start(&rig);
    for (int i = 0; i < 500 && sn_gov_shared_local(s[0], NULL, NULL); i++) {
        T_OK(sn_sleep(20 * SN_MS));
        (void)take(s[0], "dave");
    }
    T_ASSERT(!sn_gov_shared_local(s[0], NULL, NULL));
    T_EQ(take(s[0], "alice"), 1); /* the new server's bucket */
    T_EQ(sn_gov_shared_take(s[0], (struct sn_str){"x", 300}, 1, NULL), SN_E_INVALID_ARGUMENT);
    for (int i = 0; i < 2; i++) sn_gov_shared_free(s[i]);
    sn_gov_shared_free(p);
    for (int i = 0; i < 2; i++) sn_redis_free(r[i]);
    rig_stop(&rig);
    return 0;
}
SN_TEST(shared_limits) { T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, main_fiber, NULL)); }
