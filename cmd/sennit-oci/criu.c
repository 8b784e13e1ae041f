/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-oci/criu.c - checkpoint and restore. */
#include "cmd.h"

int cmd_checkpoint(struct app *app, int argc, char **argv)
{
    return sn_fail(SN_E_UNIMPLEMENTED, "checkpoint: not supported");
}
int cmd_restore(struct app *app, int argc, char **argv)
{
    return sn_fail(SN_E_UNIMPLEMENTED, "restore: not supported");
}
