"""Labelled vectors that sum to a hidden state, and the linear replay that carries them through a network."""
