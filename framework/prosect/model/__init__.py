"""Loading, tokenising, batching, describing and capturing models."""
