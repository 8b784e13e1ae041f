/* SPDX-License-Identifier: Apache-2.0 */
/* consensus_peer FILE HEAD - for consensus.sh: reads a consensus log and writes its records, one by one
 * and synced, to a log of ours with short files, which CometBFT then reads. */
#include <stdio.h>

#include "consensus/wal_file.h"
#include "fiber/fiber.h"
#include "fiber/os.h"

static int copy(void *arg)
{
    char **argv = arg;
    struct sn_arena a;
    struct sn_str all;
    struct sn_cons_wal *w;
    struct sn_cons_wal_record rec;
    struct sn_cons_wal_opts o = {.head_bytes_max = 2500};
    unsigned n = 0;
    sn_arena_init(&a, NULL, 0);
    int r = sn_file_read(&a, argv[1], SN_CONS_WAL_FILE_MAX, &all);
    if (r >= 0) r = sn_cons_wal_open(argv[2], &o, NULL, &w);
    if (r < 0) return r;
    while ((r = sn_cons_wal_next(&all, &a, &rec)) == 0 && r >= 0) {
        r = sn_cons_wal_append(w, &rec);
        if (r >= 0) r = sn_cons_wal_sync(w);
        if (r < 0) break;
        n++;
    }
    sn_cons_wal_close(w);
    sn_arena_done(&a);
    if (r == SN_E_EOF) printf("%u records\n", n);
    return r == SN_E_EOF ? 0 : r;
}

int main(int argc, char **argv)
{
    if (argc != 3) return 2;
    int r = sn_rt_run(&(struct sn_rt_opts){.workers = 1}, copy, argv);
    if (r < 0) fprintf(stderr, "consensus_peer: %s\n", sn_diag_str(r));
    return r < 0;
}
