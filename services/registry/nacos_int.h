/* SPDX-License-Identifier: Apache-2.0 */
/* registry/nacos_int.h - Nacos's face: what its files share. */
#pragma once
#include <stdlib.h>

#include "crypto/hash.h"
#include "registry/server_int.h"

int nacos_ok(struct reg_req *q, const char *text);
int nacos_forbidden(struct reg_req *q);
bool nacos_writes(struct reg_req *q);
struct sn_str nacos_ns(struct reg_req *q);
int nacos_config(struct reg_req *q, struct sn_str what);

#define NACOS_MD5_LEN 32u
/* nacos_md5 - hexadecimal digest of a configuration's content. Returns as sn_hash_once. */
int nacos_md5(struct sn_str content, char ret[NACOS_MD5_LEN]) SN_MUST_CHECK;
/* nacos_listening - one entry of a Listening-Configs text: dataId^2group^2md5[^2tenant]^1. Returns
 * 1, 0 at the end, SN_E_SYNTAX. */
struct nacos_listen {
    struct sn_str data_id, group, md5, tenant;
};
int nacos_listening(struct sn_str *text, struct nacos_listen *ret) SN_MUST_CHECK;
