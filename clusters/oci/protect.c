/* SPDX-License-Identifier: Apache-2.0 */
/* oci/protect.c - the runtime's own file out of the container's reach, without a second execution.
 *
 * A child that enters a container's namespaces can be seen there, and /proc/PID/exe would lead to
 * the runtime's binary on the host, to be overwritten (CVE-2019-5736); a program of
 * "/proc/self/exe" or with that as interpreter would even run it. Copying the binary into a sealed
 * memfd and executing that costs half a millisecond and a second start. Here the child moves all
 * that is mapped of the file into private memory, and then tells the kernel by PR_SET_MM_MAP that
 * its file is a sealed one in memory. That file needs no content: nobody has to execute it again. A
 * large program has its text in it, so that the text is shared and not charged to the container. A
 * daemon needs neither: protect_open.c. Source: prctl(2) PR_SET_MM_MAP; the kernel refuses the
 * change while the old file is mapped, so nothing can be forgotten. */
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>

#include "clusters/oci/container.h"
#include "clusters/oci/init_int.h"
#include "core/status.h"

#define MAPPINGS_MAX 64 /* of the program's file */
#define MAPPED_BYTES_MAX (64u << 20)
#define TEXT_MOVED_MAX (512 << 10) /* bytes; a larger text is mapped from the sealed file */
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* Where the program's text ends in its file: no more is mapped from the copy. */
static off_t text_end(void)
{
    const ElfW(Phdr) *p = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    off_t end = 0;
    for (unsigned long i = 0; p && i < getauxval(AT_PHNUM); i++)
        if (p[i].p_type == PT_LOAD && (p[i].p_flags & PF_X))
            end = SN_MAX(end, (off_t)(p[i].p_offset + p[i].p_filesz));
    return end;
}

static int copy_text(int fd, off_t end)
{
    int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), e = exe < 0 ? -errno : 0;
    for (off_t at = 0; e == 0 && at < end;)
        if (sendfile(fd, exe, &at, (size_t)(end - at)) <= 0) e = errno ? -errno : -EIO;
    sn_oci_close_fd(&exe);
    return e;
}

