/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/commands.h - the sub-commands, one file each, and the little they share. */
#pragma once
#include "kit/cli.h"

extern const struct sn_cli_command sn_cmd_abi;
extern const struct sn_cli_command sn_cmd_abi_4byte;
extern const struct sn_cli_command sn_cmd_abi_call;
extern const struct sn_cli_command sn_cmd_abi_decode;
extern const struct sn_cli_command sn_cmd_abi_encode;
extern const struct sn_cli_command sn_cmd_abi_fees;
extern const struct sn_cli_command sn_cmd_abi_gas;
extern const struct sn_cli_command sn_cmd_abi_gen;
extern const struct sn_cli_command sn_cmd_abi_logs;
extern const struct sn_cli_command sn_cmd_abi_receipt;
extern const struct sn_cli_command sn_cmd_abi_send;
extern const struct sn_cli_command sn_cmd_abi_sig;
extern const struct sn_cli_command sn_cmd_abi_tx;
extern const struct sn_cli_command sn_cmd_abi_typed;
extern const struct sn_cli_command sn_cmd_chain;
extern const struct sn_cli_command sn_cmd_cri;
extern const struct sn_cli_command sn_cmd_doctor;
extern const struct sn_cli_command sn_cmd_gateway;
extern const struct sn_cli_command sn_cmd_gen;
extern const struct sn_cli_command sn_cmd_image;
extern const struct sn_cli_command sn_cmd_images;
extern const struct sn_cli_command sn_cmd_load;
extern const struct sn_cli_command sn_cmd_pull;
extern const struct sn_cli_command sn_cmd_exec;
extern const struct sn_cli_command sn_cmd_logs;
extern const struct sn_cli_command sn_cmd_ps;
extern const struct sn_cli_command sn_cmd_rm;
extern const struct sn_cli_command sn_cmd_run;
extern const struct sn_cli_command sn_cmd_stats;
extern const struct sn_cli_command sn_cmd_stop;
extern const struct sn_cli_command sn_cmd_registry;
extern const struct sn_cli_command sn_cmd_rmi;
extern const struct sn_cli_command sn_cmd_serve;
extern const struct sn_cli_command sn_cmd_up;
extern const struct sn_cli_command sn_cmd_version;
extern const struct sn_cli_command sn_cmd_zk;

/* sn_cmd_raise_files - the soft limit of descriptors becomes the hard one, which is a server's to
 * take. Context: before the runtime. */
void sn_cmd_raise_files(void);
/* sn_cmd_debug - sn_debug_start, and says where on standard error. Context: main's fiber. */
int sn_cmd_debug(const char *addr);
