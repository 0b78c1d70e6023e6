-- Orders that the trader gives from the desk (see ManualOrder in schema/records.py). A row is committed before its order
-- leaves. One plan, which is what the trader was shown, sends at most one order for each account, for ever.

CREATE TABLE manual_orders (
  cl_ord_id text PRIMARY KEY,
  plan_id text NOT NULL,
  account text NOT NULL,
  symbol text NOT NULL,
  side text NOT NULL CHECK (side IN ('buy', 'sell')),
  qty bigint NOT NULL CHECK (qty > 0),
  order_type text NOT NULL CHECK (order_type IN ('market', 'limit', 'stop', 'stop_limit')),
  limit_price numeric,
  stop_price numeric,
  time_in_force text NOT NULL,
  reducing boolean NOT NULL,
  asked_ns bigint NOT NULL,
  state text NOT NULL CHECK (state IN ('pending', 'unknown', 'taken', 'done', 'rejected', 'not_sent')),
  reason text NOT NULL,
  order_id text NOT NULL,
  filled_qty bigint NOT NULL,
  avg_price numeric,
  sent_ns bigint NOT NULL,
  acked_ns bigint NOT NULL,
  session text NOT NULL,
  UNIQUE (plan_id, account)
);
-- What a desk that starts asks for.
CREATE INDEX manual_orders_open ON manual_orders (account) WHERE state IN ('pending', 'unknown', 'taken');

-- Of a follower's foreign lots, those that such orders brought.
ALTER TABLE lots ADD COLUMN manual bigint NOT NULL DEFAULT 0;
