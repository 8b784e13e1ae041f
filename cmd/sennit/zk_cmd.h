/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/zk_cmd.h - what the files of `sennit zk` share. */
#pragma once
#include "kit/cli.h"
#include "sennit/zk_io.h"
#include "wire/json.h"
#include "zk/groth16.h"

extern const struct sn_cli_command zk_cmd_export;
extern const struct sn_cli_command zk_cmd_prove;
extern const struct sn_cli_command zk_cmd_ptau;
extern const struct sn_cli_command zk_cmd_setup;
extern const struct sn_cli_command zk_cmd_verify;

/* zk_par - plain threads on every processor this process may use: the commands have no runtime. */
const struct sn_par *zk_par(void);
/* zk_read_r1cs, wtns - map, read, unmap; the diagnostic names the path. */
int zk_read_r1cs(struct sn_str path, struct sn_r1cs *ret) SN_MUST_CHECK;
int zk_read_wtns(struct sn_str path, const struct sn_field **ret_f, struct sn_fe **ret,
                 size_t *ret_n) SN_MUST_CHECK;
/* zk_write_text - the whole file at once. */
int zk_write_text(struct sn_str path, const struct sn_buf *text) SN_MUST_CHECK;
/* zk_random - secret bytes from the kernel. Returns 0 or SN_E_IO. */
int zk_random(void *out, size_t n) SN_MUST_CHECK;
/* zk_print_json - a tree on standard output. */
int zk_print_json(const struct sn_json *v) SN_MUST_CHECK;
