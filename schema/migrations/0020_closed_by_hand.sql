-- Of the copies' lots, those that the trader closed by hand since the leader last traded (see Lots in schema/records.py).

ALTER TABLE lots ADD COLUMN closed bigint NOT NULL DEFAULT 0;
