/* SPDX-License-Identifier: Apache-2.0 */
/* oci/netdev.c - parent: interfaces of the host that move into the container (runtime-spec 1.3). */
#include "clusters/oci/parent_int.h"

int sn_oci_net_devices(const struct sn_oci_spec *s, pid_t pid)
{
    (void)pid;
    if (s->net_devices.n)
        return sn_fail(SN_E_UNIMPLEMENTED, "linux.netDevices: \"%s\": not supported", s->net_devices.ptr[0].host);
    return 0;
}
