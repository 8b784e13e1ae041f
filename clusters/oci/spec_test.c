/* SPDX-License-Identifier: Apache-2.0 */
/* oci/spec_test.c - configurations: what is read, what is refused and how that is said. */
#include <linux/mount.h>
#include <stdio.h>

#include "clusters/oci/spec_int.h"
#include "core/alloc.h"
#include "core/torture.h"
#include "tests/harness/test.h"

#define BASE_ "\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"}"
#define PROC_ "\"process\":{\"args\":[\"x\"],\"cwd\":\"/\""
#define LINUX_ "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"uts\"},{\"type\":\"network\"}]"
#define WITH_PROC(s) "{" BASE_ "," LINUX_ "}," PROC_ "," s "}}"
#define WITH_LINUX(s) "{" BASE_ "," LINUX_ "," s "}}"
#define WITH_TOP(s) "{" BASE_ "," LINUX_ "}," s "}"
#define WITH_MOUNT(s) WITH_TOP("\"mounts\":[{" s "}]")

static int parse(struct sn_arena *a, const char *text, struct sn_oci_spec *s)
{
    return sn_oci_spec_parse(a, sn_str(text), NULL, NULL, s);
}

static const struct {
    const char *text, *says; /* NULL: accepted */
} rows[] = {
    {WITH_TOP("\"hostname\":\"h\""), NULL},
    {WITH_TOP("\"unknown\":{\"a\":[1]}"), NULL},
    {WITH_TOP("\"hooks\":null,\"mounts\":null"), NULL},
    {"{", "config.json"},
    {"[]", "is an array, expected an object"},
    {"{\"root\":{\"path\":\"r\"},\"linux\":{}}", "ociVersion: is missing"},
    {"{\"ociVersion\":\"1.0.2\",\"linux\":{}}", "root.path: must not be empty"},
    {"{\"ociVersion\":\"1.0.2\",\"root\":{},\"linux\":{}}", "root.path: is missing"},
    {"{" BASE_ "}", "linux: is missing"},
    {"{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},\"linux\":{}}", "ociVersion: \"1.0\" is unknown version"},
    {"{\"ociVersion\":\"1.3.0-rc1\",\"root\":{\"path\":\"r\"},\"linux\":{}}", NULL},
    {WITH_PROC("\"terminal\":1"), "process.terminal: is an integer, expected true or false"},
    {WITH_PROC("\"user\":{\"uid\":-1}"), "process.user.uid: is out of range, allowed is 0..4294967295"},
    {WITH_PROC("\"user\":{\"umask\":512}"), "process.user.umask: is out of range, allowed is 0..511"},
    {WITH_PROC("\"user\":{\"additionalGids\":[1,\"x\"]}"), "process.user.additionalGids[1]: is a string"},
    {WITH_PROC("\"env\":[\"A=1\",\"B\"]"), "process.env: \"B\" is not NAME=VALUE"},
    {WITH_PROC("\"env\":[\"A=\\u0000\"]"), "process.env[0]: contains a NUL"},
    {WITH_PROC("\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":2,\"hard\":1}]"), "soft limit 2 is above the hard limit 1"},
    {WITH_PROC("\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"hard\":1}]"), "process.rlimits[0].soft: is missing"},
    {WITH_PROC("\"capabilities\":{\"bounding\":[\"CAP_NOPE\",\"CAP_KILL\"]}"), NULL},
    {WITH_PROC("\"oomScoreAdj\":1001"), "process.oomScoreAdj: is out of range, allowed is -1000..1000"},
    {WITH_PROC("\"scheduler\":{\"policy\":\"SCHED_X\"}"), "process.scheduler.policy: \"SCHED_X\" is not one of SCHED_OTHER"},
    {WITH_PROC("\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"priority\":3}"), "only SCHED_FIFO and SCHED_RR"},
    {WITH_PROC("\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":8}"), "process.ioPriority.priority: is out of range"},
    {WITH_PROC("\"execCPUAffinity\":{\"initial\":\"1-\"}"), "execCPUAffinity.initial: \"1-\" is no list of CPUs"},
    {WITH_LINUX("\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":1}]"), "and there is none"},
    {"{" BASE_ ",\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"user\"}]}}", "needs uidMappings and gidMappings"},
    {"{" BASE_ ",\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]},\"hostname\":\"h\"}", "needs a uts namespace"},
    {WITH_LINUX("\"sysctl\":{\"net.a\":\"1\"}"), NULL},
    {WITH_LINUX("\"sysctl\":{\"net/ipv4/conf/eth0.1/x\":\"1\"}"), NULL},
    {WITH_LINUX("\"sysctl\":{\"kernel.sem\":\"1\"}"), "not allowed in the hosts ipc namespace"},
    {WITH_LINUX("\"sysctl\":{\"kernel.hostname\":\"x\"}"), "is set by the field hostname"},
    {WITH_LINUX("\"sysctl\":{\"vm.swappiness\":\"1\"}"), "not in a separate kernel namespace"},
    {WITH_LINUX("\"devices\":[{\"path\":\"/d\",\"type\":\"x\"}]"), "type \"x\" is not one of c, u, b, p"},
    {WITH_LINUX("\"devices\":[{\"path\":\"d\",\"type\":\"c\"}]"), "linux.devices[0].path: \"d\" is not an absolute path"},
    {WITH_LINUX("\"intelRdt\":{}"), "Intel RDT is not supported"},
    {WITH_LINUX("\"personality\":{\"domain\":\"X\"}"), "linux.personality.domain: \"X\" is not one of LINUX, LINUX32"},
    {WITH_LINUX("\"timeOffsets\":{\"boottime\":{\"secs\":1}}"), "need a new time namespace"},
    {WITH_LINUX("\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"x\"}"), "linux.memoryPolicy.nodes: \"x\""},
    {WITH_LINUX("\"netDevices\":{\"eth0\":{\"name\":\"a/b\"}}"), "\"a/b\" is no name of an interface"},
    {WITH_LINUX("\"resources\":[]"), "linux.resources: is an array, expected an object"},
    {WITH_TOP("\"annotations\":{\"\":\"x\"}"), "annotations: a key must not be empty"},
    {WITH_TOP("\"annotations\":{\"a\":1}"), "annotations: \"a\" is no string"},
    {WITH_TOP("\"hooks\":{\"prestart\":[{\"path\":\"x\"}]}"), "hooks.prestart[0].path: \"x\" is not an absolute path"},
    {WITH_TOP("\"hooks\":{\"poststop\":[{\"path\":\"/x\",\"timeout\":0}]}"), "hooks.poststop[0].timeout: is out of range"},
    {WITH_MOUNT("\"destination\":\"/x\""), "mounts[0].type: is missing"},
    {WITH_MOUNT("\"source\":\"/x\""), "mounts[0].destination: is missing"},
    {WITH_MOUNT("\"destination\":\"/x\",\"options\":[\"bind\"]"), "mounts[0].source: is missing"},
    {WITH_MOUNT("\"destination\":\"/x\",\"type\":\"tmpfs\",\"options\":[\"idmap\"]"), "idmap is for bind mounts only"},
    {WITH_MOUNT("\"destination\":\"/x\",\"type\":\"tmpfs\",\"options\":[\"=x\"]"), "mounts[0].options: \"=x\" is no option"},
};

SN_TEST(spec_table)
{
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct sn_oci_spec *s = SN_NEW(struct sn_oci_spec);
        sn_arena_init(&a, NULL, 0);
        sn_test_row("%s", rows[i].text);
        int e = parse(&a, rows[i].text, s);
        if (!rows[i].says) {
            T_ASSERTF(e == 0, "refused: %s", sn_diag_str(e));
        } else {
            T_ASSERT(e < 0);
            T_ASSERTF(strstr(sn_diag_str(e), rows[i].says) != NULL, "said: %s, expected: %s", sn_diag_str(e), rows[i].says);
        }
        sn_arena_done(&a);
        sn_free(s);
    }
}

