/* SPDX-License-Identifier: Apache-2.0 */
#include "sennit-bpf/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/status.h"

static int keep_only(unsigned cap)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    data[cap / 32].permitted = data[cap / 32].effective = 1u << (cap % 32);
    return (int)syscall(SYS_capset, &head, data);
}

int tk_privileges_drop(unsigned uid)
{
    /* The bounding set first: emptying it takes a capability that goes next. */
    for (unsigned c = 0; c <= CAP_LAST_CAP; c++)
        if (c != CAP_BPF && prctl(PR_CAPBSET_READ, c) == 1 && prctl(PR_CAPBSET_DROP, c) < 0)
            return sn_fail_errno(errno, "drop capability %u", c);
    if (geteuid() == 0) {
        if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setgroups(0, NULL) < 0 ||
            setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
            return sn_fail_errno(errno, "become user %u", uid);
    }
    if (keep_only(CAP_BPF) < 0) return sn_fail_errno(errno, "keep CAP_BPF alone");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return sn_fail_errno(errno, "no_new_privs");
    return 0;
}
