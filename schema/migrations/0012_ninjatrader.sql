-- Where a NinjaTrader listens (schema/records.py, NinjaLogin); null for a login of any other venue.
ALTER TABLE connections ADD COLUMN ninja jsonb;
