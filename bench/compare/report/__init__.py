"""The report, from raw samples alone: a page and a table."""
