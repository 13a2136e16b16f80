"""Static quantisation to INT8."""
