/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/events/bus.h"

#include "core/rand.h"
#include "core/status.h"
#include "core/torture.h"
#include "fiber/fiber.h"
#include "fiber/os.h"
#include "tests/harness/test.h"

static void in_runtime(unsigned workers, int (*fn)(void *), void *arg)
{
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = workers}, fn, arg));
}
static void woken(void *arg) { ++*(int *)arg; }

static struct sn_chain_event *event(const char *kind, const char *height)
{
    const struct sn_query_attr attrs[] = {{SN_STR("tm.event"), sn_str(kind)},
                                          {SN_STR("tx.height"), sn_str(height)}};
    struct sn_chain_event *e = sn_chain_event_new(attrs, 2, sn_str(height));
    T_ASSERT(e);
    return e;
}
static size_t publish(struct sn_event_bus *b, const char *kind, const char *height)
{
    struct sn_chain_event *e = event(kind, height);
    size_t n = sn_event_bus_publish(b, e);
    sn_chain_event_unref(e);
    return n;
}
static struct sn_subscription *subscribe(struct sn_event_bus *b, const char *client,
                                         const char *query, int *wakes)
{
    struct sn_subscription *s;
    T_OK(sn_event_bus_subscribe(b, sn_str(client), sn_str(query), woken, wakes, &s));
    return s;
}
static void took(struct sn_subscription *s, const char *data)
{
    struct sn_chain_event *e;
    T_EQ(sn_subscription_take(s, &e), 1);
    T_STR(e->data, data);
    sn_chain_event_unref(e);
}

static int bus_main(void *arg)
{
    struct sn_event_bus *b;
    struct sn_subscription *tx, *low, *any, *x;
    struct sn_chain_event *e;
    int wt = 0, wl = 0, wa = 0;
    T_OK(sn_event_bus_new(
        &(struct sn_event_bus_opts){.clients_max = 2, .each_max = 2, .queue_max = 3}, &b));
    tx = subscribe(b, "a", "tm.event = 'Tx'", &wt);
    low = subscribe(b, "a", "tx.height < 5 AND tm.event='Tx'", &wl);
    any = subscribe(b, "b", "tx.height EXISTS", &wa);
    T_EQ(sn_event_bus_subscribe(b, SN_STR("b"), SN_STR("tx.height   EXISTS"), woken, &wa, &x),
         SN_E_ALREADY_EXISTS);
    T_EQ(sn_event_bus_subscribe(b, SN_STR("a"), SN_STR("a.b EXISTS"), woken, &wa, &x),
         SN_E_RESOURCE_EXHAUSTED);
    T_CSTR(sn_diag_str(SN_E_RESOURCE_EXHAUSTED), "max_subscriptions_per_client 2 reached");
    T_EQ(sn_event_bus_subscribe(b, SN_STR("c"), SN_STR("a.b EXISTS"), woken, &wa, &x),
         SN_E_RESOURCE_EXHAUSTED);
    T_EQ(sn_event_bus_subscribe(b, SN_STR("b"), SN_STR("a.b ="), woken, &wa, &x), SN_E_SYNTAX);
    T_ASSERT(sn_subscription_find(b, SN_STR("a"), SN_STR("tm.event='Tx'")) == tx);
    T_ASSERT(!sn_subscription_find(b, SN_STR("b"), SN_STR("tm.event='Tx'")));
    T_STR(sn_subscription_query(low), "tx.height < 5 AND tm.event = 'Tx'");

    T_ASSERT(sn_event_bus_wants(b, SN_STR("Tx")) && sn_event_bus_wants(b, SN_STR("Vote")));
    T_EQ(sn_subscription_take(tx, &e), 0);
    T_EQ(publish(b, "Tx", "4"), 3);
    T_EQ(publish(b, "Tx", "6"), 2);
    T_EQ(publish(b, "NewBlock", "6"), 1);
    T_EQ(publish(b, "Other", "x"), 0); /* the third in any's queue: it is full, not over */
    T_ASSERT(wt == 1 && wl == 1 && wa == 2);
    took(tx, "4");
    took(tx, "6");
    T_EQ(sn_subscription_take(tx, &e), 0);
    took(low, "4");
    sn_subscription_end(tx);
    sn_subscription_end(low);
    /* What had come in time is there, then the end. */
    for (int i = 0; i < 3; i++) {
        T_EQ(sn_subscription_take(any, &e), 1);
        sn_chain_event_unref(e);
    }
    T_EQ(sn_subscription_take(any, &e), SN_E_RESOURCE_EXHAUSTED);
    T_CSTR(sn_diag_str(SN_E_RESOURCE_EXHAUSTED), "client is not pulling messages fast enough");
    sn_subscription_end(any);
    struct sn_event_bus_stats st;
    sn_event_bus_stats(b, &st);
    T_ASSERT(st.clients == 0 && st.subscriptions == 0 && st.published == 4 && st.overflowed == 1);
    x = subscribe(b, "c", "a.b EXISTS", &wa); /* room again */
    sn_subscription_end(x);
    sn_event_bus_free(b);
    return 0;
}
SN_TEST(bus_delivers)
{
    in_runtime(1, bus_main, NULL);
}

