"""The ground floor: records that everything passes around, settings, and the Postgres store."""
