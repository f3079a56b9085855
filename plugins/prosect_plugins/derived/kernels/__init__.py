"""The arithmetic of the derived metrics, on plain arrays without labels."""
