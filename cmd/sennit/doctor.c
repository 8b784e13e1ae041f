/* SPDX-License-Identifier: Apache-2.0 */
/* sennit doctor - what this machine gives Sennit, and what is lost where something is missing. */
#include "kit/doctor.h"

#include <stdio.h>

#include "core/alloc.h"
#include "core/status.h"
#include "sennit/commands.h"

struct doctor_opts {
    bool json;
};
static const struct sn_conf_field fields[] = {
    SN_CONF_BOOL(struct doctor_opts, json, "json", .help = "As JSON."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct doctor_opts, fields);

static int doctor_run(const struct sn_cli_call *call)
{
    const struct doctor_opts *o = call->opts;
    struct sn_doctor *d = sn_zalloc(1, sizeof(*d));
    if (!d) return SN_E_NOMEM;
    sn_doctor_run(d);
    struct sn_buf b;
    sn_buf_init(&b, 0);
    int r = o->json ? sn_doctor_json(d, &b) : sn_doctor_text(d, &b);
    if (r >= 0 && b.len && b.ptr[b.len - 1] != '\n') r = sn_buf_byte(&b, '\n');
    if (r >= 0) fwrite(b.ptr, 1, b.len, stdout);
    sn_buf_done(&b);
    sn_free(d);
    return r;
}

const struct sn_cli_command sn_cmd_doctor = {
    .name = "doctor",
    .brief = "Says what this machine and this process can do: processor, kernel, limits.",
    .about =
        "Every line is tried out, not read from a version number. A line that says no also says\n"
        "what is used instead.",
    .table = &table,
    .run = doctor_run,
};
