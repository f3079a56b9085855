"""Measures of terms: kernels on tensors, without labels."""
