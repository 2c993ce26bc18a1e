"""Findings of the language's rules, shown beside the build: once, however many platforms there are."""

from __future__ import annotations
