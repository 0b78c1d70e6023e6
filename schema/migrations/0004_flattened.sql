-- When the trader last flattened an account: whichever desk runs, or starts later, takes it out of the trades that its
-- leader had open then. Written by the desk and by `copydesk kill`, which needs no desk.

CREATE TABLE flattened (
  account text PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
  at_ns bigint NOT NULL
);
CREATE TRIGGER tell AFTER INSERT OR UPDATE ON flattened FOR EACH STATEMENT EXECUTE FUNCTION tell_config();
