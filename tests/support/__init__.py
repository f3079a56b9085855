"""Helpers which several test folders share."""
