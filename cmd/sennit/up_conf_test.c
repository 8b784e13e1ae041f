/* SPDX-License-Identifier: Apache-2.0 */
#include "sennit/up_conf.h"

#include "core/torture.h"
#include "harness/test.h"

static const struct sn_up_places places = {
    .sennit = SN_STR_INIT("/bin/sennit"), .dir = SN_STR_INIT("/conf"), .data = SN_STR_INIT("/data"),
    .examples = SN_STR_INIT("/examples"), .path = SN_STR_INIT("/bin:/conf/node_modules/.bin")};
static const char good[] =
    "gateway: g.yaml\n"
    "processes: [{name: web, replicas: 2, port: 80, command: [x, \"{name}\", \"{port}\", \"{{}\"]}]\n"
    "exhibits:\n"
    "  - {name: show, title: A show, every: 10s, command: [\"{examples}/a\", \"{dir}\", \"{data}\"],\n"
    "     needs: {anvil: npm install anvil}, env: {A: b}}\n"
    "contracts: [{name: T, abi: t.json}]\n";

static const char *value_of(const char *const *env, const char *name)
{
    size_t n = strlen(name);
    for (; *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=') return *env + n + 1;
    return NULL;
}

SN_TEST(up_plan)
{
    struct sn_arena a;
    struct sn_up_plan p;
    struct sn_buf errors;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&errors, 0);
    T_OK(sn_up_plan_read(&a, "up.yaml", sn_str(good), &places, &p, &errors));
    T_EQ(p.n_processes, 2u);
    T_CSTR(p.processes[1].s.argv[1], "web-2");
    T_CSTR(p.processes[1].s.argv[2], "81");
    T_CSTR(p.processes[1].s.argv[3], "{}");
    T_EQ(p.n_exhibits, 1u);
    struct sn_exhibit *x = p.exhibits;
    T_CSTR(x->title, "A show");
    T_EQ(x->every_ns, 10 * SN_SEC);
    T_EQ(x->timeout_ns, 60 * SN_SEC);
    T_CSTR(x->argv[0], "/examples/a");
    T_CSTR(x->argv[2], "/data");
    T_EQ(x->n_needs, 1u);
    T_STR(x->needs[0].install, "npm install anvil");
    T_CSTR(value_of(x->env, "PATH"), "/bin:/conf/node_modules/.bin");
    T_CSTR(value_of(x->env, "A"), "b");
    T_STR(p.conf.contracts[0].node, SN_CONTRACT_NODE);
    sn_buf_done(&errors);
    sn_arena_done(&a);
}

SN_TEST(up_plan_errors)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"{}", "gateway"},
        {"gateway: g\nexhibits: [{name: a}]", "exhibits[0]"},
        {"gateway: g\nexhibits: [{name: a, command: [x, \"{port}\"]}]",
         "up.yaml:2:35: exhibits[0].command[1]: {port}: it has no port"},
        {"gateway: g\nexhibits: [{name: a, command: [x]}, {name: a, command: [x]}]",
         "exhibits[1].name: \"a\" is already taken"},
        {"gateway: g\ntraffic: [{name: a, command: [x]}]\nexhibits: [{name: a, command: [x]}]",
         "exhibits[0].name: \"a\" is already taken"},
        {"gateway: g\nexhibits: [{name: a, command: [x], every: 1ms}]", "exhibits[0].every"},
        {"gateway: g\ncontracts: [{name: a, abi: x, node: \"ftp://x\"}]", "contracts[0].node"},
        {"gateway: g\ncontracts: [{name: a, abi: x, node: \"http://me:pw@host/\"}]", "user name"},
        {"gateway: g\ncontracts: [{name: a, abi: x}, {name: a, abi: x}]", "contracts[1].name"},
        {"gateway: g\ncontracts: [{name: a, abi: x, address: \"0x1\"}]", "40 hex digits"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct sn_up_plan p;
        struct sn_buf errors;
        sn_test_row("%s", rows[i].text);
        sn_arena_init(&a, NULL, 0);
        sn_buf_init(&errors, 0);
        T_ASSERT(sn_up_plan_read(&a, "up.yaml", sn_str(rows[i].text), &places, &p, &errors) < 0);
        T_ASSERTF(strstr(sn_buf_cz(&errors), rows[i].want), "%s", sn_buf_cz(&errors));
        sn_buf_done(&errors);
        sn_arena_done(&a);
    }
}

static int read_good(void *arg)
{
    struct sn_arena a;
    struct sn_up_plan p;
    struct sn_buf errors;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&errors, 0);
    int r = sn_up_plan_read(&a, "up.yaml", sn_str(good), &places, &p, &errors);
    sn_buf_done(&errors);
    sn_arena_done(&a);
    return r;
}
SN_TEST(up_plan_torture)
{
    int r = sn_torture(read_good, NULL);
    T_ASSERTF(r > 0, "%s", sn_diag_str(r));
}
