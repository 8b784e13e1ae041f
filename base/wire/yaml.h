/* SPDX-License-Identifier: Apache-2.0 */
/* wire/yaml.h - YAML into the same tree as JSON, with the place of every value.
 *
 * Scalars follow YAML 1.2's core schema: null/~/empty, true/false, numbers; everything else, and
 * everything quoted, is a string (so `yes` and `on` are strings). A number with leading zeros is an
 * error, because YAML 1.1 reads it as octal and 1.2 does not; yaml11 makes the 1.1 choice for both,
 * as Kubernetes' tools do. Keys are scalars and become strings as written. Merge keys (<<) are
 * resolved. Anchors and aliases share nodes, and what they stand for is counted: a bomb costs its
 * source text and an error, never its expansion.
 *
 * Sources: YAML 1.2.2, chapter 10.3 (core schema); yaml.org/type/merge. Events come from libyaml.
 */
#pragma once
#include "core/arena.h"
#include "core/str.h"
#include "wire/json.h"

#define SN_YAML_BYTES_DEFAULT (16u << 20)
/* Values in a stream, each alias counted as all it stands for. */
#define SN_YAML_NODES_DEFAULT 1000000u
#define SN_YAML_ANCHORS_MAX 1024
#define SN_YAML_DOCUMENTS_MAX 10000

struct sn_yaml_pos {
    uint32_t line, column; /* 1-based; columns count characters; 0 = unknown */
};
struct sn_yaml_block;
struct sn_yaml_doc {
    const struct sn_json *root;
    struct sn_yaml_pos root_pos;
    const struct sn_yaml_block *blocks; /* places, one block per container */
};
struct sn_yaml_opts {
    uint32_t depth_max; /* 0 = SN_JSON_DEPTH_DEFAULT, at most SN_JSON_DEPTH_MAX */
    size_t bytes_max;   /* 0 = SN_YAML_BYTES_DEFAULT */
    size_t nodes_max;   /* 0 = SN_YAML_NODES_DEFAULT */
    bool yaml11;        /* y/n/yes/no/on/off are booleans, 0644 is octal */
    struct sn_yaml_pos *error; /* where it failed; may be NULL */
};

/* sn_yaml_parse - exactly one document; an empty stream is null.
 * opts: NULL for defaults. Returns 0; SN_E_SYNTAX, SN_E_DEPTH, SN_E_ALREADY_EXISTS (repeated key),
 * SN_E_TOO_LARGE (bytes, values, anchors), SN_E_OUT_OF_RANGE (a number), all with "LINE:COLUMN:
 * what" as diagnostic; SN_E_NOMEM. Owns: everything is the arena's, `text` is not borrowed.
 * Context: anywhere, never suspends; needs about 4 KiB of stack. */
int sn_yaml_parse(struct sn_arena *a, struct sn_str text, const struct sn_yaml_opts *opts,
                  struct sn_yaml_doc *ret) SN_MUST_CHECK;
/* sn_yaml_parse_all - every document of a stream, at most SN_YAML_DOCUMENTS_MAX; as sn_yaml_parse.
 */
int sn_yaml_parse_all(struct sn_arena *a, struct sn_str text, const struct sn_yaml_opts *opts,
                      struct sn_yaml_doc **ret, size_t *ret_n) SN_MUST_CHECK;
/* sn_yaml_pos - where `node`, a key or value of this document's tree by address, begins. {0, 0}
 * for anything else. Linear in the number of containers: for messages. */
struct sn_yaml_pos sn_yaml_pos(const struct sn_yaml_doc *doc, const struct sn_json *node);

struct sn_yaml_style {
    bool sort_keys;
};
/* sn_yaml_write - appends a block-style document, ending in a newline, laid out as Kubernetes'
 * tools do (sequences not indented below their key, text of several lines as literal blocks).
 * Strings that YAML 1.1 or 1.2 would take for something else are quoted. style: NULL = as stored.
 * Returns 0, the buffer's error, SN_E_DEPTH. */
int sn_yaml_write(struct sn_buf *out, const struct sn_json *v, const struct sn_yaml_style *style);
