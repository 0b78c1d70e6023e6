-- What a signal's commit writes beside the signal itself: its copies as one JSON document. A row for each copy, with
-- its indexes, would keep every order waiting for another 0.3 ms; those rows are made from the document behind the
-- orders, by whoever reads or writes copies next, in one statement that takes the document away.
CREATE TABLE plans (
  seq bigint GENERATED ALWAYS AS IDENTITY,
  copies text NOT NULL
);
