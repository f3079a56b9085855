"""Labels: from numbers to a labelled tree. Imports no torch."""
