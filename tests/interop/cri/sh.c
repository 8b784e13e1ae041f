/* SPDX-License-Identifier: Apache-2.0 */
/* interop/cri/sh.c - /bin/sh of the test images: busybox's, but a command that is one word is looked
 * for on the disk, as every shell does that has no commands built in. critest masks /bin/ls and wants
 * to be told so; Debian's busybox would run its own ls. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "-c") && strspn(argv[2], "abcdefghijklmnopqrstuvwxyz") == strlen(argv[2])) {
        char path[64];
        char *const one[] = {argv[2], NULL};
        snprintf(path, sizeof path, "/bin/%s", argv[2]);
        execv(path, one);
        if (errno != ENOENT) {
            fprintf(stderr, "%s: %s: %m\n", argv[0], argv[2]);
            return 126;
        }
    }
    argv[0] = "/bin/sh";
    execv("/bin/busybox", argv);
    perror("/bin/busybox");
    return 127;
}
