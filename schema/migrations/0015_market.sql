-- Candles and trades of every source, and which stretches of them are known to be complete. Times are the market's own,
-- Unix nanoseconds. Why these tables are not cut into days: schema/store_market.py.

CREATE TABLE bars (
  source text NOT NULL CHECK (source <> ''),
  symbol text NOT NULL CHECK (symbol <> ''),
  "interval" text NOT NULL CHECK ("interval" <> ''),
  start_ns bigint NOT NULL,
  "open" double precision NOT NULL,
  high double precision NOT NULL,
  low double precision NOT NULL,
  "close" double precision NOT NULL,
  volume double precision NOT NULL,
  trades bigint NOT NULL,
  origin text NOT NULL CHECK (origin IN ('venue', 'ticks')),
  closed boolean NOT NULL,
  PRIMARY KEY (source, symbol, "interval", start_ns)
);
CREATE INDEX bars_by_age ON bars USING brin (start_ns) WITH (pages_per_range = 32, autosummarize = on);

-- `trade_id` is the source's own, or #0, #1, ... within its nanosecond where the source has none.
CREATE TABLE trades (
  source text NOT NULL CHECK (source <> ''),
  symbol text NOT NULL CHECK (symbol <> ''),
  trade_id text NOT NULL CHECK (trade_id <> ''),
  ts_ns bigint NOT NULL,
  seq bigint NOT NULL,
  price double precision NOT NULL,
  size double precision NOT NULL,
  aggressor text NOT NULL CHECK (aggressor IN ('buy', 'sell', 'none')),
  PRIMARY KEY (source, symbol, ts_ns, trade_id)
);
CREATE INDEX trades_by_age ON trades USING brin (ts_ns) WITH (pages_per_range = 32, autosummarize = on);

-- `what` is an interval, or 'trades'. A stretch is in `ranges` when all that begins in it is stored and finished.
CREATE TABLE coverage (
  source text NOT NULL,
  symbol text NOT NULL,
  what text NOT NULL,
  ranges int8multirange NOT NULL,
  PRIMARY KEY (source, symbol, what)
);

-- With TimescaleDB in this database the two are hypertables, a chunk a day of trades and a month of candles.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
    EXECUTE $run$SELECT create_hypertable('trades', 'ts_ns', chunk_time_interval => 86400000000000)$run$;
    EXECUTE $run$SELECT create_hypertable('bars', 'start_ns', chunk_time_interval => 2592000000000000)$run$;
  END IF;
END $$;
