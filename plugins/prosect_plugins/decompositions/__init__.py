"""Declarations of our own decompositions."""
