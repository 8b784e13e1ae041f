/* SPDX-License-Identifier: Apache-2.0 */
#include "sennit/gen_model.h"

#include "codegen/codegen.h"

static const struct sn_conf_enum servers[] = {{"mariadb", SN_DDL_MARIADB},
                                              {"mysql", SN_DDL_MARIADB},
                                              {"postgres", SN_DDL_POSTGRES},
                                              {"pg", SN_DDL_POSTGRES},
                                              {0}};
static const struct sn_conf_field fields[] = {
    SN_CONF_STRING(struct model_opts, src, "src", .letter = 's', .metavar = "FILE",
                   .help = "CREATE TABLE statements; or give --url."),
    SN_CONF_STRING(
        struct model_opts, url, "url", .letter = 'u', .metavar = "URL",
        .help = "A server: `mariadb://user@host:port/database`, `postgres://...`; `?socket=` for "
                "its Unix socket."),
    SN_CONF_STRING(struct model_opts, password_file, "password-file", .metavar = "FILE",
                   .help = "Its first line is the password."),
    SN_CONF_ENUM(struct model_opts, server, "server", servers, .def = "mariadb",
                 .help = "Whose statements --src has: mariadb, postgres."),
    SN_CONF_LIST(struct model_opts, tables, n_tables, "table", SN_CONF_T_STRING, .letter = 't',
                 .metavar = "NAME",
                 .help = "Only these; several with commas or repeated. Default: all."),
    SN_CONF_STRING(struct model_opts, dir, "dir", .letter = 'd', .def = ".", .metavar = "FOLDER",
                   .help = "Where the models go."),
    SN_CONF_BOOL(struct model_opts, dry_run, "dry-run",
                 .help = "Say what would be written; write nothing."),
    SN_CONF_BOOL(struct model_opts, force, "force", .letter = 'f',
                 .help = "Overwrite files in the way that are not generated."),
    SN_CONF_BOOL(struct model_opts, quiet, "quiet", .letter = 'q', .help = "Say nothing."),
};
const struct sn_conf_table gen_model_table = SN_CONF_TABLE(struct model_opts, fields);
