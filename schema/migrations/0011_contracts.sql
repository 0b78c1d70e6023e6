-- What venues said of contracts when they were last checked, for `copydesk symbols`, and which contracts the trader goes
-- on trading though they are about to expire. A contract is its exchange, the exchange's root and its month (YYYYMM).

CREATE TABLE contracts (
  "connection" text NOT NULL REFERENCES connections ON DELETE CASCADE,
  symbol text NOT NULL,
  exchange text NOT NULL,
  root text NOT NULL,
  month bigint NOT NULL,
  venue_symbol text NOT NULL,
  tick_size numeric NOT NULL,
  tick_value numeric NOT NULL,
  expires_ns bigint NOT NULL,
  front text NOT NULL,
  described boolean NOT NULL,
  error text NOT NULL,
  checked_ns bigint NOT NULL,
  PRIMARY KEY ("connection", symbol)
);

CREATE TABLE acknowledged (
  exchange text NOT NULL,
  root text NOT NULL,
  month bigint NOT NULL CHECK (month % 100 BETWEEN 1 AND 12),
  at_ns bigint NOT NULL,
  PRIMARY KEY (exchange, root, month)
);

CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON acknowledged FOR EACH STATEMENT EXECUTE FUNCTION tell_config();
