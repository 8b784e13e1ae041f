/* SPDX-License-Identifier: Apache-2.0 */
#include "evm/gen/gen_int.h"
int gen_go(const struct gen_package *pkg, struct gen_files *files) { (void)pkg; return files->err; }
