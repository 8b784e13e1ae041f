/* SPDX-License-Identifier: Apache-2.0 */
/* cri/security.c - profiles of the kernel's security modules: which one a container gets, and what
 * is refused. On a machine without the module the fields are judged as containerd judges them there.
 * Sources: apparmor(7), selinux(8); CRI's SecurityProfile and SELinuxOption. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "clusters/cri/cri_int.h"

#define ARMOR_LIST "/sys/kernel/security/apparmor/profiles"
#define ARMOR_LIST_MAX (4u << 20)
#define ARMOR_DEFAULT "sennit-default" /* RuntimeDefault, where an administrator has loaded it */

/* ---- AppArmor ---- */

static bool armor_enabled(void)
{
    char c = 'N';
    int fd = open("/sys/module/apparmor/parameters/enabled", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool yes = read(fd, &c, 1) == 1 && c == 'Y';
    close(fd);
    return yes && access(ARMOR_LIST, R_OK) == 0;
}

bool cri_armor_listed(struct sn_str list, struct sn_str profile)
{
    while (list.ptr && list.len) {
        struct sn_str line = sn_str_cut(&list, '\n');
        if (profile.len && sn_str_starts(line, profile) &&
            sn_str_starts(sn_str_from(line, profile.len), SN_STR(" (")))
            return true;
    }
    return false;
}

static int armor_loaded(struct sn_str profile, struct sn_arena *a, bool *ret)
{
    struct sn_str list;
    int r = sn_file_read(a, ARMOR_LIST, ARMOR_LIST_MAX, &list);
    if (r >= 0) *ret = cri_armor_listed(list, profile);
    return r;
}

/* The deprecated field's text, as a profile. */
static int old_field(struct sn_str s, struct runtime_v1_security_profile *ret)
{
    if (sn_str_eqc(s, "runtime/default")) {
        ret->profile_type = RUNTIME_V1_SECURITY_PROFILE_PROFILE_TYPE_RUNTIMEDEFAULT;
    } else if (sn_str_eqc(s, "unconfined")) {
        ret->profile_type = RUNTIME_V1_SECURITY_PROFILE_PROFILE_TYPE_UNCONFINED;
    } else if (sn_str_starts(s, SN_STR("localhost/"))) {
        ret->profile_type = RUNTIME_V1_SECURITY_PROFILE_PROFILE_TYPE_LOCALHOST;
        ret->localhost_ref = s;
    } else {
        return sn_fail(SN_E_INVALID_ARGUMENT, "invalid security profile \"%.*s\"", SN_STR_ARG(s));
    }
    return 0;
}

static int armor(const struct runtime_v1_linux_container_security_context *sc, struct sn_arena *a,
                 struct sn_str *ret)
{
    struct runtime_v1_security_profile old = {0}, none = {0};
    const struct runtime_v1_security_profile *p = sc->apparmor;
    bool there;
    if (!p && sc->apparmor_profile.len) {
        int r = old_field(sc->apparmor_profile, &old);
        if (r < 0) return r;
        p = &old;
    }
    if (!armor_enabled())
        return p && p->profile_type != RUNTIME_V1_SECURITY_PROFILE_PROFILE_TYPE_UNCONFINED
                   ? sn_fail(SN_E_FAILED_PRECONDITION, "apparmor is not supported")
                   : 0;
    if (!p) p = &none;
    bool local = p->profile_type == RUNTIME_V1_SECURITY_PROFILE_PROFILE_TYPE_LOCALHOST;
    if (!local && p->localhost_ref.len)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "apparmor config invalid LocalhostRef must only be set if ProfileType is "
                       "Localhost");
    if (p->profile_type == RUNTIME_V1_SECURITY_PROFILE_PROFILE_TYPE_UNCONFINED ||
        (!local && sc->privileged))
        return 0;
    struct sn_str name = local ? p->localhost_ref : SN_STR(ARMOR_DEFAULT);
    if (sn_str_starts(name, SN_STR("localhost/"))) name = sn_str_from(name, 10);
    int r = armor_loaded(name, a, &there);
    if (r < 0) return sn_wrap(r, "failed to generate apparmor spec opts");
    if (there) *ret = name;
    return there || !local ? 0
                           : sn_fail(SN_E_NOT_FOUND, "apparmor profile not found %.*s",
                                     SN_STR_ARG(name));
}

/* ---- SELinux ---- */

/* Digits from *io on, at most `max`. */
static size_t digits(struct sn_str s, size_t *io, size_t max)
{
    size_t n = 0;
    while (n < max && *io < s.len && s.ptr[*io] >= '0' && s.ptr[*io] <= '9') n++, ++*io;
    return n;
}

static bool level_fits(struct sn_str s)
{
    size_t i = 0;
    if (!s.len) return true;
    if (s.ptr[i++] != 's' || digits(s, &i, 1) != 1) return false;
    if (i + 1 < s.len && s.ptr[i] == '-' && s.ptr[i + 1] == 's') {
        i += 2;
        if (digits(s, &i, 1) != 1) return false;
    }
    if (i == s.len) return true;
    if (s.ptr[i++] != ':') return false;
    for (bool first = true; i < s.len || first; first = false) {
        if (!first && s.ptr[i++] != ',') return false;
        if (i >= s.len || s.ptr[i++] != 'c' || !digits(s, &i, 4)) return false;
        if (i + 1 < s.len && s.ptr[i] == '.' && s.ptr[i + 1] == 'c') {
            i += 2;
            if (!digits(s, &i, 4)) return false;
        }
    }
    return true;
}

int cri_selinux_check(const struct runtime_v1_se_linux_option *o)
{
    return !o || level_fits(o->level)
               ? 0
               : sn_fail(SN_E_INVALID_ARGUMENT, "the format of 'level' \"%.*s\" is not correct",
                         SN_STR_ARG(o->level));
}

static int selinux(const struct runtime_v1_linux_container_security_context *sc,
                   struct sn_arena *a, struct sn_str *ret)
{
    const struct runtime_v1_se_linux_option *o = sc->selinux_options;
    int r = cri_selinux_check(o);
    if (r < 0 || !o || sc->privileged || access("/sys/fs/selinux/enforce", F_OK) < 0) return r;
    *ret = sn_arena_printf(a, "%.*s:%.*s:%.*s:%.*s",
                           SN_STR_ARG(o->user.len ? o->user : SN_STR("system_u")),
                           SN_STR_ARG(o->role.len ? o->role : SN_STR("system_r")),
                           SN_STR_ARG(o->type.len ? o->type : SN_STR("container_t")),
                           SN_STR_ARG(o->level.len ? o->level : SN_STR("s0")));
    return ret->ptr ? 0 : SN_E_NOMEM;
}

int cri_security(const struct runtime_v1_container_config *cfg, struct sn_arena *a,
                 struct cri_labels *ret)
{
    const struct runtime_v1_linux_container_security_context *sc =
        cfg->linux_ ? cfg->linux_->security_context : NULL;
    static const struct runtime_v1_linux_container_security_context nothing;
    *ret = (struct cri_labels){0};
    int r = armor(sc ? sc : &nothing, a, &ret->apparmor);
    return r < 0 ? r : selinux(sc ? sc : &nothing, a, &ret->selinux);
}
