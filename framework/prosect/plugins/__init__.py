"""Declarations, hook specifications and the registry of plugins. Imports no torch."""
