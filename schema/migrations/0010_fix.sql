-- FIX sessions: the numbers of both directions, and what was learned from the messages up to them. `next_out` is a
-- number that was never sent: numbers are reserved in blocks, so that no order waits for a commit.

CREATE TABLE fix_sessions (
  "connection" text PRIMARY KEY,
  next_out bigint NOT NULL CHECK (next_out > 0),
  next_in bigint NOT NULL CHECK (next_in > 0),
  started_ns bigint NOT NULL
);

CREATE TABLE fix_rows (
  "connection" text NOT NULL,
  kind text NOT NULL,
  key text NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY ("connection", kind, key)
);

-- How a FIX login is opened (schema/fix.py, FixLogin); null for a login of any other venue.
ALTER TABLE connections ADD COLUMN fix jsonb;
