-- What `copydesk why` tells of a copy: the rule and the lots on the way that its plan counted with, and the ways to find
-- an account's copies by time and an order's fills.

ALTER TABLE copies
  ADD COLUMN rule text NOT NULL DEFAULT '',
  ADD COLUMN on_the_way bigint NOT NULL DEFAULT 0;
CREATE INDEX copies_by_time ON copies (follower, received_ns, seq);
CREATE INDEX fills_by_order ON fills (account, order_id);
