/* SPDX-License-Identifier: Apache-2.0 */
/* kit/grpc_reflect.h - what a server serves, asked of itself: the client's half of server reflection,
 * sans I/O. In rounds: the services' names, the files that define them, the files those import.
 *
 *   while ((r = sn_reflect_ask(&x, &body)) == 1)      frames for one call of ServerReflectionInfo
 *       ... for each message of the answer: sn_reflect_answer(&x, message)
 *   sn_reflect_set(&x, &set);                         a FileDescriptorSet, for kit/pb_load.h
 *
 * v1 and v1alpha have the same messages under two names, SN_REFLECT_V1 and _V1ALPHA.
 * Source: grpc doc/server-reflection.md, reflection.proto. */
#pragma once
#include "core/arena.h"
#include "core/buf.h"
#include "core/map.h"
#include "core/status.h"
#include "core/str.h"

#define SN_REFLECT_V1 "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
#define SN_REFLECT_V1ALPHA "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
#define SN_REFLECT_SERVICES_MAX 1024u
#define SN_REFLECT_FILES_MAX 4096u
#define SN_REFLECT_BYTES_MAX (16u << 20) /* of all files */
#define SN_REFLECT_ROUNDS_MAX 34u        /* names, services, imports 32 deep */

struct sn_reflect_file {
    struct sn_str name, bytes; /* bytes .ptr NULL: named by an import, not here yet */
    bool asked;
};
struct sn_reflect {
    struct sn_arena arena;
    struct sn_str services[SN_REFLECT_SERVICES_MAX];
    unsigned n_services, round;
    unsigned missing; /* services and imports the server could not give */
    struct sn_reflect_file *files;
    size_t n_files, cap;
    struct sn_map by_name; /* -> index + 1 */
    size_t bytes;
};
/* sn_reflect_init - Owns: sn_reflect_done. */
void sn_reflect_init(struct sn_reflect *x);
void sn_reflect_done(struct sn_reflect *x);
/* sn_reflect_ask - appends the next round's requests, framed. Returns 1; 0: nothing is left to ask;
 * SN_E_TOO_LARGE after too many rounds; SN_E_NOMEM. */
int sn_reflect_ask(struct sn_reflect *x, struct sn_buf *out) SN_MUST_CHECK;
/* sn_reflect_answer - one message of an answer, in any order. The reflection services themselves are
 * left out; what the server does not know is counted in `missing`. Returns 0; SN_E_SYNTAX,
 * SN_E_TOO_LARGE (a limit above), SN_E_NOMEM. */
int sn_reflect_answer(struct sn_reflect *x, struct sn_str message) SN_MUST_CHECK;
/* sn_reflect_set - appends the FileDescriptorSet, files in the order of their names. Files whose
 * imports are missing, directly or not, are left out. Returns 0, SN_E_NOMEM. */
int sn_reflect_set(struct sn_reflect *x, struct sn_buf *out) SN_MUST_CHECK;
