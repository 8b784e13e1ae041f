/* SPDX-License-Identifier: Apache-2.0 */
/* tests/interop/grpc/main.c - our side of tests/interop/grpc.sh.
 *
 *   grpc_peer serve [CERT KEY]            serves on a free port, printed, until SIGTERM
 *   grpc_peer case NAME TARGET [CA NAME]  an interop case with our client; "ok NAME" or what failed */
#include <signal.h>
#include <stdio.h>

#include "fiber/os.h"
#include "kit/tls.h"
#include "tests/interop/grpc/peer.h"

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
    int r = sn_grpc_server_new(NULL, &s);
    if (r == 0) r = peer_register(s);
    if (r < 0) return r;
    struct sn_http_server_opts o = {.handler = sn_grpc_handle, .arg = s, .tls = tls};
    sn_grpc_http_defaults(&o);
    r = sn_http_server_new(&o, &h);
    if (r == 0) r = sn_listen("127.0.0.1:0", NULL, &l);
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

static int app_main(void *arg)
{
    struct app *a = arg;
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
