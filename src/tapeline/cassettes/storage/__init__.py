"""Cassettes as files: their format and what people can read in it, migration, lint, scrubbing."""
