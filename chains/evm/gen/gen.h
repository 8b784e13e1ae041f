/* SPDX-License-Identifier: Apache-2.0 */
/* evm/gen/gen.h - SDK packages in TypeScript, Python, Rust, Go and C from contract ABIs.
 *
 * One package (folder) per language, one module per contract. Output depends on the contracts and
 * the options alone: their order, the machine and the day change no byte. Names are resolved once
 * per language: overloads carry the types of the parameters that tell them apart, what the language
 * or the package reserves gets a trailing '_', and what two names of one contract would turn into
 * alike gets the selector as a suffix. */
#pragma once
#include "core/arena.h"
#include "core/base.h"
#include "core/str.h"

enum sn_abigen_lang {
    SN_ABIGEN_TS = 1,
    SN_ABIGEN_PY = 2,
    SN_ABIGEN_RUST = 4,
    SN_ABIGEN_GO = 8,
    SN_ABIGEN_C = 16,
    SN_ABIGEN_ALL = 31,
};
struct sn_abigen_opts {
    unsigned langs;         /* of enum sn_abigen_lang; 0 = SN_ABIGEN_ALL */
    struct sn_str package;  /* lower-case letters, digits, '-'; empty = "contracts" */
    struct sn_str version;  /* of the packages; empty = "0.1.0" */
    struct sn_str go_module; /* import path of the Go package; empty = "example.com/PACKAGE" */
};
struct sn_abigen_file {
    struct sn_str path; /* relative, '/' between folders: "ts/src/token.ts" */
    struct sn_str text;
};

/* A text that holds contracts, whatever sn_abi_load reads; of a bare ABI the file's name is the
 * contract's. */
struct sn_abigen_source {
    struct sn_str path; /* for messages and, without a better one, the name */
    struct sn_str text;
};
struct sn_abigen_result {
    struct sn_abigen_file *files; /* sorted by path */
    size_t n_files, n_contracts;
};

/* sn_abigen - the files of the asked languages. Of contracts with one name the equal ones are one;
 * different ones get a number, in the order of their sources' names.
 * sources: what holds no ABI (a compiler's cache, package.json) is passed over.
 * Returns 0; SN_E_INVALID_ARGUMENT for options that name nothing; SN_E_SYNTAX for text that is
 * neither; SN_E_NOT_FOUND without any contract; SN_E_ALREADY_EXISTS where two functions or two errors
 * of a contract share a selector; SN_E_UNIMPLEMENTED for fixed-point numbers and arrays of no
 * elements; SN_E_DEPTH, SN_E_TOO_LARGE for what is beyond the limits in abi.h or nests deeper than 24
 * levels; SN_E_NOMEM.
 * Owns: everything is the arena's, except texts borrowed from `sources`. Context: anywhere, never
 * suspends. Source: the Solidity documentation, "Contract ABI Specification". */
int sn_abigen(struct sn_arena *a, const struct sn_abigen_source *sources, size_t n_sources,
              const struct sn_abigen_opts *opts, struct sn_abigen_result *ret) SN_MUST_CHECK;
/* sn_abigen_lang_of - "ts", "py", "rust", "go", "c" and their long names. Returns the
 * enum sn_abigen_lang or SN_E_NOT_FOUND. */
int sn_abigen_lang_of(struct sn_str name);
