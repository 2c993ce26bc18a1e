"""The grammar: one function for each instruction, its rule in the first lines of its docstring.

``docs/reference/language.md`` is generated from these docstrings.
"""

from __future__ import annotations
