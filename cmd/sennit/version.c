/* SPDX-License-Identifier: Apache-2.0 */
/* sennit version - what this program is and what it was built from. */
#include <stdio.h>

#include "core/buf.h"
#include "sennit/commands.h"
#include "wire/json.h"

struct version_opts {
    bool json;
};
static const struct sn_conf_field fields[] = {
    SN_CONF_BOOL(struct version_opts, json, "json", .help = "As one JSON object."),
};
static const struct sn_conf_table table = SN_CONF_TABLE(struct version_opts, fields);

#if defined(__x86_64__)
#define MACHINE "x86_64"
#elif defined(__aarch64__)
#define MACHINE "aarch64"
#else
#define MACHINE "unknown"
#endif
#if defined(SN_ASAN)
#define SANITIZER "address"
#elif defined(SN_TSAN)
#define SANITIZER "thread"
#else
#define SANITIZER "none"
#endif

static int version_run(const struct sn_cli_call *call)
{
    const struct version_opts *o = call->opts;
    if (!o->json) {
        printf("sennit %s (linux %s, compiler %s, sanitizer %s)\n", SN_VERSION, MACHINE,
               __VERSION__, SANITIZER);
        return 0;
    }
    struct sn_buf b;
    struct sn_jsonw w;
    sn_buf_init(&b, 0);
    sn_jsonw_init(&w, &b, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "version", sn_str(SN_VERSION));
    sn_jsonw_kstr(&w, "machine", sn_str(MACHINE));
    sn_jsonw_kstr(&w, "compiler", sn_str(__VERSION__));
    sn_jsonw_kstr(&w, "sanitizer", sn_str(SANITIZER));
    sn_jsonw_object_end(&w);
    sn_buf_byte(&b, '\n');
    int r = b.err;
    if (r >= 0) fwrite(b.ptr, 1, b.len, stdout);
    sn_buf_done(&b);
    return r;
}

const struct sn_cli_command sn_cmd_version = {
    .name = "version",
    .brief = "Prints the version and how this program was built.",
    .table = &table,
    .run = version_run,
};
