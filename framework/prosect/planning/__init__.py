"""Spec and plugins' declarations -> a complete plan: steps, digests, sizes, reasons. Imports no torch."""
