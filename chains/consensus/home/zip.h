/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/home/zip.h - a ZIP archive in memory: what `debug` hands over. Deflated members, no
 * archive beyond 4 GiB. Source: PKWARE APPNOTE 6.3.9, sections 4.3 to 4.5. Nothing suspends. */
#pragma once
#include "core/buf.h"
#include "core/str.h"

#define SN_ZIP_MEMBERS_MAX 256
#define SN_ZIP_NAME_MAX 255
#define SN_ZIP_BYTES_MAX (1u << 30) /* of the archive */

struct sn_zip_member {
    char name[SN_ZIP_NAME_MAX + 1];
    uint32_t crc, packed, size, offset;
    uint16_t time, date; /* as MS-DOS had them */
};
struct sn_zip {
    struct sn_buf out;
    struct sn_zip_member members[SN_ZIP_MEMBERS_MAX];
    unsigned n;
};
/* sn_zip_init - Owns: sn_zip_done. */
void sn_zip_init(struct sn_zip *z);
void sn_zip_done(struct sn_zip *z);
/* sn_zip_add - one file. unix_ns: its time. Returns 0, SN_E_TOO_LARGE (members, name, bytes),
 * SN_E_INVALID_ARGUMENT (a name that would leave the folder), SN_E_NOMEM. */
int sn_zip_add(struct sn_zip *z, const char *name, struct sn_str data, int64_t unix_ns) SN_MUST_CHECK;
/* sn_zip_finish - the directory; z->out is the archive then. Returns 0 or the buffer's error. */
int sn_zip_finish(struct sn_zip *z) SN_MUST_CHECK;
