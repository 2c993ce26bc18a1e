"""The Cirfile language: text and a request in, a frozen plan and findings out.

This file imports nothing, so that a part of the package (``manifest``, ``lock``, ``codec``) can be
carried into an image without the parser.
"""

__version__ = "0.1.0"
