"""The engine ``host``: an application of a Cirfile on this machine itself, without an engine."""
