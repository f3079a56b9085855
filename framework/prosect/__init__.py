"""Takes Transformers apart into labelled vector terms, measures them, keeps the measurements as xarray."""

from prosect._version import __version__

__all__ = ["__version__"]
