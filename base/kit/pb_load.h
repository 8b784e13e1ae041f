/* SPDX-License-Identifier: Apache-2.0 */
/* kit/pb_load.h - message tables made at run time: from a serialised FileDescriptorSet (`protoc
 * --include_imports -o x.pb`, server reflection) to what generated code has as constants. Messages
 * by these tables are read, written and turned into JSON by wire/pb.h; only C has no struct for
 * them.
 *
 * proto2 and proto3. Source: google/protobuf/descriptor.proto. */
#pragma once
#include "core/map.h"
#include "wire/pb.h"

#define SN_PB_LOAD_FILES_MAX 4096u
#define SN_PB_LOAD_TYPES_MAX 65536u
#define SN_PB_LOAD_NESTING_MAX 32u       /* of message types in message types */
#define SN_PB_LOAD_STRUCT_MAX (1u << 20) /* bytes of one message's struct */

struct sn_pb_set {
    const struct sn_pb_file *const *files;
    uint32_t n_files;
    struct sn_map types; /* full name -> struct sn_pb_desc */
};
/* sn_pb_load - builds the tables. Order of the files does not matter, but what they import must be
 * in the set. Returns 0; SN_E_SYNTAX (not a FileDescriptorSet), SN_E_NOT_FOUND (an import or type
 * that is not in it), SN_E_INVALID_ARGUMENT (editions, a bad number, a name twice), SN_E_TOO_LARGE
 * (a limit above), SN_E_NOMEM; the diagnostic names file and symbol. Owns: *ret and all tables are
 * the arena's, but for the map: sn_pb_set_done. Context: anywhere, does not suspend. */
int sn_pb_load(struct sn_str descriptor_set, struct sn_arena *a,
               struct sn_pb_set **ret) SN_MUST_CHECK;
/* sn_pb_set_done - frees what is not the arena's. NULL is accepted. */
void sn_pb_set_done(struct sn_pb_set *s);
/* sn_pb_set_find - the message's table, NULL where absent. */
const struct sn_pb_desc *sn_pb_set_find(const struct sn_pb_set *s, struct sn_str full_name);
/* sn_pb_set_service - NULL where absent. */
const struct sn_pb_service *sn_pb_set_service(const struct sn_pb_set *s, struct sn_str full_name);
