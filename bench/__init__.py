"""Comparisons with stock builders. Only command lines of our programs are used here, never their code."""
