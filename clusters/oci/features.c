/* SPDX-License-Identifier: Apache-2.0 */
/* oci/features.c - what this runtime can, as runtime-spec's features.md wants it said. */
#include "clusters/oci/container.h"
#include "clusters/oci/names.h"
#include "clusters/seccomp/seccomp.h"

static void strings(struct sn_jsonw *w, const char *key, const char *const *list)
{
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_array(w);
    for (; *list; list++) sn_jsonw_str(w, sn_str(*list));
    sn_jsonw_array_end(w);
}

static void table(struct sn_jsonw *w, const char *key, const struct sn_oci_name *names)
{
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_array(w);
    for (; names->name; names++) sn_jsonw_str(w, sn_str(names->name));
    sn_jsonw_array_end(w);
}

static void enabled(struct sn_jsonw *w, const char *key, bool on)
{
    sn_jsonw_key(w, sn_str(key));
    sn_jsonw_object(w);
    sn_jsonw_kbool(w, "enabled", on);
    sn_jsonw_object_end(w);
}

static void seccomp(struct sn_jsonw *w)
{
    sn_jsonw_key(w, SN_STR("seccomp"));
    sn_jsonw_object(w);
    sn_jsonw_kbool(w, "enabled", true);
    strings(w, "actions", sn_seccomp_action_names());
    strings(w, "operators", sn_seccomp_operator_names());
    strings(w, "archs", sn_seccomp_arch_names());
    strings(w, "knownFlags", sn_seccomp_flag_names());
    sn_jsonw_key(w, SN_STR("supportedFlags"));
    sn_jsonw_array(w);
    for (const char *const *f = sn_seccomp_flag_names(); *f; f++)
        if (sn_seccomp_flag_supported(*f)) sn_jsonw_str(w, sn_str(*f));
    sn_jsonw_array_end(w);
    sn_jsonw_object_end(w);
}

static void linux_features(struct sn_jsonw *w)
{
    sn_jsonw_key(w, SN_STR("linux"));
    sn_jsonw_object(w);
    table(w, "namespaces", sn_oci_ns_names);
    table(w, "capabilities", sn_oci_cap_names);
    sn_jsonw_key(w, SN_STR("cgroup"));
    sn_jsonw_object(w);
    sn_jsonw_kbool(w, "v1", true);
    sn_jsonw_kbool(w, "v2", true);
    sn_jsonw_kbool(w, "systemd", false);
    sn_jsonw_kbool(w, "systemdUser", false);
    sn_jsonw_kbool(w, "rdma", true);
    sn_jsonw_object_end(w);
    seccomp(w);
    enabled(w, "apparmor", true);
    enabled(w, "selinux", true);
    enabled(w, "intelRdt", false);
    enabled(w, "netDevices", true);
    sn_jsonw_key(w, SN_STR("memoryPolicy"));
    sn_jsonw_object(w);
    table(w, "modes", sn_oci_mpol_names);
    table(w, "flags", sn_oci_mpol_flag_names);
    sn_jsonw_object_end(w);
    sn_jsonw_key(w, SN_STR("mountExtensions"));
    sn_jsonw_object(w);
    enabled(w, "idmap", true);
    sn_jsonw_object_end(w);
    sn_jsonw_object_end(w);
}

int sn_oci_features(struct sn_buf *out, unsigned indent)
{
    static const char *const hooks[] = {
        "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
        NULL};
    struct sn_jsonw w;
    sn_jsonw_init(&w, out, indent ? &(struct sn_json_style){.indent = indent} : NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "ociVersionMin", SN_STR("1.0.0"));
    sn_jsonw_kstr(&w, "ociVersionMax", SN_STR(SN_OCI_VERSION));
    strings(&w, "hooks", hooks);
    sn_jsonw_key(&w, SN_STR("mountOptions"));
    sn_jsonw_array(&w);
    for (size_t i = 0; sn_oci_mount_option_name(i); i++)
        sn_jsonw_str(&w, sn_str(sn_oci_mount_option_name(i)));
    sn_jsonw_array_end(&w);
    linux_features(&w);
    sn_jsonw_key(&w, SN_STR("annotations"));
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "org.opencontainers.runc.checkpoint.enabled", SN_STR("true"));
    sn_jsonw_object_end(&w);
    sn_jsonw_object_end(&w);
    return out->err;
}
