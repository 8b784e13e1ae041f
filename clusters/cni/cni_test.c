/* SPDX-License-Identifier: Apache-2.0 */
/* cni/cni_test.c - lists and results in tables; pods connected for real, in namespaces of the
 * test's. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clusters/cni/cni_int.h"
#include "clusters/netlink/netns.h"
#include "clusters/netlink/rtnl.h"
#include "core/alloc.h"
#include "core/status.h"
#include "fiber/os.h"
#include "tests/harness/test.h"

SN_TEST(lists)
{
    static const struct {
        const char *text, *says; /* NULL: good */
        bool single;
    } rows[] = {
        {"{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"plugins\":[{\"type\":\"bridge\"}]}", NULL},
        {"{\"cniVersion\":\"0.3.1\",\"name\":\"n\",\"type\":\"bridge\"}", NULL, true},
        {"{\"cniVersion\":\"0.2.0\",\"cniVersions\":[\"1.0.0\",\"9\"],\"name\":\"n\",\"plugins\":[{"
         "\"type\":\"x\"}]}",
         NULL},
        {"{\"cniVersion\":\"2.0.0\",\"name\":\"n\",\"plugins\":[{\"type\":\"x\"}]}",
         "f: cniVersion \"2.0.0\" is not known"},
        {"{\"cniVersion\":\"1.0.0\",\"name\":\"../n\",\"plugins\":[{\"type\":\"x\"}]}",
         "f: name \"../n\""},
        {"{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"plugins\":[{\"type\":\"../../bin/sh\"}]}",
         "plugins[0].type"},
        {"{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"plugins\":[]}",
         "expected a list of at least one"},
        {"{\"cniVersion\":\"1.0.0\",\"name\":\"n\"", "f"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct cni_list l;
        sn_test_row("%s", rows[i].text);
        sn_arena_init(&a, NULL, 0);
        int r = cni_list_parse(&a, SN_STR("f"), sn_str(rows[i].text), rows[i].single, &l);
        if (rows[i].says)
            T_ASSERTF(r < 0 && strstr(sn_diag_str(r), rows[i].says), "got \"%s\"", sn_diag_str(r));
        else
            T_OK(r);
        sn_arena_done(&a);
    }
}

SN_TEST(result_round_trip)
{
    static const char text[] =
        "{\"cniVersion\":\"1.1.0\",\"interfaces\":[{\"name\":\"br\",\"mac\":\"0a:00:00:00:00:01\"},"
        "{\"name\":\"eth0\",\"mtu\":1400,\"sandbox\":\"/"
        "x\"}],\"ips\":[{\"interface\":1,\"address\":\"10.1.0.5/16\","
        "\"gateway\":\"10.1.0.1\"}],\"routes\":[{\"dst\":\"0.0.0.0/0\",\"gw\":\"10.1.0.1\"}],"
        "\"dns\":{\"nameservers\":[\"10.1.0.1\"],\"search\":[\"a.b\"]}}";
    struct sn_arena a;
    const struct sn_json *v;
    struct sn_cni_result res;
    struct sn_buf b = {0};
    struct sn_jsonw w;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_json_parse(&a, sn_str(text), NULL, &v));
    T_OK(cni_result_parse(&a, v, &res));
    sn_jsonw_init(&w, &b, NULL);
    cni_result_write(&w, &res, SN_STR("1.1.0"));
    T_STR(sn_buf_view(&b), text);
    sn_buf_reset(&b);
    sn_jsonw_init(&w, &b, NULL);
    cni_result_write(&w, &res, SN_STR("0.4.0"));
    T_ASSERT(sn_str_find(sn_buf_view(&b), SN_STR("\"version\":\"4\"")) > 0);
    sn_buf_done(&b);
    sn_arena_done(&a);
}

/* ---- for real ---- */

/* The whole test process in a network and mount namespace of its own: bridges and rules are
 * nobody's. */
