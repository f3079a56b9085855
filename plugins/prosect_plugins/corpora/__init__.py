"""Declarations of our own corpora."""
