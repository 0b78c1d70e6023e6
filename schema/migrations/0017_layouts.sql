-- Layouts of the screen, each user's own and shared by that user's seats, and what a seat showed last. Changes are told
-- on a channel of their own: they are nothing to the copying.

CREATE TABLE layouts (
  "user" text NOT NULL CHECK ("user" <> ''),
  name text NOT NULL CHECK (name <> '' AND length(name) <= 40),
  tree text NOT NULL CHECK (tree <> '' AND length(tree) <= 4000),
  PRIMARY KEY ("user", name)
);
CREATE UNIQUE INDEX a_layout_has_one_spelling ON layouts ("user", lower(name));

CREATE TABLE layouts_shown (
  "user" text NOT NULL PRIMARY KEY CHECK ("user" <> ''),
  name text NOT NULL CHECK (name <> '' AND length(name) <= 40),
  variant bigint NOT NULL CHECK (variant >= 0),
  tree text NOT NULL CHECK (length(tree) <= 4000)
);

CREATE FUNCTION tell_layouts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('copydesk_layouts', tg_table_name);
  RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON layouts
  FOR EACH STATEMENT EXECUTE FUNCTION tell_layouts();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON layouts_shown
  FOR EACH STATEMENT EXECUTE FUNCTION tell_layouts();
