-- The desk's tables. Columns are named as the fields of the records in schema/records.py; times are *_ns, nanoseconds
-- since the Unix epoch, UTC; prices and money are numeric. Secrets are sealed before they get here.

-- Configuration -------------------------------------------------------------------------------------------------------

CREATE TABLE connections (
  "connection" text PRIMARY KEY CHECK ("connection" <> ''),
  venue text NOT NULL,
  environment text NOT NULL CHECK (environment IN ('demo', 'live')),
  username text NOT NULL,
  rest_url text NOT NULL,
  ws_url text NOT NULL,
  md_url text NOT NULL,
  requests_per_min bigint CHECK (requests_per_min > 0),
  sealed bytea NOT NULL
);

CREATE TABLE accounts (
  account text PRIMARY KEY CHECK (account <> ''),
  "connection" text NOT NULL REFERENCES connections,
  venue_id text NOT NULL,
  active boolean NOT NULL
);

CREATE TABLE groups (
  "group" text PRIMARY KEY CHECK ("group" <> ''),
  leader text NOT NULL REFERENCES accounts,
  mode text NOT NULL,
  drift text NOT NULL
);

-- One row an account: nobody follows in two groups.
CREATE TABLE followers (
  account text PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
  "group" text NOT NULL REFERENCES groups,
  enabled boolean NOT NULL,
  rule jsonb NOT NULL CHECK ((rule ->> 'value')::numeric > 0),
  symbols jsonb NOT NULL,
  max_position bigint CHECK (max_position > 0),
  max_order bigint CHECK (max_order > 0)
);

-- A leader that follows could copy itself round and round, so nobody does both, in whatever group.
CREATE FUNCTION refuse_leading_follower() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  found text;
BEGIN
  PERFORM pg_advisory_xact_lock(7226397356);
  SELECT f.account INTO found FROM followers f JOIN groups g ON g.leader = f.account LIMIT 1;
  IF found IS NOT NULL THEN
    RAISE EXCEPTION 'account: % would lead and follow at once; take it out of one of the two', found
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER no_circle AFTER INSERT OR UPDATE ON groups
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_leading_follower();
CREATE TRIGGER no_circle AFTER INSERT OR UPDATE ON followers
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_leading_follower();

CREATE FUNCTION tell_config() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('copydesk_config', tg_table_name);
  RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON connections FOR EACH STATEMENT EXECUTE FUNCTION tell_config();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON accounts FOR EACH STATEMENT EXECUTE FUNCTION tell_config();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON groups FOR EACH STATEMENT EXECUTE FUNCTION tell_config();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON followers FOR EACH STATEMENT EXECUTE FUNCTION tell_config();

-- The journal -----------------------------------------------------------------------------------------------------------

CREATE TABLE signals (
  seq bigint GENERATED ALWAYS AS IDENTITY,
  session text NOT NULL, -- which opening of a desk wrote it
  signal_id text PRIMARY KEY,
  kind text NOT NULL,
  "group" text NOT NULL,
  leader text NOT NULL,
  symbol text NOT NULL,
  side text NOT NULL,
  qty bigint NOT NULL,
  price numeric NOT NULL,
  leader_net bigint NOT NULL,
  source text NOT NULL,
  venue_ns bigint NOT NULL,
  received_ns bigint NOT NULL
);
CREATE INDEX signals_by_leader ON signals (leader, symbol, seq);

-- Each (signal, follower) pair has exactly one row, written in one commit with its signal before any order leaves.
-- That statement joins the two, so a foreign key would only cost each commit another 0.1 ms.
CREATE TABLE copies (
  seq bigint GENERATED ALWAYS AS IDENTITY,
  signal_id text NOT NULL,
  follower text NOT NULL,
  symbol text NOT NULL,
  leader_symbol text NOT NULL,
  decision text NOT NULL,
  reason text NOT NULL,
  side text NOT NULL,
  qty bigint NOT NULL,
  target_net bigint NOT NULL,
  net_before bigint NOT NULL,
  scale numeric NOT NULL,
  reducing boolean NOT NULL,
  episode text NOT NULL,
  cl_ord_id text NOT NULL,
  order_id text NOT NULL,
  filled_qty bigint NOT NULL,
  avg_price numeric,
  received_ns bigint NOT NULL,
  decided_ns bigint NOT NULL,
  journaled_ns bigint NOT NULL,
  sent_ns bigint NOT NULL,
  acked_ns bigint NOT NULL,
  filled_ns bigint NOT NULL,
  PRIMARY KEY (signal_id, follower)
);
CREATE UNIQUE INDEX copies_by_tag ON copies (cl_ord_id) WHERE cl_ord_id <> '';
CREATE INDEX copies_by_follower ON copies (follower, leader_symbol, seq);
CREATE INDEX copies_open ON copies (follower) WHERE decision IN ('pending', 'unknown');

-- What the venues said ----------------------------------------------------------------------------------------------------

CREATE TABLE fills (
  venue text NOT NULL,
  fill_id text NOT NULL,
  account text NOT NULL,
  order_id text NOT NULL,
  symbol text NOT NULL,
  side text NOT NULL,
  qty bigint NOT NULL,
  price numeric NOT NULL,
  venue_ns bigint NOT NULL,
  cl_ord_id text NOT NULL,
  PRIMARY KEY (account, venue, fill_id)
);

CREATE TABLE orders (
  account text NOT NULL,
  order_id text NOT NULL,
  symbol text NOT NULL,
  side text NOT NULL,
  order_type text NOT NULL,
  qty bigint NOT NULL,
  filled_qty bigint NOT NULL,
  avg_price numeric,
  limit_price numeric,
  stop_price numeric,
  cl_ord_id text NOT NULL,
  text text NOT NULL,
  venue_ns bigint NOT NULL,
  status text NOT NULL,
  updated_ns bigint NOT NULL,
  PRIMARY KEY (account, order_id)
);
CREATE INDEX orders_by_time ON orders (updated_ns);

CREATE TABLE positions (
  account text NOT NULL,
  symbol text NOT NULL,
  net_qty bigint NOT NULL,
  avg_price numeric NOT NULL,
  updated_ns bigint NOT NULL,
  PRIMARY KEY (account, symbol)
);

CREATE TABLE account_states (
  account text PRIMARY KEY,
  balance numeric NOT NULL,
  realized_pnl numeric NOT NULL,
  open_pnl numeric NOT NULL,
  margin numeric NOT NULL,
  liquidate_only boolean NOT NULL,
  updated_ns bigint NOT NULL
);

-- When a leader was first seen: its older fills are history, never signals.
CREATE TABLE baselines (
  leader text PRIMARY KEY,
  at_ns bigint NOT NULL
);

CREATE TABLE alerts (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at_ns bigint NOT NULL,
  level text NOT NULL,
  text text NOT NULL
);
