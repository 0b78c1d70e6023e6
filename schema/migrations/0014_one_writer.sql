-- One position has one writer, whoever writes these rows, and at whatever isolation level. The store refuses the same
-- in better words (schema/store_config.py); this holds for psql and other programs.

-- Nobody leads and follows. The row of `seats` is written by both sides: of two transactions that don't see each other,
-- the second waits for the first and then sees it, or can't be serialised.
CREATE TABLE seats (
  account text PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
  role text NOT NULL CHECK (role IN ('leads', 'follows'))
);

DROP TRIGGER no_circle ON groups;
DROP TRIGGER no_circle ON followers;
DROP FUNCTION refuse_leading_follower();

CREATE FUNCTION refuse_leading_follower() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  who text := to_jsonb(NEW) ->> tg_argv[0];
BEGIN
  INSERT INTO seats VALUES (who, tg_argv[1]) ON CONFLICT (account) DO UPDATE SET role = excluded.role;
  IF EXISTS (SELECT FROM followers WHERE account = who) AND EXISTS (SELECT FROM groups WHERE leader = who) THEN
    RAISE EXCEPTION 'account: % would lead and follow at once; take it out of one of the two', who
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER no_circle AFTER INSERT OR UPDATE ON groups
  FOR EACH ROW EXECUTE FUNCTION refuse_leading_follower('leader', 'leads');
CREATE TRIGGER no_circle AFTER INSERT OR UPDATE ON followers
  FOR EACH ROW EXECUTE FUNCTION refuse_leading_follower('account', 'follows');

-- An account follows in one group: the constraint says so when it refuses.
ALTER TABLE followers RENAME CONSTRAINT followers_pkey TO an_account_follows_in_one_group_only;

-- Two of a follower's maps on one contract would both write its position.
CREATE FUNCTION maps_are_sound(account text, symbols jsonb) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  twice text;
BEGIN
  IF jsonb_typeof(symbols) <> 'array' THEN
    RAISE EXCEPTION 'symbols: those of % are not a list of maps', account USING ERRCODE = 'check_violation';
  END IF;
  IF EXISTS (
    SELECT FROM jsonb_array_elements(symbols) AS map
    WHERE coalesce(map ->> 'leader_root', '') = '' OR coalesce(map ->> 'follower_root', '') = ''
  ) THEN
    RAISE EXCEPTION 'symbols: a map of % names no leader_root or no follower_root', account
      USING ERRCODE = 'check_violation';
  END IF;
  SELECT root INTO twice FROM (
    SELECT 'leader_root' AS side, map ->> 'leader_root' AS root FROM jsonb_array_elements(symbols) AS map
    UNION ALL
    SELECT 'follower_root', map ->> 'follower_root' FROM jsonb_array_elements(symbols) AS map
  ) AS named GROUP BY side, root HAVING count(*) > 1 LIMIT 1;
  IF twice IS NOT NULL THEN
    RAISE EXCEPTION 'symbols: % is named by two maps of %; one position has one writer, keep one map', twice, account
      USING ERRCODE = 'check_violation';
  END IF;
  IF EXISTS (
    SELECT FROM jsonb_array_elements(symbols) AS map
    WHERE NOT coalesce((map ->> 'lot_factor')::numeric, 1) BETWEEN 1e-9 AND 1e9
  ) THEN
    RAISE EXCEPTION 'symbols: a lot_factor of % is not a number above 0', account USING ERRCODE = 'check_violation';
  END IF;
  RETURN true;
END $$;
ALTER TABLE followers ADD CONSTRAINT one_map_for_each_contract CHECK (maps_are_sound(account, symbols));

-- A rule is one that the desk can read; to Postgres NaN is above 0.
ALTER TABLE followers
  ADD CONSTRAINT rule_has_a_value CHECK (coalesce((rule ->> 'value')::numeric, 1) < 'Infinity'),
  ADD CONSTRAINT rule_is_known CHECK (
    jsonb_typeof(rule) = 'object'
    AND coalesce(rule ->> 'kind', 'proportional') IN ('fixed', 'proportional', 'percent')
    AND coalesce(rule ->> 'rounding', 'down') IN ('down', 'nearest', 'up')
    AND jsonb_typeof(coalesce(rule -> 'invert', 'false')) = 'boolean'
  );
