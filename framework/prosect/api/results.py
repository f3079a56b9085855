"""The public door for metrics over stored results; importing it imports xarray, but no torch."""

from prosect.view.filters import holds, labels_of, select
from prosect.view.join import join
from prosect.view.members import stack_members

__all__ = ["holds", "join", "labels_of", "select", "stack_members"]
