"""The one loop in which plan, model and results meet."""