static void own_world(void)
{
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
        sn_test_skip("no namespaces here: errno %d", errno);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("sysfs", "/sys", "sysfs", 0, NULL) < 0)
        sn_test_skip("no mounts here: errno %d", errno);
}

static struct sn_cni *open_cni(const char *subnet, const char *bin, int64_t ns_max)
{
    static char conf[256], state[256];
    struct sn_cni *c;
    snprintf(conf, sizeof conf, "%s/net.d", sn_test_tmpdir());
    snprintf(state, sizeof state, "%s/state", sn_test_tmpdir());
    (void)mkdir(conf, 0755);
    T_OK(sn_cni_open(&(struct sn_cni_opts){.conf_dir = conf,
                                           .state_dir = state,
                                           .bin_dirs = bin,
                                           .default_subnet = subnet,
                                           .default_bridge = "br-test",
                                           .plugin_ns_max = ns_max},
                     &c));
    return c;
}

static void put(const char *name, const char *text, int mode)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", sn_test_tmpdir(), name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    T_ASSERT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static int three_pods(void *arg)
{
    struct sn_cni *c = open_cni("10.99.0.0/29", "/nowhere", 0);
    struct sn_netns ns[6];
    struct sn_arena a;
    struct sn_cni_result res;
    char text[SN_CIDR_TEXT_MAX];
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_cni_ready(c));
    struct sn_cni_port port = {.protocol = "tcp", .host = 8080, .container = 80};
    static const char *const ids[] = {"pod-a", "pod-b", "pod-c", "pod-d", "pod-e", "pod-f"};
    struct sn_cni_pod pod = {.ports = &port, .n_ports = 1};
    int r = 0;
    for (int i = 0; i < 6; i++) { /* .1 is the gateway, .7 the broadcast: five addresses */
        T_OK(sn_netns_new(&ns[i]));
        pod.id = ids[i], pod.netns = "/pod", pod.netns_fd = ns[i].fd, pod.n_ports = i == 0;
        r = sn_cni_add(c, &pod, &a, &res);
        if (i == 5) break;
        T_ASSERTF(r == 0, "%s", sn_diag_str(r));
        T_EQ(res.n_ips, 1);
        T_EQ(res.ips[0].at.ip.b[3], 2 + i);
        T_CSTR(sn_cidr_text(&res.ips[0].at, text) + strlen(text) - 3, "/29");
        T_EQ(res.n_ifaces, 3);
        T_STR(res.ifaces[2].sandbox, "/pod");
    }
    T_EQ(r, SN_E_RESOURCE_EXHAUSTED);
    T_ASSERTF(strstr(sn_diag_str(r), "10.99.0.1-10.99.0.6"), "got \"%s\"", sn_diag_str(r));
    /* A host port is had once, and the pod that cannot have it leaves nothing. */
    pod.id = ids[1], pod.netns_fd = ns[1].fd;
    T_OK(sn_cni_check(c, &pod));
    T_OK(sn_cni_del(c, &pod));
    T_OK(sn_cni_del(c, &pod));
    T_EQ(sn_cni_check(c, &pod), SN_E_NOT_FOUND);
    pod.n_ports = 1;
    r = sn_cni_add(c, &pod, &a, &res);
    T_EQ(r, SN_E_ALREADY_EXISTS);
    T_ASSERTF(strstr(sn_diag_str(r), "host port 8080/tcp is taken"), "got \"%s\"", sn_diag_str(r));
    pod.n_ports = 0;
    T_OK(sn_cni_add(c, &pod, &a, &res));
    T_EQ(res.ips[0].at.ip.b[3], 3); /* the only free one: what failed gave its address back */
    /* Garbage: only pod-b lives; the host port of pod-a goes with it. */
    T_OK(sn_cni_gc(c, &ids[1], 1));
    pod.id = ids[5], pod.netns_fd = ns[5].fd, pod.n_ports = 1;
    r = sn_cni_add(c, &pod, &a, &res);
    T_ASSERTF(r == 0, "%s", sn_diag_str(r));
    T_OK(sn_cni_check(c, &pod));
    sn_rtnl_del(&ns[5].nl, "eth0", 0);
    T_OK(sn_nl_commit(&ns[5].nl, NULL));
    T_EQ(sn_cni_check(c, &pod), SN_E_FAILED_PRECONDITION);
    for (int i = 0; i < 6; i++) sn_netns_close(&ns[i]);
    sn_arena_done(&a);
    sn_cni_close(c);
    return 0;
}

