"""Declarations of our own metrics."""
