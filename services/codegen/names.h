/* SPDX-License-Identifier: Apache-2.0 */
/* codegen/names.h - names of the outside world as C identifiers. */
#pragma once
#include "core/arena.h"
#include "core/base.h"
#include "core/str.h"

/* sn_gen_snake - "HTTPServer-v2" as "http_server_v2": what is no letter or digit becomes '_', a
 * name that begins with a digit gets one in front. NULL without memory. */
const char *sn_gen_snake(struct sn_arena *a, struct sn_str s);
/* sn_gen_member - sn_gen_snake, with a '_' behind what C or its headers reserve. */
const char *sn_gen_member(struct sn_arena *a, struct sn_str s);
/* sn_gen_upper - ASCII upper case. NULL without memory. */
const char *sn_gen_upper(struct sn_arena *a, const char *s);
