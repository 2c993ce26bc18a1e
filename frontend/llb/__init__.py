"""An immutable builder of LLB, the graph a BuildKit server executes.

``State`` is a value: every operation returns a new one that remembers how it came about, and
``marshal`` turns the last one into the definition that is sent. The package knows no Cirfile.
"""