SN_TEST(mount_options)
{
    static const char text[] = WITH_MOUNT("\"destination\":\"/x\",\"source\":\"/y\",\"options\":[\"rbind\",\"ro\",\"rnosuid\","
                                          "\"noatime\",\"nodev\",\"dev\",\"rslave\",\"shared\",\"size=1\",\"plain\",\"sync\"]");
    struct sn_arena a;
    struct sn_oci_spec s;
    sn_arena_init(&a, NULL, 0);
    T_OK(parse(&a, text, &s));
    const struct sn_oci_mount *m = &s.mounts.ptr[0];
    T_EQ(m->kind, SN_OCI_MOUNT_BIND);
    T_ASSERT(m->recursive);
    T_EQ(m->set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME);
    T_EQ(m->clear, MOUNT_ATTR__ATIME | MOUNT_ATTR_NODEV);
    T_EQ(m->rset, MOUNT_ATTR_NOSUID);
    T_EQ(m->rpropagation[0], MS_SLAVE);
    T_EQ(m->propagation[0], MS_SHARED);
    T_CSTR(m->data_text, "size=1,plain");
    T_EQ(m->data.n, 3);
    sn_arena_done(&a);
}

SN_TEST(exec_inherits)
{
    struct sn_arena a;
    struct sn_oci_spec s;
    struct sn_oci_process_spec p;
    sn_arena_init(&a, NULL, 0);
    T_OK(parse(&a, WITH_PROC("\"env\":[\"A=1\"],\"user\":{\"uid\":5,\"gid\":6},\"noNewPrivileges\":true,"
                             "\"capabilities\":{\"bounding\":[\"CAP_KILL\"]}"), &s));
    T_OK(sn_oci_process_parse(&a, SN_STR("{\"args\":[\"y\"],\"cwd\":\"/tmp\"}"), &s.process, NULL, NULL, &p));
    T_CSTR(p.args.ptr[0], "y");
    T_CSTR(p.cwd, "/tmp");
    T_CSTR(p.env.ptr[0], "A=1");
    T_EQ(p.user.uid, 5);
    T_ASSERT(p.no_new_privs);
    T_EQ(p.caps.bounding, 1u << 5);
    T_OK(sn_oci_process_parse(&a, SN_STR("{\"args\":[\"y\"],\"noNewPrivileges\":false,\"user\":{\"uid\":0}}"), &s.process, NULL, NULL, &p));
    T_ASSERT(!p.no_new_privs);
    T_EQ(p.user.uid, 0);
    T_EQ(sn_oci_process_parse(&a, SN_STR("{\"args\":[]}"), &s.process, NULL, NULL, &p), SN_E_INVALID_ARGUMENT);
    sn_arena_done(&a);
}

static int count;
static void counted(void *arg, const char *text)
{
    count++;
    T_ASSERT(strstr(text, "CAP_NOPE"));
}

SN_TEST(unknown_capability_is_warned_of)
{
    struct sn_arena a;
    struct sn_oci_spec s;
    sn_arena_init(&a, NULL, 0);
    const char *t = WITH_PROC("\"capabilities\":{\"bounding\":[\"CAP_NOPE\"]}");
    T_OK(sn_oci_spec_parse(&a, sn_str(t), counted, NULL, &s));
    T_EQ(count, 1);
    sn_arena_done(&a);
}

/* Every allocation may fail: an error then, never a crash or a half-read configuration. */
static int torture_body(void *arg)
{
    struct sn_arena a;
    struct sn_oci_spec s;
    sn_arena_init(&a, NULL, 0);
    int e = parse(&a, WITH_TOP("\"mounts\":[{\"destination\":\"/x\",\"type\":\"tmpfs\",\"options\":[\"size=1\"]}],"
                               "\"hooks\":{\"prestart\":[{\"path\":\"/x\",\"args\":[\"a\"]}]}"), &s);
    sn_arena_done(&a);
    return e;
}
SN_TEST(torture) { T_OK(sn_torture(torture_body, NULL)); }
