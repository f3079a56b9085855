"""Test kits for authors of plugins."""
