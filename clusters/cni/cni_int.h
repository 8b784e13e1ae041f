/* SPDX-License-Identifier: Apache-2.0 */
/* cni/cni_int.h - between the files of this folder. */
#pragma once
#include "clusters/cni/cni.h"
#include "core/buf.h"
#include "wire/json.h"

struct cni_list { /* a parsed network list; everything in its arena */
    struct sn_str name, version, text, file;
    const struct sn_json *plugins[SN_CNI_PLUGINS_MAX];
    struct sn_str types[SN_CNI_PLUGINS_MAX];
    unsigned n;
    bool no_check, no_gc;
};
/* cni_list_parse - `text`: a list, or (single) one plugin's configuration. Returns 0 or
 * SN_E_SYNTAX, the diagnostic begins with `file`. Borrows text. */
int cni_list_parse(struct sn_arena *a, struct sn_str file, struct sn_str text, bool single,
                   struct cni_list *ret) SN_MUST_CHECK;

/* cni_result_parse - of any version from 0.3.0 on. cni_result_write - as `version` wants it. */
int cni_result_parse(struct sn_arena *a, const struct sn_json *v,
                     struct sn_cni_result *ret) SN_MUST_CHECK;
void cni_result_write(struct sn_jsonw *w, const struct sn_cni_result *r, struct sn_str version);

/* One run of one built-in plugin. */
struct cni_run {
    struct sn_arena *a;
    const struct sn_cni_pod *pod;
    const char *ifname;
    int netns_fd; /* -1: gone */
    const char *state_dir;
    struct sn_str network, version;
    const struct sn_json *conf;   /* of the plugin */
    struct sn_cni_result *result; /* what came before; ADD changes it */
    bool have_result;             /* DEL, CHECK: it was cached */
    const char *const *valid;     /* GC: ids of living pods */
    unsigned n_valid;
};
enum cni_command { CNI_ADD, CNI_DEL, CNI_CHECK, CNI_GC, CNI_STATUS };
/* Built-in plugins are synchronous and run beside the workers. */
typedef int (*cni_builtin)(struct cni_run *run, enum cni_command cmd);
/* cni_builtin_find - NULL for a foreign type. */
cni_builtin cni_builtin_find(struct sn_str type);
int cni_bridge(struct cni_run *run, enum cni_command cmd) SN_MUST_CHECK;
int cni_portmap(struct cni_run *run, enum cni_command cmd) SN_MUST_CHECK;
int cni_lo(struct cni_run *run, enum cni_command cmd) SN_MUST_CHECK;
/* cni_host_local - the address management that `ipam` of a plugin asks for. */
int cni_host_local(struct cni_run *run, const struct sn_json *ipam, enum cni_command cmd);

/* ---- nftables: one table of ours ---- */
/* cni_nat_masquerade - what leaves prefix `net` for elsewhere gets the host's address. */
int cni_nat_masquerade(struct sn_str network, const struct sn_cidr *net) SN_MUST_CHECK;
/* cni_nat_ports - host ports to `at`. del: takes them away again, absent ones are fine. */
int cni_nat_ports(const struct sn_cni_port *ports, unsigned n, const struct sn_ip *at,
                  bool del) SN_MUST_CHECK;
/* cni_nat_gc - host ports that lead to none of the addresses go. */
int cni_nat_gc(const struct sn_ip *valid, unsigned n) SN_MUST_CHECK;

/* cni_exec - runs a foreign plugin. ret_out: its standard output, in `a`. Returns 0, SN_E_NOT_FOUND
 * (no such program), SN_E_DEADLINE_EXCEEDED, SN_E_UNAVAILABLE (its own message). Suspends. */
struct cni_exec {
    const char *command, *bin_dirs;
    struct sn_str type;
    const struct sn_cni_pod *pod; /* NULL: GC, STATUS, VERSION */
    const char *ifname;
    struct sn_str conf;
    int64_t ns_max;
};
/* cni_exec_find - whether the program is there. Returns 0, SN_E_NOT_FOUND. */
int cni_exec_find(const char *bin_dirs, struct sn_str type) SN_MUST_CHECK;
int cni_exec(const struct cni_exec *x, struct sn_arena *a, struct sn_str *ret_out) SN_MUST_CHECK;

/* cni_put - a sysctl or another small file, only where it differs. Failures are the caller's to
 * judge. */
int cni_put(const char *path, const char *text);
