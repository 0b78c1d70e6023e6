-- Whose the lots of a follower's position are, and why a follower is off (see Lots, Out and FollowerConfig in
-- schema/records.py).

CREATE TABLE lots (
  account text NOT NULL,
  symbol text NOT NULL,
  copied bigint NOT NULL,
  "foreign" bigint NOT NULL,
  out text NOT NULL CHECK (out IN ('no', 'trade', 'always')),
  updated_ns bigint NOT NULL,
  PRIMARY KEY (account, symbol)
);

ALTER TABLE followers ADD COLUMN why_off text NOT NULL DEFAULT '';

-- Copies whose fills have not all come: after a restart a fill of theirs is still known for what it is.
CREATE INDEX copies_short ON copies (follower) WHERE decision = 'copied' AND filled_qty < qty;

-- Two names for one account at a venue would be two writers of one position.
CREATE UNIQUE INDEX one_name_an_account ON accounts ("connection", venue_id);
