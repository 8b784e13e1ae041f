/* SPDX-License-Identifier: Apache-2.0 */
/* codegen/gen_int.h - templates and file lists, shared by the generators. */
#pragma once
#include "codegen/codegen.h"
#include "codegen/names.h"
#include "core/status.h"

struct gen_var {
    const char *name, *value;
};
/* gen_template - appends the template with every {{name}} replaced; a name that is not in `vars`
 * (ended by a NULL name) is a bug and aborts. Returns the buffer's error. */
int gen_template(struct sn_buf *out, const unsigned char *text, size_t len,
                 const struct gen_var *vars);
/* gen_text - `s`; where it could not be made, "" with the buffer's error set: names in printf. */
static inline const char *gen_text(struct sn_buf *b, const char *s)
{
    if (!s && b->err == 0) b->err = SN_E_NOMEM;
    return s ? s : "";
}
/* gen_add - takes `text` over as the file's (empties the buffer). Returns 0, SN_E_TOO_LARGE,
 * SN_E_NOMEM, the buffer's error. */
int gen_add(struct sn_gen_files *f, enum sn_gen_owner owner, struct sn_buf *text, const char *path,
            ...) SN_PRINTF(4, 5) SN_MUST_CHECK;
#define GEN_TEMPLATE(name)                     \
    extern const unsigned char gen_t_##name[]; \
    extern const size_t gen_t_##name##_len
/* gen_file_name - a handler's name in the style asked for; in the arena. */
const char *gen_file_name(struct sn_arena *a, struct sn_str name, enum sn_gen_style style);
/* gen_c_string - `s` as a quoted C literal. */
void gen_c_string(struct sn_buf *out, struct sn_str s);
/* gen_head - the comment on top of a file that is ours. */
void gen_head(struct sn_buf *out, const char *command, struct sn_str source);
/* gen_dockerfile - adds those of the service `name` to a project. */
int gen_dockerfile(const char *name, struct sn_gen_files *files) SN_MUST_CHECK;
