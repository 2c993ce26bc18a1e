"""Apptainer against itself: our SIF beside that of a stock definition file."""
