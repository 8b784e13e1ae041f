/* SPDX-License-Identifier: Apache-2.0 */
/* Any text: an error that names its place, or a configuration whose derived parts hold together. */
#include <stdint.h>

#include "clusters/oci/spec_int.h"

static void check(const struct sn_oci_spec *s)
{
    SN_ASSERT(s->root.path && s->root.path[0] && s->version);
    for (size_t i = 0; i < s->mounts.n; i++) {
        const struct sn_oci_mount *m = &s->mounts.ptr[i];
        SN_ASSERT(m->destination[0] && m->data_text && !(m->set & m->clear & ~0x70ull));
        SN_ASSERT(m->kind != SN_OCI_MOUNT_BIND || m->source[0]);
        SN_ASSERT(m->uid_maps.n == 0 || m->gid_maps.n != 0);
        for (size_t k = 0; k < m->data.n; k++) SN_ASSERT(m->data.ptr[k].key[0]);
    }
    uint64_t all = 0;
    for (size_t i = 0; i < s->namespaces.n; i++) {
        SN_ASSERT(s->namespaces.ptr[i].flag && !(all & s->namespaces.ptr[i].flag));
        all |= s->namespaces.ptr[i].flag;
    }
    SN_ASSERT((s->ns_new & all) == s->ns_new);
    if (s->process.args.ptr) SN_ASSERT(s->process.args.ptr[s->process.args.n] == NULL);
    if (s->process_set) SN_ASSERT(s->process.cwd[0] == '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sn_arena a;
    struct sn_oci_spec s;
    struct sn_oci_process_spec p;
    struct sn_str text = sn_str_of((const char *)data, size);
    sn_arena_init(&a, NULL, 64u << 20);
    if (sn_oci_spec_parse(&a, text, NULL, NULL, &s) == 0) {
        check(&s);
        if (s.process_set) (void)!sn_oci_process_parse(&a, SN_STR("{\"args\":[\"x\"]}"), &s.process, NULL, NULL, &p);
    }
    if (sn_oci_process_parse(&a, text, NULL, NULL, NULL, &p) == 0) SN_ASSERT(p.args.n && p.args.ptr[0][0]);
    sn_arena_done(&a);
    return 0;
}
