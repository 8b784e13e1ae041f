/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-bpf - loads the takeover programs and keeps their tables; the only part of Sennit that
 * needs privileges for it. Deliberately little: base/core, the protocol, libbpf, and this folder.
 */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/status.h"
#include "sennit-bpf/client.h"
#include "sennit-bpf/daemon.h"
#include "sennit-bpf/text.h"

#define SOCKET_DEFAULT "/run/sennit-bpf.sock"
#define NOBODY 65534u
#define EXIT_USAGE 2

struct args {
    const char *cgroup, *gateway_cgroup, *pin, *socket, *operand;
    unsigned uid, run_as;
    bool shortcut, json, verbose;
};

static const char usage_text[] =
    "usage: sennit-bpf load --cgroup FOLDER [--gateway-cgroup FOLDER] [--pin FOLDER] [--shortcut]\n"
    "                       [--socket PATH] [--uid UID] [--run-as UID] [--verbose]\n"
    "       sennit-bpf status [--socket PATH] [--json]\n"
    "       sennit-bpf sync [--socket PATH] FILE\n"
    "       sennit-bpf unload [--socket PATH] [--pin FOLDER]\n"
    "\n"
    "load     loads the programs, redirects what is in the cgroup, serves the socket until "
    "SIGTERM\n"
    "status   services, their back-ends and counters, and whether the gateway is heard of\n"
    "sync     puts the services of a text file in force, where no gateway does (docs/takeover.md)\n"
    "unload   ends the loader and removes its pins: nothing is redirected any more\n"
    "\n"
    "--cgroup          whose connections are redirected; a folder of the cgroup v2 tree\n"
    "--gateway-cgroup  where the gateway runs: it learns the original destinations\n"
    "--pin             new folder on a BPF file system: redirection outlives the loader\n"
    "--shortcut        connections within the machine bypass TCP after they are set up\n"
    "--socket          where gateways connect; " SOCKET_DEFAULT "\n"
    "--uid             user that may connect, beside root; 0\n"
    "--run-as          user of the loader once the programs are attached; 65534\n";

static int number(const char *text, unsigned *ret)
{
    uint64_t v;
    if (sn_str_to_u64(sn_str(text), &v) < 0 || v >= UINT32_MAX)
        return sn_fail(SN_E_INVALID_ARGUMENT, "expected a user's number, got \"%s\"", text);
    *ret = (unsigned)v;
    return 0;
}

static int parse(int argc, char **argv, struct args *ret)
{
    enum { CGROUP = 1, GATEWAY, PIN, SOCKET, UID, RUN_AS, SHORTCUT, JSON, VERBOSE, HELP };
    static const struct option options[] = {
        {"cgroup", 1, 0, CGROUP},
        {"gateway-cgroup", 1, 0, GATEWAY},
        {"pin", 1, 0, PIN},
        {"socket", 1, 0, SOCKET},
        {"uid", 1, 0, UID},
        {"run-as", 1, 0, RUN_AS},
        {"shortcut", 0, 0, SHORTCUT},
        {"json", 0, 0, JSON},
        {"verbose", 0, 0, VERBOSE},
        {"help", 0, 0, HELP},
        {0},
    };
    *ret = (struct args){.socket = SOCKET_DEFAULT, .run_as = NOBODY};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        int r = 0;
        switch (o) {
        case CGROUP: ret->cgroup = optarg; break;
        case GATEWAY: ret->gateway_cgroup = optarg; break;
        case PIN: ret->pin = optarg; break;
        case SOCKET: ret->socket = optarg; break;
        case UID: r = number(optarg, &ret->uid); break;
        case RUN_AS: r = number(optarg, &ret->run_as); break;
        case SHORTCUT: ret->shortcut = true; break;
        case JSON: ret->json = true; break;
        case VERBOSE: ret->verbose = true; break;
        case HELP: (void)fputs(usage_text, stdout); return 1;
        default: return sn_fail(SN_E_INVALID_ARGUMENT, "see sennit-bpf --help");
        }
        if (r < 0) return r;
    }
    ret->operand = optind < argc ? argv[optind++] : NULL;
    return optind < argc ? sn_fail(SN_E_INVALID_ARGUMENT, "unexpected \"%s\"", argv[optind]) : 0;
}

