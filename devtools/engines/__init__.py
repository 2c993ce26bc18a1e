"""Real container engines in a root filesystem of their own, for tests and the demo.

`api` is what tests import; `cli` and `execute` are the commands `./dev engines` and `./dev exec`.
"""
