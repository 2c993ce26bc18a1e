"""What stands behind `./dev`: standard library only, so that a fresh machine can run it."""
