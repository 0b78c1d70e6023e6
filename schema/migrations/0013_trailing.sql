-- Trailing stops, by their distance in price, and how long an order lasts: of leaders' orders, of copies, of orders at
-- venues.

ALTER TABLE signals
  ADD COLUMN trail numeric,
  ADD COLUMN time_in_force text NOT NULL DEFAULT 'day';

ALTER TABLE copies
  ADD COLUMN trail numeric,
  ADD COLUMN time_in_force text NOT NULL DEFAULT 'day';

ALTER TABLE orders
  ADD COLUMN trail numeric,
  ADD COLUMN time_in_force text NOT NULL DEFAULT 'day';