/* A few large ones fill a queue, too; one is never too large. */
static int bytes_main(void *arg)
{
    struct sn_event_bus *b;
    struct sn_chain_event *e;
    int wakes = 0;
    T_OK(sn_event_bus_new(&(struct sn_event_bus_opts){.queue_bytes_max = 10}, &b));
    struct sn_subscription *s = subscribe(b, "a", "tm.event = 'Tx'", &wakes);
    T_EQ(publish(b, "Tx", "more than ten"), 1);
    took(s, "more than ten");
    T_EQ(publish(b, "Tx", "12345"), 1);
    T_EQ(publish(b, "Tx", "12345"), 1);
    T_EQ(publish(b, "Tx", "1"), 0);
    took(s, "12345");
    took(s, "12345");
    T_EQ(sn_subscription_take(s, &e), SN_E_RESOURCE_EXHAUSTED);
    sn_subscription_end(s);
    sn_event_bus_free(b);
    return 0;
}
SN_TEST(bus_bytes)
{
    in_runtime(1, bytes_main, NULL);
}

/* ---- readers and publishers at once: everything in order, or the word that it was too much ----
 */

#define EVENTS 3000

struct many {
    struct sn_event_bus *b;
    _Atomic unsigned whole, cut;
    _Atomic bool done;
};
static int reader(void *arg)
{
    struct many *m = arg;
    struct sn_subscription *s;
    static _Atomic unsigned names;
    char name[16];
    unsigned me = names++;
    snprintf(name, sizeof(name), "r%u", me);
    T_OK(sn_event_bus_subscribe(m->b, sn_str(name), SN_STR("tm.event = 'Tx'"), NULL, NULL, &s));
    uint64_t last = 0, n;
    while (me % 4 == 3 && !m->done) sn_yield(); /* far too slow */
    for (int r = 0;;) {
        struct sn_chain_event *e;
        bool done = m->done;
        r = sn_subscription_take(s, &e);
        if (r == SN_E_RESOURCE_EXHAUSTED) {
            m->cut++;
            break;
        }
        if (r == 0 && done) {
            T_EQ(last, EVENTS);
            m->whole++;
            break;
        }
        if (r == 1) {
            T_OK(sn_str_to_u64(e->data, &n));
            T_EQ(n, last + 1);
            last = n;
            sn_chain_event_unref(e);
        } else {
            sn_yield();
        }
    }
    sn_subscription_end(s);
    return 0;
}
static int publisher(void *arg)
{
    struct many *m = arg;
    struct sn_event_bus_stats st;
    do {
        sn_event_bus_stats(m->b, &st);
        sn_yield();
    } while (st.subscriptions < 8);
    for (unsigned i = 1; i <= EVENTS; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%u", i);
        (void)publish(m->b, "Tx", text);
        if (i % 50 == 0) sn_yield();
    }
    m->done = true;
    return 0;
}
static int many_main(void *arg)
{
    struct many m = {0};
    struct sn_scope_storage mem;
    T_OK(sn_event_bus_new(&(struct sn_event_bus_opts){.queue_max = 500}, &m.b));
    struct sn_scope *s = sn_scope_begin(&mem);
    for (unsigned i = 0; i < 8; i++) T_OK(sn_scope_go(s, "reader", reader, &m));
    T_OK(sn_scope_go(s, "publisher", publisher, &m));
    T_OK(sn_scope_wait(s));
    sn_scope_end(s);
    T_EQ(m.whole + m.cut, 8);
    T_ASSERTF(m.cut >= 2, "%u cut", (unsigned)m.cut);
    sn_event_bus_free(m.b);
    return 0;
}
SN_TEST(bus_readers_and_publisher)
{
    in_runtime(4, many_main, NULL);
}

static int no_memory(void *arg)
{
    struct sn_event_bus *b;
    struct sn_subscription *s;
    int r = sn_event_bus_new(&(struct sn_event_bus_opts){0}, &b);
    if (r < 0) return r;
    r = sn_event_bus_subscribe(b, SN_STR("a"), SN_STR("tm.event = 'Tx'"), NULL, NULL, &s);
    if (r == 0) {
        struct sn_chain_event *e = sn_chain_event_new(NULL, 0, SN_STR("x"));
        r = e ? 0 : SN_E_NOMEM;
        if (e) (void)sn_event_bus_publish(b, e);
        sn_chain_event_unref(e);
        sn_subscription_end(s);
    }
    sn_event_bus_free(b);
    return r;
}
static int torture_main(void *arg)
{
    int n = sn_torture(no_memory, NULL);
    T_ASSERTF(n >= 8, "%d failures injected", n);
    return 0;
}
SN_TEST(bus_torture)
{
    in_runtime(1, torture_main, NULL);
}