/* ---- load ------------------------------------------------------------------------------------ */

static int load(const struct args *g)
{
    if (!g->cgroup || g->operand)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "load needs --cgroup and no operand; see sennit-bpf --help");
    struct tk_kernel k;
    struct tk_state s;
    const struct tk_load_opts lo = {.cgroup = g->cgroup,
                                    .gateway_cgroup = g->gateway_cgroup,
                                    .pin = g->pin,
                                    .shortcut = g->shortcut,
                                    .verbose = g->verbose};
    int found = tk_kernel_load(&k, &lo);
    if (found < 0) return found;
    if (found)
        fprintf(stderr,
                "sennit-bpf: programs found in %s, with the cgroups they were attached to\n",
                g->pin);
    int r = tk_state_init(&s, &k, found);
    if (r == 0) {
        const struct tk_daemon_opts o = {.socket = g->socket,
                                         .cgroup = g->cgroup,
                                         .uid = g->uid,
                                         .run_as = g->run_as};
        r = tk_daemon_run(&s, &o);
        tk_state_done(&s);
    }
    tk_kernel_done(&k);
    return r;
}

/* ---- the others ------------------------------------------------------------------------------ */

static void print_text(const struct sn_tkw_stats *s)
{
    char at[SN_TKW_ADDR_TEXT_MAX];
    if (s->left_ms == INT64_MAX)
        printf("generation %llu, no gateway needed\n", (unsigned long long)s->generation);
    else
        printf("generation %llu, gateway %s (%lld ms)\n", (unsigned long long)s->generation,
               s->left_ms >= 0 ? "heard of" : "silent", (long long)s->left_ms);
    for (uint32_t i = 0; i < s->n; i++) {
        const struct sn_tkw_stat *v = &s->services[i];
        printf(
            "%-20.*s %s %-24s live %u direct %u  connects %llu datagrams %llu replies %llu refused "
            "%llu lapsed %llu\n",
            SN_STR_ARG(v->name), v->proto == 17 ? "udp" : "tcp",
            sn_tkw_addr_text(v->ip, v->port, at), v->n_live, v->n_direct,
            (unsigned long long)v->connects, (unsigned long long)v->datagrams,
            (unsigned long long)v->replies, (unsigned long long)v->refused,
            (unsigned long long)v->lapsed);
    }
}

/* Names are the operator's; what JSON would need escaped is shown as '?'. */
static void print_name(struct sn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        putchar(c < 0x20 || c >= 0x7f || c == '"' || c == '\\' ? '?' : c);
    }
}

static void print_json(const struct sn_tkw_stats *s)
{
    char at[SN_TKW_ADDR_TEXT_MAX];
    printf("{\"version\":1,\"generation\":%llu,", (unsigned long long)s->generation);
    if (s->left_ms != INT64_MAX) printf("\"left_ms\":%lld,", (long long)s->left_ms);
    printf("\"services\":[");
    for (uint32_t i = 0; i < s->n; i++) {
        const struct sn_tkw_stat *v = &s->services[i];
        printf("%s{\"name\":\"", i ? "," : "");
        print_name(v->name);
        printf(
            "\",\"address\":\"%s\",\"protocol\":\"%s\",\"live\":%u,\"direct\":%u,\"connects\":%llu,"
            "\"datagrams\":%llu,\"replies\":%llu,\"refused\":%llu,\"lapsed\":%llu}",
            sn_tkw_addr_text(v->ip, v->port, at), v->proto == 17 ? "udp" : "tcp", v->n_live,
            v->n_direct, (unsigned long long)v->connects, (unsigned long long)v->datagrams,
            (unsigned long long)v->replies, (unsigned long long)v->refused,
            (unsigned long long)v->lapsed);
    }
    printf("]}\n");
}

