/* SPDX-License-Identifier: Apache-2.0 */
/* tests/interop/grpc/main.c - our side of tests/interop/grpc.sh.
 *
 *   grpc_peer serve [CERT KEY | ADDR]     serves on a free port or ADDR, printed, until SIGTERM
 *   grpc_peer case NAME TARGET [CA NAME]  an interop case with our client; "ok NAME" or what failed */
#include <signal.h>
#include <stdio.h>

#include "fiber/os.h"
#include "kit/tls.h"
#include "peer.h"

struct app {
    int argc;
    char **argv;
};

static int serve(struct app *a)
{
    struct sn_grpc_server *s = NULL;
    struct sn_http_server *h = NULL;
    struct sn_listener *l = NULL;
    struct sn_tls_config *tls = NULL;
    if (a->argc > 3) {
        struct sn_tls_cert cert = {.cert_file = a->argv[2], .key_file = a->argv[3]};
        struct sn_tls_opts t = {.certs = &cert, .n_certs = 1, .alpn = "h2,http/1.1"};
        int r = sn_tls_config_new(&t, &tls);
        if (r < 0) return r;
    }
    struct sn_grpc_interceptor spoiler = {"spoiler", peer_spoiler, NULL, NULL, NULL};
    struct sn_grpc_server_opts so = {.interceptors = &spoiler, .n_interceptors = 1};
    int r = sn_grpc_server_new(&so, &s);
    if (r == 0) r = peer_register(s);
    if (r == 0) r = sn_grpc_health_add(s);
    if (r == 0) r = sn_grpc_reflection_add(s);
    if (r == 0) r = sn_grpc_channelz_add(s);
    if (r < 0) return r;
    struct sn_http_server_opts o = {.handler = sn_grpc_handle, .arg = s, .tls = tls};
    sn_grpc_http_defaults(&o);
    r = sn_http_server_new(&o, &h);
    if (r == 0) r = sn_listen(a->argc == 3 ? a->argv[2] : "127.0.0.1:0", NULL, &l);
    if (r < 0) return r;
    char addr[64];
    sn_listener_addr(l, addr, sizeof(addr));
    printf("%s\n", addr);
    fflush(stdout);
    r = sn_http_serve(h, l);
    sn_http_server_free(h);
    sn_grpc_server_free(s);
    return r;
}

/* case NAME TARGET [CA HOST]: NAME may be a list of names between commas; channel_soak opens a channel
 * for every call. */
static int run_cases(struct app *a)
{
    struct sn_grpc_channel_opts o = {0};
    struct sn_grpc_channel *ch = NULL;
    int r = 0;
    if (a->argc > 5) {
        struct sn_tls_opts t = {.ca_file = a->argv[4], .alpn = "h2"};
        o.authority = a->argv[5];
        if ((r = sn_tls_config_new(&t, &o.tls)) < 0) return r;
    }
    struct sn_str list = sn_str(a->argv[2]);
    while (list.ptr && r == 0) {
        char name[64];
        r = sn_str_cz(sn_str_cut(&list, ','), name, sizeof(name));
        bool soak = strcmp(name, "channel_soak") == 0;
        for (int i = 0; i < (soak ? 50 : 1) && r == 0; i++) {
            r = sn_grpc_channel_new(a->argv[3], &o, &ch);
            if (r == 0) r = peer_case(ch, a->argv[3], soak ? "large_unary" : name);
            if (r < 0) fprintf(stderr, "%s: %s\n", name, sn_diag_str(r));
            sn_grpc_channel_free(ch);
            ch = NULL;
        }
        if (r == 0) printf("ok %s\n", name);
    }
    sn_tls_config_unref(o.tls);
    return r;
}

static int app_main(void *arg)
{
    struct app *a = arg;
    if (a->argc > 3 && strcmp(a->argv[1], "case") == 0) return run_cases(a);
    if (a->argc > 1 && strcmp(a->argv[1], "serve") == 0) return serve(a);
    return sn_fail(SN_E_INVALID_ARGUMENT, "usage: grpc_peer serve | case NAME TARGET");
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    struct app a = {argc, argv};
    int r = sn_rt_run(NULL, app_main, &a);
    if (r < 0) fprintf(stderr, "grpc_peer: %s\n", sn_status_name(r));
    return r < 0;
}
