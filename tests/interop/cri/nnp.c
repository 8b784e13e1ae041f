/* SPDX-License-Identifier: Apache-2.0 */
/* interop/cri/nnp.c - a set-uid program: no_new_privs is seen by whom it runs as. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    printf("Effective uid: %d\n", (int)geteuid());
    return 0;
}
