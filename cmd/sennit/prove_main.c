/* SPDX-License-Identifier: Apache-2.0 */
/* sennit-prove - one Groth16 proof as one process: KEY.zkey WITNESS.wtns PROOF.json PUBLIC.json, as
 * `sennit zk prove` makes it. A program of its own, as sennit-witness is: to load and relocate a dozen
 * shared libraries takes as long as a small circuit's proof. */
#include <stdio.h>

#include "core/status.h"
#include "sennit/zk_cmd.h"

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: sennit-prove KEY.zkey WITNESS.wtns PROOF.json PUBLIC.json\n");
        return 2;
    }
    int r = zk_prove_files(sn_str(argv[1]), sn_str(argv[2]), sn_str(argv[3]), sn_str(argv[4]));
    if (r < 0) fprintf(stderr, "sennit-prove: %s\n", sn_diag_str(r));
    return r < 0;
}
