-- SPDX-License-Identifier: Apache-2.0
-- Tables and views of the "psql" indexer: install them into an empty database before the node is started,
--     psql DATABASE -f psql-schema.sql
-- Names, types and constraints are CometBFT 0.38's, so that either node goes on with the other's database.

-- A block of a chain; several chains may share a database.
CREATE TABLE blocks (
    rowid BIGSERIAL PRIMARY KEY,
    height BIGINT NOT NULL,
    chain_id VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL, -- when it was indexed
    UNIQUE (height, chain_id)
);
CREATE INDEX idx_blocks_height_chain ON blocks (height, chain_id);

-- A transaction and what the application said of it: tendermint.abci.TxResult, encoded.
CREATE TABLE tx_results (
    rowid BIGSERIAL PRIMARY KEY,
    block_id BIGINT NOT NULL REFERENCES blocks (rowid),
    index INTEGER NOT NULL, -- in the block, from 0
    created_at TIMESTAMPTZ NOT NULL,
    tx_hash VARCHAR NOT NULL, -- upper-case hexadecimal
    tx_result BYTEA NOT NULL,
    UNIQUE (block_id, index)
);

-- An event of a block (tx_id is NULL) or of a transaction.
CREATE TABLE events (
    rowid BIGSERIAL PRIMARY KEY,
    block_id BIGINT NOT NULL REFERENCES blocks (rowid),
    tx_id BIGINT NULL REFERENCES tx_results (rowid),
    type VARCHAR NOT NULL
);

-- The attributes of an event that are to be indexed.
CREATE TABLE attributes (
    event_id BIGINT NOT NULL REFERENCES events (rowid),
    key VARCHAR NOT NULL,
    composite_key VARCHAR NOT NULL, -- type.key
    value VARCHAR NULL,
    UNIQUE (event_id, key)
);

-- Each event with each of its attributes; one without attributes is one row.
CREATE VIEW event_attributes AS
    SELECT block_id, tx_id, type, key, composite_key, value
    FROM events LEFT JOIN attributes ON events.rowid = attributes.event_id;

CREATE VIEW block_events AS
    SELECT blocks.rowid AS block_id, height, chain_id, type, key, composite_key, value
    FROM blocks JOIN event_attributes ON blocks.rowid = event_attributes.block_id
    WHERE event_attributes.tx_id IS NULL;

CREATE VIEW tx_events AS
    SELECT height, index, chain_id, type, key, composite_key, value, tx_results.created_at
    FROM blocks
    JOIN tx_results ON blocks.rowid = tx_results.block_id
    JOIN event_attributes ON tx_results.rowid = event_attributes.tx_id
    WHERE event_attributes.tx_id IS NOT NULL;
