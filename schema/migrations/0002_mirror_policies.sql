-- How a group mirrors, and what may be opened: by a follower, a group, or the whole desk (see the enumerations of
-- schema/records.py for the words).

ALTER TABLE groups
  ADD CONSTRAINT known_mode CHECK (mode IN ('fills', 'orders', 'protective')),
  ADD COLUMN guard text NOT NULL DEFAULT 'none' CHECK (guard IN ('none', 'halt', 'reduce_only', 'close_only')),
  ADD COLUMN late text NOT NULL DEFAULT 'next_flat' CHECK (late IN ('next_flat', 'never', 'no_worse', 'within')),
  ADD COLUMN late_ticks bigint NOT NULL DEFAULT 4 CHECK (late_ticks >= 0),
  ADD COLUMN late_s bigint NOT NULL DEFAULT 30 CHECK (late_s >= 0),
  ADD COLUMN unfilled text NOT NULL DEFAULT 'market' CHECK (unfilled IN ('market', 'cancel', 'leave')),
  ADD COLUMN unfilled_s bigint NOT NULL DEFAULT 3 CHECK (unfilled_s >= 0),
  ADD COLUMN "foreign" text NOT NULL DEFAULT 'alert' CHECK ("foreign" IN ('ignore', 'alert', 'disarm', 'flatten'));

ALTER TABLE followers
  ADD COLUMN guard text NOT NULL DEFAULT 'none' CHECK (guard IN ('none', 'halt', 'reduce_only', 'close_only'));

-- Exactly one row.
CREATE TABLE desk (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  guard text NOT NULL DEFAULT 'none' CHECK (guard IN ('none', 'halt', 'reduce_only', 'close_only'))
);
INSERT INTO desk DEFAULT VALUES;
CREATE TRIGGER tell AFTER UPDATE ON desk FOR EACH STATEMENT EXECUTE FUNCTION tell_config();
