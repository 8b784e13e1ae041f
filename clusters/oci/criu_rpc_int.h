/* SPDX-License-Identifier: Apache-2.0 */
/* oci/criu_rpc_int.h - criu's messages (protobuf, proto2), only what is spoken here. Numbers: rpc.proto.
 *
 * A request is small and written once, an answer has a dozen fields that matter: the tables of
 * wire/pb.h would be more than all of this, in a program whose pages are copied per container. */
#pragma once
#include "core/buf.h"
#include "core/status.h"
#include "core/str.h"

enum sn_criu_type {
    SN_CRIU_DUMP = 1,
    SN_CRIU_RESTORE = 2,
    SN_CRIU_PRE_DUMP = 4,
    SN_CRIU_NOTIFY = 6,
    SN_CRIU_FEATURE_CHECK = 9,
};
/* Fields of criu_opts. */
enum sn_criu_opt {
    SN_CRIU_IMAGES_DIR_FD = 1,
    SN_CRIU_PID = 2,
    SN_CRIU_LEAVE_RUNNING = 3,
    SN_CRIU_EXT_UNIX_SK = 4,
    SN_CRIU_TCP_ESTABLISHED = 5,
    SN_CRIU_EVASIVE_DEVICES = 6,
    SN_CRIU_SHELL_JOB = 7,
    SN_CRIU_FILE_LOCKS = 8,
    SN_CRIU_LOG_LEVEL = 9,
    SN_CRIU_LOG_FILE = 10,
    SN_CRIU_PAGE_SERVER = 11,
    SN_CRIU_NOTIFY_SCRIPTS = 12,
    SN_CRIU_ROOT = 13,
    SN_CRIU_PARENT_IMG = 14,
    SN_CRIU_TRACK_MEM = 15,
    SN_CRIU_AUTO_DEDUP = 16,
    SN_CRIU_WORK_DIR_FD = 17,
    SN_CRIU_LINK_REMAP = 18,
    SN_CRIU_EXT_MNT = 23,
    SN_CRIU_MANAGE_CGROUPS = 24,
    SN_CRIU_CG_ROOT = 25,
    SN_CRIU_RST_SIBLING = 26,
    SN_CRIU_INHERIT_FD = 27,
    SN_CRIU_EXT_MASTERS = 30,
    SN_CRIU_MANAGE_CGROUPS_MODE = 34,
    SN_CRIU_EXTERNAL = 37,
    SN_CRIU_EMPTY_NS = 38,
    SN_CRIU_JOIN_NS = 39,
    SN_CRIU_FREEZE_CGROUP = 44,
    SN_CRIU_TCP_SKIP_IN_FLIGHT = 46,
    SN_CRIU_LAZY_PAGES = 48,
    SN_CRIU_ORPHAN_PTS_MASTER = 50,
    SN_CRIU_CONFIG_FILE = 51,
    SN_CRIU_LSM_PROFILE = 53,
    SN_CRIU_LSM_MOUNT_CONTEXT = 63,
};
enum { SN_CRIU_FEATURE_MEM_TRACK = 1, SN_CRIU_FEATURE_LAZY_PAGES = 2 };

/* sn_criu_put_num, _str - one field; a bool is a number; negative numbers as int32 has them. Errors
 * are sticky in the buffer. */
void sn_criu_put_num(struct sn_buf *b, unsigned field, int64_t v);
void sn_criu_put_str(struct sn_buf *b, unsigned field, struct sn_str s);
/* sn_criu_put_two - a message of two texts (external mount, cgroup root, namespace to join);
 * sn_criu_put_text_num - of a text and a number (descriptor to inherit, page server). */
void sn_criu_put_two(struct sn_buf *b, unsigned field, struct sn_str one, struct sn_str two);
void sn_criu_put_text_num(struct sn_buf *b, unsigned field, struct sn_str text, int64_t v);
/* sn_criu_request - the whole message to `out`. opts: fields of criu_opts, may be empty; features:
 * SN_CRIU_FEATURE_* to ask for, 0 for none; a notification's answer is type NOTIFY with neither. */
int sn_criu_request(struct sn_buf *out, enum sn_criu_type type, struct sn_str opts,
                    unsigned feature) SN_MUST_CHECK;

struct sn_criu_answer {
    uint32_t type;
    bool success;
    int32_t pid;          /* of a restore, or of the notification; 0: none */
    int32_t error;        /* errno, 0: none said */
    struct sn_str script; /* the notification's name; borrows the message */
    struct sn_str text;   /* criu's own words; borrows the message */
    uint32_t features;    /* bits of 1 << SN_CRIU_FEATURE_* that it has */
};
/* sn_criu_answer_parse - Returns 0 or SN_E_DATA_LOSS (not a message of criu's). */
int sn_criu_answer_parse(struct sn_str in, struct sn_criu_answer *ret) SN_MUST_CHECK;
