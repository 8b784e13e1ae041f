/* SPDX-License-Identifier: Apache-2.0 */
/* kit/doctor_bpf.c - what the kernel lets this process do with BPF: by doing it, with the least
 * program of each type and the smallest map of each kind. The rows of the group "bpf" are what
 * sennit-bpf needs (docs/takeover.md). */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/str.h"
#include "kit/doctor_int.h"

static long bpf(int cmd, union bpf_attr *attr)
{
    return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

/* "return 1". */
static long load(uint32_t type, uint32_t attach)
{
    static const char license[] = "Apache-2.0";
    const struct bpf_insn program[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.prog_type = type;
    attr.expected_attach_type = attach;
    attr.insns = (uint64_t)(uintptr_t)program;
    attr.insn_cnt = SN_COUNT_OF(program);
    attr.license = (uint64_t)(uintptr_t)license;
    return bpf(BPF_PROG_LOAD, &attr);
}

/* Says yes, or why not; closes what came. */
static void say_fd(struct sn_probe *p, long fd, int err, const char *without)
{
    sn_doctor_answer(p, fd, err, without);
    if (fd >= 0) close((int)fd);
}

/* ---- programs -------------------------------------------------------------------------------- */

void sn_doctor_bpf(struct sn_doctor *d)
{
    struct sn_probe *p = sn_doctor_add(d, "kernel", "bpf_socket_filter");
    long fd = load(BPF_PROG_TYPE_SOCKET_FILTER, 0);
    say_fd(p, fd, errno, "no programs are loaded: policy and kernel-side metrics are off");
    p = sn_doctor_add(d, "kernel", "bpf_cgroup_skb");
    fd = load(BPF_PROG_TYPE_CGROUP_SKB, 0);
    say_fd(p, fd, errno, "network policy and accounting of pods need it");
    p = sn_doctor_add(d, "kernel", "btf");
    sn_doctor_answer(p, access("/sys/kernel/btf/vmlinux", R_OK), errno,
                     "programs that follow kernel structs do not load");
}

static void probe_programs(struct sn_doctor *d)
{
    static const struct {
        const char *name;
        uint32_t type, attach;
    } rows[] = {
        {"connect4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT},
        {"connect6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_CONNECT},
        {"sendmsg4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_UDP4_SENDMSG},
        {"sendmsg6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_UDP6_SENDMSG},
        {"recvmsg4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_UDP4_RECVMSG},
        {"recvmsg6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_UDP6_RECVMSG},
        {"getpeername4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_GETPEERNAME},
        {"getpeername6", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_GETPEERNAME},
        {"getsockopt", BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_CGROUP_GETSOCKOPT},
        {"sockops", BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS},
        {"sk_msg", BPF_PROG_TYPE_SK_MSG, BPF_SK_MSG_VERDICT},
    };
    struct sn_probe *p = sn_doctor_add(d, "bpf", "programs");
    unsigned good = 0;
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        long fd = load(rows[i].type, rows[i].attach);
        if (fd < 0) {
            char text[SN_PROBE_DETAIL_MAX];
            snprintf(text, sizeof(text), "%s does not load; sennit-bpf needs it", rows[i].name);
            sn_doctor_answer(p, fd, errno, text);
            break;
        }
        close((int)fd);
        good++;
    }
    p->value = good;
    if (good == SN_COUNT_OF(rows))
        sn_doctor_say(p, SN_PROBE_YES,
                      "all %u types load: cgroup addresses and options, sockops, sk_msg", good);
}

/* Told by the error: a link to a descriptor that is none fails as such only where links are known.
 */
static void probe_links(struct sn_doctor *d)
{
    struct sn_probe *p = sn_doctor_add(d, "bpf", "cgroup_links");
    long prog = load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT);
    union bpf_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.link_create.prog_fd = (uint32_t)prog;
    attr.link_create.target_fd = (uint32_t)-1;
    attr.link_create.attach_type = BPF_CGROUP_INET4_CONNECT;
    long r = prog < 0 ? -1 : bpf(BPF_LINK_CREATE, &attr);
    sn_doctor_answer(p, prog >= 0 && errno == EBADF ? 0 : r, errno,
                     "programs cannot outlive their loader, so nothing is attached");
    if (prog >= 0) close((int)prog);
}

/* ---- maps ------------------------------------------------------------------------------------ */

static long map(uint32_t type, uint32_t key, uint32_t value, uint32_t inner)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.map_type = type;
    attr.key_size = key;
    attr.value_size = value;
    attr.max_entries = 1;
    attr.inner_map_fd = inner;
    return bpf(BPF_MAP_CREATE, &attr);
}

/* Storage of sockets exists only with a description of its key and value: one type, int. */
static long describe_int(void)
{
    struct {
        struct {
            uint16_t magic;
            uint8_t version, flags;
            uint32_t hdr_len, type_off, type_len, str_off, str_len;
        } head;
        uint32_t type[4];
        char names[8];
    } btf = {
        {0xeb9f, 1, 0, 24, 0, 16, 16, 5},
        {1, 1u << 24 /* BTF_KIND_INT */, 4, (1u << 24) | 32 /* signed, 32 bits */},
        "\0int",
    };
    union bpf_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.btf = (uint64_t)(uintptr_t)&btf;
    attr.btf_size = sizeof(btf.head) + sizeof(btf.type) + 5;
    return bpf(BPF_BTF_LOAD, &attr);
}

static long sk_storage(void)
{
    long btf = describe_int();
    if (btf < 0) return btf;
    union bpf_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.map_type = BPF_MAP_TYPE_SK_STORAGE;
    attr.key_size = attr.value_size = sizeof(int);
    attr.map_flags = BPF_F_NO_PREALLOC;
    attr.btf_fd = (uint32_t)btf;
    attr.btf_key_type_id = attr.btf_value_type_id = 1;
    long fd = bpf(BPF_MAP_CREATE, &attr);
    int err = errno;
    close((int)btf);
    errno = err;
    return fd;
}

static void probe_maps(struct sn_doctor *d)
{
    struct sn_probe *p = sn_doctor_add(d, "bpf", "hash_of_maps");
    long inner = map(BPF_MAP_TYPE_ARRAY, 4, 8, 0);
    long fd = inner < 0 ? inner : map(BPF_MAP_TYPE_HASH_OF_MAPS, 4, 4, (uint32_t)inner);
    say_fd(p, fd, errno, "back-ends could not be swapped in one step");
    if (inner >= 0) close((int)inner);
    p = sn_doctor_add(d, "bpf", "sk_storage");
    fd = sk_storage();
    say_fd(p, fd, errno, "the original destination has no place to be kept");
    p = sn_doctor_add(d, "bpf", "sockhash");
    fd = map(BPF_MAP_TYPE_SOCKHASH, 4, 8, 0);
    say_fd(p, fd, errno, "no short-cut; all else works");
}

/* ---- places and rights ----------------------------------------------------------------------- */

/* The first mount of a kind; false where there is none. */
static bool mounted(const char *kind, char *out, size_t cap)
{
    char line[1024];
    FILE *f = fopen("/proc/self/mounts", "re");
    bool found = false;
    while (f && !found && fgets(line, sizeof(line), f)) {
        struct sn_str rest = sn_str(line);
        (void)sn_str_cut(&rest, ' ');
        struct sn_str at = sn_str_cut(&rest, ' ');
        found = sn_str_eqc(sn_str_cut(&rest, ' '), kind) && sn_str_cz(at, out, cap) == 0;
    }
    if (f) fclose(f);
    return found;
}

static void probe_places(struct sn_doctor *d)
{
    char at[96];
    struct sn_probe *p = sn_doctor_add(d, "bpf", "cgroup2_tree");
    if (mounted("cgroup2", at, sizeof(at)))
        sn_doctor_say(p, access(at, W_OK) == 0 ? SN_PROBE_YES : SN_PROBE_LIMITED, "%s%s", at,
                      access(at, W_OK) == 0 ? "" : ": not to be written by this process");
    else
        sn_doctor_say(p, SN_PROBE_NO, "none is mounted: there is nothing to attach to");
    p = sn_doctor_add(d, "bpf", "bpf_fs");
    if (mounted("bpf", at, sizeof(at)))
        sn_doctor_say(p, SN_PROBE_YES, "%s", at);
    else
        sn_doctor_say(
            p, SN_PROBE_NO,
            "none is mounted (mount -t bpf bpf /sys/fs/bpf): redirection ends with its loader");
}

static void probe_rights(struct sn_doctor *d)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    struct sn_probe *p = sn_doctor_add(d, "bpf", "capabilities");
    long r = syscall(SYS_capget, &head, data);
    bool net = data[0].effective >> CAP_NET_ADMIN & 1,
         bpf = data[1].effective >> (CAP_BPF - 32) & 1,
         all = data[0].effective >> CAP_SYS_ADMIN & 1;
    if (r == 0 && net && (bpf || all))
        sn_doctor_say(p, SN_PROBE_YES, "CAP_NET_ADMIN and %s", bpf ? "CAP_BPF" : "CAP_SYS_ADMIN");
    else
        sn_doctor_say(p, SN_PROBE_NO,
                      "CAP_NET_ADMIN and CAP_BPF are needed: sennit-bpf load runs as root");
}

void sn_doctor_takeover(struct sn_doctor *d)
{
    probe_programs(d);
    probe_links(d);
    probe_maps(d);
    probe_places(d);
    probe_rights(d);
}
