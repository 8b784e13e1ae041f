/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/index/psql.h - blocks, transactions and their events in a PostgreSQL database, in the
 * tables of CometBFT's "psql" event sink (schema.sql), which whoever runs the node has made.
 * Nothing is searched here: that is what the database is for.
 *
 * libpq (Debian's libpq5) is loaded when a sink is opened: a node with another index does not map
 * it, nor the fifteen libraries it brings. The connection is made when it is needed, again after it
 * was lost. Calls suspend; any fiber. Source: CometBFT v0.38.25 state/indexer/sink/psql. */
#pragma once
#include "consensus/index/indexer.h"

struct sn_psql;
/* sn_psql_open - conninfo: a URI (postgresql://...) or "key=value ...", copied; it has a password,
 * so no error and no log line repeats it. Does not connect yet. Returns 0, SN_E_INVALID_ARGUMENT
 * (it cannot be read), SN_E_UNIMPLEMENTED (libpq is not installed), SN_E_NOMEM. */
int sn_psql_open(struct sn_str conninfo, struct sn_str chain_id,
                 struct sn_psql **ret) SN_MUST_CHECK;
void sn_psql_close(struct sn_psql *p);
/* sn_psql_put - a block, its transactions and all events, in one database transaction; where that
 * is refused (an event that names an attribute twice) each by itself, so that the others are there.
 * What is there already stays. Returns 0; SN_E_UNAVAILABLE: no connection, no database, no tables;
 * SN_E_FAILED_PRECONDITION: something of it was refused; SN_E_DATA_LOSS, SN_E_NOMEM,
 * SN_E_CANCELLED. */
int sn_psql_put(struct sn_psql *p, const struct sn_indexer_in *in) SN_MUST_CHECK;
/* sn_psql_last - the highest height of the chain that is there; 0: none. Errors as sn_psql_put. */
int sn_psql_last(struct sn_psql *p, int64_t *ret) SN_MUST_CHECK;
