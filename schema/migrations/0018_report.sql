-- What a report is made from: what a fill cost, where its venue told that; which positions the venues had when, so that
-- lots which came without a fill are not taken for a trade; and the ways to find a day's fills and an account's before.

ALTER TABLE fills ADD COLUMN fee numeric;
CREATE INDEX fills_by_time ON fills (venue_ns);
CREATE INDEX fills_by_account ON fills (account, symbol, venue_ns);

-- A row when a venue's word of a position became another, by the clock of whoever wrote it.
CREATE TABLE position_changes (
  account text NOT NULL,
  symbol text NOT NULL,
  at_ns bigint NOT NULL,
  net_qty bigint NOT NULL,
  avg_price numeric NOT NULL,
  PRIMARY KEY (account, symbol, at_ns)
);

CREATE FUNCTION keep_position_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  at bigint := NEW.updated_ns;
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.updated_ns = OLD.updated_ns THEN -- written without its time: by a kill from the shell
    at := extract(epoch FROM clock_timestamp()) * 1000000000;
  END IF;
  INSERT INTO position_changes VALUES (NEW.account, NEW.symbol, at, NEW.net_qty, NEW.avg_price)
  ON CONFLICT (account, symbol, at_ns) DO UPDATE SET net_qty = excluded.net_qty, avg_price = excluded.avg_price;
  RETURN NULL;
END $$;
CREATE TRIGGER first_told AFTER INSERT ON positions FOR EACH ROW EXECUTE FUNCTION keep_position_change();
CREATE TRIGGER told_anew AFTER UPDATE ON positions FOR EACH ROW
  WHEN (OLD.net_qty IS DISTINCT FROM NEW.net_qty) EXECUTE FUNCTION keep_position_change();
INSERT INTO position_changes SELECT account, symbol, updated_ns, net_qty, avg_price FROM positions;
