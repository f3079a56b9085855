"""Shapes in signatures are checked while tests run, and only then."""

from jaxtyping import install_import_hook

install_import_hook(["prosect.terms", "prosect.model.weights", "prosect_plugins.metrics"], "beartype.beartype")
