/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/fuzz_abci.c - the socket protocol of ABCI: a message is found in the same place however its
 * bytes come; what parses as request or response is written again as something that parses the
 * same; and the kvstore answers every transaction and every snapshot it is offered. */
#include "abci/codec.h"
#include "abci/kvstore.h"
#include "kit/log.h"

#define BODY_MAX (1u << 20)

static void again(struct sn_str body, struct sn_arena *a, bool request)
{
    void *msg, *msg2;
    struct sn_buf b = {0};
    struct sn_str body2;
    int m = request ? sn_abci_parse_request(body, 0, a, &msg)
                    : sn_abci_parse_response(body, 0, a, &msg, NULL);
    if (m < 0) return;
    int r = request ? sn_abci_put_request(&b, (enum sn_abci_method)m, msg)
                    : sn_abci_put_response(&b, (enum sn_abci_method)m, msg);
    SN_ASSERT(r == 0 &&
              sn_abci_frame(sn_buf_view(&b), 16 * BODY_MAX, &body2, NULL) == (ssize_t)b.len);
    int m2 = request ? sn_abci_parse_request(body2, 0, a, &msg2)
                     : sn_abci_parse_response(body2, 0, a, &msg2, NULL);
    const struct sn_abci_method_info *i = sn_abci_method_info((enum sn_abci_method)m);
    SN_ASSERT(m2 == m && sn_pb_equal(request ? i->req : i->res, msg, msg2) == 1);
    sn_buf_done(&b);
}

/* In memory, and only what needs no lock: no fiber runs here. */
static void ask(struct sn_str body, struct sn_arena *a)
{
    static struct sn_kvstore *kv;
    void *msg, *res;
    int m = sn_abci_parse_request(body, 0, a, &msg);
    if (m < 0) return;
    if (!kv && (sn_log_set_levels(SN_STR("error")) < 0 || sn_kvstore_open(NULL, &kv) < 0)) return;
    struct sn_abci_app *app = sn_kvstore_app(kv);
    struct sn_abci_call c = {app, a};
    res = sn_pb_new(sn_abci_method_info((enum sn_abci_method)m)->res, a);
    switch (m) {
    case SN_ABCI_CHECK_TX: SN_ASSERT(app->check_tx(&c, msg, res) == 0); break;
    case SN_ABCI_PREPARE_PROPOSAL: SN_ASSERT(app->prepare_proposal(&c, msg, res) == 0); break;
    case SN_ABCI_PROCESS_PROPOSAL: SN_ASSERT(app->process_proposal(&c, msg, res) == 0); break;
    case SN_ABCI_OFFER_SNAPSHOT: SN_ASSERT(app->offer_snapshot(&c, msg, res) == 0); break;
    case SN_ABCI_FINALIZE_BLOCK: (void)!app->finalize_block(&c, msg, res); break;
    default: break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_str in = {(const char *)data, size}, body = {0}, slow_body = {0};
    struct sn_arena a;
    size_t want;
    ssize_t whole = sn_abci_frame(in, BODY_MAX, &body, NULL), step = 0;
    for (size_t n = 0; n <= size && step == 0; n++) {
        step = sn_abci_frame(sn_str_of(in.ptr, n), BODY_MAX, &slow_body, &want);
        SN_ASSERT(step <= 0 || (want == (size_t)step && n == want));
    }
    SN_ASSERT(step == whole && (whole <= 0 || sn_str_eq(body, slow_body)));
    sn_arena_init(&a, NULL, 64u << 20);
    again(in, &a, true);
    again(in, &a, false);
    ask(in, &a);
    sn_arena_done(&a);
    return 0;
}
