"""One plugin of each kind for prosect: a decomposition, a metric, an architecture and a kind of corpus."""
