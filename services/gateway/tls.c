/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/tls.c - TLS settings from the configuration. */
#include "gateway/gw_int.h"

int gw_tls_server(const struct sn_gw_conf_tls_server *c, bool h2, struct sn_tls_config **ret)
{
    return sn_fail(SN_E_UNIMPLEMENTED, "built without TLS");
}

int gw_tls_client(const struct sn_gw_conf_upstream *c, struct sn_tls_config **ret)
{
    return sn_fail(SN_E_UNIMPLEMENTED, "built without TLS");
}

void gw_tls_free(struct sn_tls_config *t) {}
