/* SPDX-License-Identifier: Apache-2.0 */
/* exe_watch.c - what CVE-2019-5736 did, from inside a container: for SECONDS it looks at each
 * process it can see whose program is neither its own nor a file of its own root, and tries to
 * open that program for writing: by /proc/PID/exe, by a handle kept from then, by the mappings.
 * Prints one line: "foreign N devices D,D writable W hidden H": processes seen, the device numbers
 * of their programs, how many attempts succeeded, how many processes did not show theirs. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

static unsigned foreign, writable, hidden, n_devices;
static dev_t devices[32];
static struct stat own;
static char what[256]; /* the first that could be written to */

static void try(const char *path)
{
    static const int how[] = {O_WRONLY, O_RDWR, O_WRONLY | O_APPEND};
    for (size_t i = 0; i < sizeof(how) / sizeof(*how); i++) {
        int fd = open(path, how[i] | O_CLOEXEC);
        if (fd < 0) continue;
        if (!writable++) {
            ssize_t n = readlink(path, what, sizeof(what) - 1);
            what[n > 0 ? n : 0] = 0;
        }
        close(fd);
    }
}

static void mappings(const char *pid)
{
    char dir[64], path[384];
    struct stat st;
    snprintf(dir, sizeof(dir), "/proc/%s/map_files", pid);
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.' && stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
            st.st_ino != own.st_ino)
            try(path);
    }
    if (d) closedir(d);
}

static void look(const char *pid)
{
    char path[64], by_handle[64];
    struct stat st, root;
    snprintf(path, sizeof(path), "/proc/%s/exe", pid);
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) {
        hidden += errno == EACCES || errno == EPERM;
        return;
    }
    /* What lies on the device of our own root, or is our own file, is the container's. */
    if (fstat(fd, &st) == 0 && stat("/bin/busybox", &root) == 0 && st.st_dev != root.st_dev &&
        (st.st_dev != own.st_dev || st.st_ino != own.st_ino)) {
        foreign++;
        unsigned i = 0;
        while (i < n_devices && devices[i] != st.st_dev) i++;
        if (i == n_devices && n_devices < sizeof(devices) / sizeof(*devices))
            devices[n_devices++] = st.st_dev;
        try(path);
        snprintf(by_handle, sizeof(by_handle), "/proc/self/fd/%d", fd);
        try(by_handle);
        mappings(pid);
    }
    close(fd);
}

int main(int argc, char **argv)
{
    time_t until = time(NULL) + (argc > 1 ? (time_t)strtoul(argv[1], NULL, 10) : 3);
    if (stat("/proc/self/exe", &own) < 0) return 1;
    while (time(NULL) < until) {
        DIR *d = opendir("/proc");
        for (struct dirent *e; d && (e = readdir(d));)
            if (isdigit((unsigned char)e->d_name[0])) look(e->d_name);
        if (d) closedir(d);
    }
    printf("foreign %u devices ", foreign);
    for (unsigned i = 0; i < n_devices; i++)
        printf("%s%u:%u", i ? "," : "", major(devices[i]), minor(devices[i]));
    printf(" writable %u hidden %u %s\n", writable, hidden, what);
    return 0;
}