static int call(const struct args *g, struct sn_buf *frame, enum sn_tkw_type want,
                struct sn_arena *a, struct sn_str *ret)
{
    int fd = tk_client_open(g->socket);
    if (fd < 0) return fd;
    int r = tk_client_call(fd, frame, want, a, ret);
    (void)close(fd);
    return r;
}

static int status(const struct args *g, struct sn_arena *a, struct sn_buf *b)
{
    struct sn_str body;
    struct sn_tkw_stats s;
    int r = sn_tkw_put_empty(b, SN_TKW_ASK);
    if (r == 0) r = call(g, b, SN_TKW_STATS, a, &body);
    if (r == 0) r = sn_tkw_get_stats(a, body, &s);
    if (r == 0) (g->json ? print_json : print_text)(&s);
    return r;
}

static int read_file(const char *path, struct sn_arena *a, struct sn_str *ret)
{
    char *text = sn_arena_alloc(a, TK_TEXT_MAX);
    FILE *f = text ? fopen(path, "re") : NULL;
    if (!text) return SN_E_NOMEM;
    if (!f) return sn_fail(SN_E_NOT_FOUND, "cannot open %s", path);
    size_t n = fread(text, 1, TK_TEXT_MAX, f);
    (void)fclose(f);
    if (n == TK_TEXT_MAX)
        return sn_fail(SN_E_TOO_LARGE, "%s: more than %u bytes", path, TK_TEXT_MAX - 1);
    *ret = sn_str_of(text, n);
    return 0;
}

static int sync_file(const struct args *g, struct sn_arena *a, struct sn_buf *b)
{
    struct sn_str text, body;
    struct sn_tkw_snapshot s;
    struct sn_tkw_applied p;
    if (!g->operand)
        return sn_fail(SN_E_INVALID_ARGUMENT, "sync needs a FILE; see sennit-bpf --help");
    int r = read_file(g->operand, a, &text);
    if (r == 0) r = tk_text_read(a, text, &s);
    if (r < 0) return sn_wrap(r, "%s", g->operand);
    r = sn_tkw_put_snapshot(b, &s);
    if (r == 0) r = call(g, b, SN_TKW_APPLIED, a, &body);
    if (r == 0) r = sn_tkw_get_applied(body, &p);
    if (r == 0) printf("%u services in force, %u changed, %u removed\n", s.n, p.changed, p.removed);
    return r;
}

static int unload(const struct args *g, struct sn_arena *a, struct sn_buf *b)
{
    struct sn_str body;
    int r = sn_tkw_put_empty(b, SN_TKW_END);
    if (r == 0) r = call(g, b, SN_TKW_APPLIED, a, &body);
    if (r == 0) (void)unlink(g->socket); /* the loader itself may not: it is nobody by now */
    if (!g->pin) return r;
    if (r < 0) fprintf(stderr, "sennit-bpf: %s\n", sn_diag_str(r)); /* the pins go all the same */
    return tk_kernel_unpin(g->pin);
}

int main(int argc, char **argv)
{
    struct args g;
    struct sn_arena a;
    struct sn_buf b = {0};
    const char *verb = argc > 1 ? argv[1] : "";
    int r = argc > 1 && verb[0] != '-' ? parse(argc - 1, argv + 1, &g) : parse(argc, argv, &g);
    if (r > 0) return 0;
    sn_arena_init(&a, NULL, 0);
    if (r < 0) {
    } else if (strcmp(verb, "load") == 0)
        r = load(&g);
    else if (strcmp(verb, "status") == 0)
        r = status(&g, &a, &b);
    else if (strcmp(verb, "sync") == 0)
        r = sync_file(&g, &a, &b);
    else if (strcmp(verb, "unload") == 0)
        r = unload(&g, &a, &b);
    else
        r = sn_fail(SN_E_INVALID_ARGUMENT,
                    "expected load, status, sync or unload; see sennit-bpf --help");
    if (r < 0) fprintf(stderr, "sennit-bpf: %s\n", sn_diag_str(r));
    sn_buf_done(&b);
    sn_arena_done(&a);
    return r == SN_E_INVALID_ARGUMENT || r == SN_E_SYNTAX ? EXIT_USAGE : r < 0;
}
