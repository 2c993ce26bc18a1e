"""The BuildKit frontend: a Cirfile in, an image out, spoken over the gateway protocol.

It runs inside the ``# syntax=`` image, started by the build server; see ``frontend.__main__``.
"""
