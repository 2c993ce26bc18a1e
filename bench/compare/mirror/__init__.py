"""A mirror of the package index that holds what was asked for before, for measurements behind a link.

While it *records*, what it does not have is fetched from the index that clients here use by default, and kept; while
it *serves*, it answers from disk alone, and what it lacks is noted as missed. `server` answers clients, `record` is
what is on disk, `upstream` the index beyond, `pages` knows the formats (PEP 503, 691, 658), and `process` is how the
harness runs it.
"""
