"""Dependency notations: how requirements of one ecosystem are split and checked. Pure text, no index."""

from __future__ import annotations
