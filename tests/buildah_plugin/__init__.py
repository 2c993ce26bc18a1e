"""The parts of the rootless twin."""
