-- Copies that rest at the venue because an order of the leader does, and the signals that such an order gives.

ALTER TABLE signals
  ADD COLUMN order_type text NOT NULL DEFAULT 'market',
  ADD COLUMN limit_price numeric,
  ADD COLUMN stop_price numeric;
-- The newest signal of each order of a leader: what its followers were last told of it.
CREATE INDEX signals_by_order ON signals (leader, source, seq)
  WHERE kind IN ('leader_order', 'leader_change', 'leader_cancel');

ALTER TABLE copies
  ADD COLUMN order_type text NOT NULL DEFAULT 'market',
  ADD COLUMN limit_price numeric,
  ADD COLUMN stop_price numeric,
  ADD COLUMN leader_order_id text NOT NULL DEFAULT '',
  ADD COLUMN working boolean NOT NULL DEFAULT false;
CREATE INDEX copies_working ON copies (follower) WHERE working;

ALTER TABLE orders
  ADD COLUMN oco_id text NOT NULL DEFAULT '',
  ADD COLUMN parent_id text NOT NULL DEFAULT '';
