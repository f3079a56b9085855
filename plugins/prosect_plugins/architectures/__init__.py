"""Declarations of our own architectures."""
