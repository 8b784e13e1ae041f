/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/reactors/consensus_peer.h"
#include "harness/test.h"