int sn_oci_protect_file(bool text)
{
    int fd = memfd_create("sennit-oci", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    if (fd < 0) fd = memfd_create("sennit-oci", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int e = fd < 0 ? -errno : 0;
    if (e == 0 && text) e = copy_text(fd, text_end());
    if (e == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        e = -errno;
    if (e < 0) sn_oci_close_fd(&fd);
    return e < 0 ? e : fd;
}

bool sn_oci_protect_text(void) { return text_end() > TEXT_MOVED_MAX; }

struct range {
    uintptr_t from, to;
    uint64_t offset;
    int prot;
};

static uint64_t hex(const char **at)
{
    uint64_t v = 0;
    for (;; (*at)++) {
        char c = **at;
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        else
            return v;
    }
}

/* One line of /proc/self/maps: FROM-TO rwxp OFFSET MAJOR:MINOR INODE PATH. */
static bool parse_line(const char *line, const struct stat *exe, struct range *ret)
{
    const char *at = line;
    ret->from = hex(&at);
    if (*at++ != '-') return false;
    ret->to = hex(&at);
    if (strnlen(at, 6) < 6) return false;
    ret->prot = (at[1] == 'r' ? PROT_READ : 0) | (at[2] == 'w' ? PROT_WRITE : 0) |
                (at[3] == 'x' ? PROT_EXEC : 0);
    at += 6;
    ret->offset = hex(&at);
    if (*at++ != ' ') return false;
    hex(&at);
    if (*at++ != ':') return false;
    hex(&at);
    if (*at++ != ' ') return false;
    uint64_t inode = 0;
    for (; *at >= '0' && *at <= '9'; at++) inode = inode * 10 + (uint64_t)(*at - '0');
    /* The device of the table is the superblock's, which stat(2) does not always tell: too many are
     * moved rather than too few. */
    return inode == exe->st_ino;
}

/* text: the sealed file that has the text, or -1. */
static int move_range(const struct range *r, int text)
{
    size_t n = r->to - r->from;
    /* Text is as in the file. What is only readable may have been relocated before it became so. */
    if (text >= 0 && r->prot == (PROT_READ | PROT_EXEC) &&
        mmap((void *)r->from, n, r->prot, MAP_PRIVATE | MAP_FIXED, text, (off_t)r->offset) !=
            MAP_FAILED)
        return 0;
    if (!(r->prot & PROT_READ) && mprotect((void *)r->from, n, r->prot | PROT_READ) < 0)
        return -errno;
    /* Populated at once: a fault for each page costs several times the copy. */
    void *copy =
        mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (copy == MAP_FAILED) return -errno;
    memcpy(copy, (void *)r->from, n);
    if ((r->prot != (PROT_READ | PROT_WRITE) && mprotect(copy, n, r->prot) < 0) ||
        mremap(copy, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)r->from) == MAP_FAILED) {
        int e = -errno;
        munmap(copy, n);
        return e;
    }
    return 0;
}

/* A program at fixed addresses and without a loader has of its file mapped what its own headers
 * say. Returns how many; 0: the kernel's table must tell. */
static size_t header_ranges(struct range *out)
{
    const ElfW(Phdr) *p = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    const uintptr_t page = (uintptr_t)getauxval(AT_PAGESZ) - 1;
    size_t n = 0;
    if (!p || getauxval(AT_BASE)) return 0;
    for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) {
        if (p[i].p_type == PT_DYNAMIC || p[i].p_type == PT_INTERP || n == MAPPINGS_MAX) return 0;
        if (p[i].p_type != PT_LOAD || !p[i].p_filesz) continue;
        unsigned f = p[i].p_flags;
        out[n++] = (struct range){.from = p[i].p_vaddr & ~page,
                                  .to = (p[i].p_vaddr + p[i].p_filesz + page) & ~page,
                                  .offset = p[i].p_offset & ~(uint64_t)page,
                                  .prot = (f & PF_R ? PROT_READ : 0) | (f & PF_W ? PROT_WRITE : 0) |
                                          (f & PF_X ? PROT_EXEC : 0)};
    }
    return n;
}

static int find_ranges(struct range *out, size_t *ret_n)
{
    char buf[1024];
    struct stat exe;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC), e = 0;
    if (fd < 0 || stat("/proc/self/exe", &exe) < 0) e = -errno;
    size_t have = 0, n = 0;
    ssize_t r;
    while (e == 0 && (r = read(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
        have += (size_t)r;
        buf[have] = 0;
        char *line = buf, *end;
        for (; (end = strchr(line, '\n')); line = end + 1) {
            *end = 0;
            if (n == MAPPINGS_MAX)
                e = -E2BIG;
            else if (parse_line(line, &exe, &out[n]))
                n++;
        }
        have = (size_t)(buf + have - line);
        memmove(buf, line, have);
        if (have == sizeof(buf) - 1) have = 0; /* the tail of a very long path */
    }
    if (fd >= 0) close(fd);
    *ret_n = n;
    return e;
}

/* Fields of /proc/self/stat that PR_SET_MM_MAP wants back. */
static int read_layout(struct prctl_mm_map *mm)
{
    char text[1024];
    uint64_t v[53] = {0};
    ssize_t n = sn_oci_read_file(AT_FDCWD, "/proc/self/stat", text, sizeof(text));
    if (n < 0) return (int)n;
    const char *p = strrchr(text, ')');
    if (!p) return -EIO;
    p += 2;
    for (int field = 3; field <= 52 && *p; field++) {
        for (v[field] = 0; *p >= '0' && *p <= '9'; p++)
            v[field] = v[field] * 10 + (uint64_t)(*p - '0');
        while (*p && *p != ' ') p++;
        while (*p == ' ') p++;
    }
    mm->start_code = v[26];
    mm->end_code = v[27];
    mm->start_stack = v[28];
    mm->start_data = v[45];
    mm->end_data = v[46];
    mm->start_brk = v[47];
    mm->arg_start = v[48];
    mm->arg_end = v[49];
    mm->env_start = v[50];
    mm->env_end = v[51];
    mm->brk = (uint64_t)syscall(SYS_brk, 0);
    return 0;
}

static int move_all(const struct range *r, size_t n, int text)
{
    size_t bytes = 0;
    int e = 0;
    for (size_t i = 0; i < n; i++) bytes += r[i].to - r[i].from;
    if (bytes > MAPPED_BYTES_MAX) return -E2BIG;
    for (size_t i = 0; i < n && e == 0; i++) e = move_range(&r[i], text);
    return e;
}

static int set_file(struct prctl_mm_map *mm, int fd)
{
    mm->exe_fd = (uint32_t)fd;
    return prctl(PR_SET_MM, PR_SET_MM_MAP, mm, sizeof(*mm), 0) < 0 ? -errno : 0;
}

int sn_oci_protect_self(int fd, bool has_text)
{
    struct range r[MAPPINGS_MAX];
    struct prctl_mm_map mm = {0};
    int e = read_layout(&mm), own = -1;
    if (e < 0) return e;
    size_t n = header_ranges(r);
    e = n ? move_all(r, n, has_text ? fd : -1) : -EBUSY;
    if (e == 0) e = set_file(&mm, fd);
    /* More is mapped than the headers say. */
    if (e == -EBUSY && (e = find_ranges(r, &n)) == 0 &&
        (e = move_all(r, n, has_text ? fd : -1)) == 0)
        e = set_file(&mm, fd);
    /* Where private memory may not become executable (SELinux: execmem), from a file with text. */
    if (e == -EACCES && !has_text && (own = sn_oci_protect_file(true)) >= 0) {
        e = find_ranges(r, &n);
        if (e == 0) e = move_all(r, n, own);
        if (e == 0) e = set_file(&mm, own);
    }
    sn_oci_close_fd(&own);
    return e;
}

bool sn_oci_protects(void)
{
#if defined(SN_ASAN) || defined(SN_TSAN)
    return false; /* their own memory is among what would have to move */
#endif
    unsigned size = 0;
    return prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, &size, 0, 0) == 0 &&
           size == sizeof(struct prctl_mm_map);
}
