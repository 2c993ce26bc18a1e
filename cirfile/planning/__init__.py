"""The planner's stages: variables, configuration, files, requirements. `cirfile.planner` is the way in."""

from __future__ import annotations
