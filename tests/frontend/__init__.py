"""Tests of the BuildKit frontend."""
