-- The desk's tables. Column names are the field names of the records in schema/records.py; times are *_ns: nanoseconds
-- since the Unix epoch, UTC. Secrets are sealed before they get here.

create table connections (
  "connection" text primary key,
  venue text not null,
  environment text not null,
  username text not null,
  rest_url text not null,
  ws_url text not null,
  md_url text not null,
  requests_per_min integer,
  sealed bytea not null
);

create table accounts (
  account text primary key,
  "connection" text not null references connections,
  venue_id text not null,
  active boolean not null
);

create table groups (
  "group" text primary key,
  leader text not null references accounts (account),
  mode text not null,
  drift text not null
);

-- One row an account: a follower is in one group only.
create table followers (
  account text primary key references accounts,
  "group" text not null references groups,
  enabled boolean not null,
  rule jsonb not null,
  symbols jsonb not null,
  max_position integer,
  max_order integer
);

create function tell_config() returns trigger language plpgsql as $$
begin
  perform pg_notify('copydesk_config', tg_table_name);
  return null;
end $$;
create trigger tell after insert or update or delete on connections for each statement execute function tell_config();
create trigger tell after insert or update or delete on accounts for each statement execute function tell_config();
create trigger tell after insert or update or delete on groups for each statement execute function tell_config();
create trigger tell after insert or update or delete on followers for each statement execute function tell_config();

create table signals (
  seq bigint generated always as identity,
  session text not null,
  signal_id text primary key,
  kind text not null,
  "group" text not null,
  leader text not null,
  symbol text not null,
  side text not null,
  qty integer not null,
  price numeric not null,
  leader_net integer not null,
  source text not null,
  venue_ns bigint not null,
  received_ns bigint not null
);
create index signals_by_leader on signals (leader, symbol, seq desc);

-- The copy ledger: each (signal, follower) pair has exactly one row, written before any order of it leaves.
create table copies (
  signal_id text not null references signals,
  follower text not null,
  symbol text not null,
  leader_symbol text not null,
  decision text not null,
  reason text not null,
  side text not null,
  qty integer not null,
  target_net integer not null,
  net_before integer not null,
  scale numeric not null,
  reducing boolean not null,
  episode text not null,
  cl_ord_id text not null,
  order_id text not null,
  filled_qty integer not null,
  avg_price numeric,
  received_ns bigint not null,
  decided_ns bigint not null,
  journaled_ns bigint not null,
  sent_ns bigint not null,
  acked_ns bigint not null,
  filled_ns bigint not null,
  primary key (signal_id, follower)
);
create unique index copies_by_tag on copies (cl_ord_id) where cl_ord_id <> '';
create index copies_open on copies (follower) where decision in ('pending', 'unknown');
create index copies_by_time on copies (received_ns);
create index copies_by_follower on copies (follower, leader_symbol, received_ns desc);

create table fills (
  venue text not null,
  fill_id text not null,
  account text not null,
  order_id text not null,
  symbol text not null,
  side text not null,
  qty integer not null,
  price numeric not null,
  venue_ns bigint not null,
  cl_ord_id text not null,
  primary key (venue, account, fill_id)
);
create index fills_by_account on fills (account);

create table orders (
  account text not null,
  order_id text not null,
  symbol text not null,
  side text not null,
  order_type text not null,
  qty integer not null,
  filled_qty integer not null,
  avg_price numeric,
  limit_price numeric,
  stop_price numeric,
  cl_ord_id text not null,
  text text not null,
  venue_ns bigint not null,
  status text not null,
  primary key (account, order_id)
);
create index orders_by_time on orders (venue_ns);

create table positions (
  account text not null,
  symbol text not null,
  net_qty integer not null,
  avg_price numeric not null,
  primary key (account, symbol)
);

create table account_states (
  account text primary key,
  balance numeric not null,
  realized_pnl numeric not null,
  open_pnl numeric not null,
  margin numeric not null,
  liquidate_only boolean not null
);

-- When a leader was first seen: its older fills are history, never signals.
create table baselines (
  leader text primary key,
  at_ns bigint not null
);

create table alerts (
  seq bigint generated always as identity primary key,
  at_ns bigint not null,
  level text not null,
  text text not null
);
