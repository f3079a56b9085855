"""Looking at stored results: open, show, tables. Imports no torch."""
