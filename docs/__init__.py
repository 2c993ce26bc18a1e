"""Documentation; the pages made from code come from `docs.generate`."""