SN_TEST_SLOW(bridge_ipam_ports, 60)
{
    own_world();
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, three_pods, NULL));
}

static int foreign(void *arg)
{
    char bin[256];
    struct sn_netns ns;
    struct sn_arena a;
    struct sn_cni_result res;
    snprintf(bin, sizeof bin, "%s", sn_test_tmpdir());
    struct sn_cni *c = open_cni(NULL, bin, 500 * SN_MS);
    struct sn_cni_pod pod = {.id = "p", .netns = "/pod", .netns_fd = -1};
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_netns_new(&ns));
    pod.netns_fd = ns.fd;
    T_EQ(sn_cni_ready(c), SN_E_NOT_FOUND);
    put("net.d/10-x.conflist",
        "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"plugins\":[{\"type\":\"mine\"},{\"type\":"
        "\"hangs\"}]}",
        0644);
    put("mine",
        "#!/bin/sh\necho $CNI_COMMAND-$CNI_IFNAME >> $(dirname $0)/calls\nif [ $CNI_COMMAND = ADD "
        "]; then "
        "echo '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.5.0.9/24\"}]}'; fi\n",
        0755);
    put("hangs", "#!/bin/sh\nif [ $CNI_COMMAND = ADD ]; then sleep 60; fi\n", 0755);
    int64_t t0 = sn_now();
    int r = sn_cni_add(c, &pod, &a, &res);
    T_EQ(r, SN_E_DEADLINE_EXCEEDED);
    T_ASSERT(sn_now() - t0 < 20 * SN_SEC);
    T_ASSERTF(strstr(sn_diag_str(r), "hangs, ADD: killed"), "got \"%s\"", sn_diag_str(r));
    put("hangs",
        "#!/bin/sh\ngrep -q 10.5.0.9/24 || exit 1\nif [ $CNI_COMMAND = ADD ]; then "
        "echo '{\"code\":7,\"msg\":\"bad conf\",\"details\":\"why\"}'; exit 1; fi\n",
        0755);
    r = sn_cni_add(c, &pod, &a, &res);
    T_EQ(r, SN_E_UNAVAILABLE);
    T_ASSERTF(strstr(sn_diag_str(r), "bad conf: why"), "got \"%s\"", sn_diag_str(r));
    put("hangs",
        "#!/bin/sh\nif [ $CNI_COMMAND = ADD ]; then echo "
        "'{\"ips\":[{\"address\":\"10.5.0.9/24\"}]}'; fi\n",
        0755);
    r = sn_cni_add(c, &pod, &a, &res);
    T_ASSERTF(r == 0, "%s", sn_diag_str(r));
    T_OK(sn_cni_del(c, &pod));
    struct sn_str calls;
    char path[300];
    snprintf(path, sizeof path, "%s/calls", bin);
    T_OK(sn_file_read(&a, path, 0, &calls));
    T_STR(calls, "ADD-eth0\nDEL-eth0\nADD-eth0\nDEL-eth0\nADD-eth0\nDEL-eth0\n");
    sn_netns_close(&ns);
    sn_arena_done(&a);
    sn_cni_close(c);
    return 0;
}

SN_TEST_SLOW(foreign_plugins, 60)
{
    own_world();
    T_OK(sn_rt_run(&(struct sn_rt_opts){.workers = 1}, foreign, NULL));
}
