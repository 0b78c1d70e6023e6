-- Watchlists and saved filters, each user's own and shared by that user's seats. Places in a list are 1, 2, 3, ...; that
-- they end at 200 is the limit of a list. Changes are told on a channel of their own: they are nothing to the copying.

CREATE TABLE watchlists (
  "user" text NOT NULL CHECK ("user" <> ''),
  name text NOT NULL CHECK (name <> '' AND length(name) <= 40),
  PRIMARY KEY ("user", name)
);
CREATE UNIQUE INDEX a_watchlist_has_one_spelling ON watchlists ("user", lower(name));

CREATE TABLE watched (
  "user" text NOT NULL,
  name text NOT NULL,
  source text NOT NULL CHECK (source <> ''),
  symbol text NOT NULL CHECK (symbol <> ''),
  place bigint NOT NULL CHECK (place BETWEEN 1 AND 200),
  PRIMARY KEY ("user", name, source, symbol),
  CONSTRAINT one_symbol_in_each_place UNIQUE ("user", name, place) DEFERRABLE INITIALLY DEFERRED,
  FOREIGN KEY ("user", name) REFERENCES watchlists ON UPDATE CASCADE ON DELETE CASCADE
);

-- A filter is of one kind of row; those of one name are applied together.
CREATE TABLE filters (
  "user" text NOT NULL CHECK ("user" <> ''),
  name text NOT NULL CHECK (name <> '' AND length(name) <= 40),
  scope text NOT NULL CHECK (scope IN ('tape', 'orders', 'alerts')),
  symbol text NOT NULL,
  account text NOT NULL,
  side text CHECK (side IN ('buy', 'sell')),
  min_size numeric NOT NULL CHECK (min_size >= 0 AND min_size < 'Infinity'),
  PRIMARY KEY ("user", name, scope),
  CHECK (symbol <> '' OR account <> '' OR side IS NOT NULL OR min_size > 0)
);

CREATE FUNCTION tell_watchlists() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('copydesk_watchlists', tg_table_name);
  RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON watchlists
  FOR EACH STATEMENT EXECUTE FUNCTION tell_watchlists();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON watched
  FOR EACH STATEMENT EXECUTE FUNCTION tell_watchlists();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON filters
  FOR EACH STATEMENT EXECUTE FUNCTION tell_watchlists();
