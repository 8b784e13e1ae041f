/* SPDX-License-Identifier: Apache-2.0 */
/* bench/zk/prove/rapidsnark.c - one proof with rapidsnark's library, as its own program makes it:
 * key and witness mapped, proof and public signals written. Arguments: ZKEY WTNS PROOF PUBLIC. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <prover.h>

static void *map(const char *path, size_t *ret_n)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) < 0) {
        perror(path);
        exit(1);
    }
    *ret_n = (size_t)st.st_size;
    return mmap(NULL, *ret_n, PROT_READ, MAP_PRIVATE, fd, 0);
}
static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static char proof[4096], public_text[1 << 20], error[512];
    unsigned long n_proof = sizeof(proof), n_public = sizeof(public_text);
    size_t n_key, n_witness;
    if (argc != 5) return 2;
    void *key = map(argv[1], &n_key), *witness = map(argv[2], &n_witness);
    if (groth16_prover(key, n_key, witness, n_witness, proof, &n_proof, public_text, &n_public,
                       error, sizeof(error)) != PROVER_OK) {
        fprintf(stderr, "rapidsnark: %s\n", error);
        return 1;
    }
    put(argv[3], proof);
    put(argv[4], public_text);
    return 0;
}
