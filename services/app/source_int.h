/* SPDX-License-Identifier: Apache-2.0 */
/* app/source_int.h - the instances of a service that a registry names, followed for a client. */
#pragma once
#include "core/status.h"
#include "core/str.h"

#define APP_SOURCE_TARGETS_MAX 1024u

struct app_target {
    struct sn_str addr; /* "10.0.0.1:80", "[::1]:80" */
    struct sn_str zone; /* may be empty */
    uint32_t weight;    /* at least 1 */
};
struct app_source;
struct app_source_opts {
    struct sn_str url;   /* a registry's, ending in the service: sn_registry_split */
    struct sn_str token; /* of the registry; may be empty */
    /* found - the instances to use from now on: the healthy ones, or all where none is (a guess
     * beats a sure refusal); no address twice; n may be 0. Called first when the registry has
     * answered, then with every change, by one fiber of the source. < 0: called again in a second. */
    int (*found)(const struct app_target *list, uint32_t n, void *arg);
    void *arg;
};
/* app_source_open - begins to follow; does not wait for the registry. Returns 0, SN_E_SYNTAX (the
 * URL), as sn_registry_watch. Owns: app_source_close; `found` is not called after it. Context: a
 * fiber; the source's fibers are of its scope. */
int app_source_open(const struct app_source_opts *o, struct app_source **ret) SN_MUST_CHECK;
/* app_source_close - accepts NULL. Suspends. */
void app_source_close(struct app_source *s);
/* app_source_host - what requests name as their host: the service, where its name can stand for
 * one; "localhost" otherwise. */
struct sn_str app_source_host(const struct app_source *s);
