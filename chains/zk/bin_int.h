/* SPDX-License-Identifier: Apache-2.0 */
/* zk/bin_int.h - the name zk/bin.h had: rooms beside this one need it too. */
#pragma once
#include "zk/bin.h"
