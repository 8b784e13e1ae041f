/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/index/indexer.h"
