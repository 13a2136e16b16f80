"""The code of the steps around a model in `<model>_encoded`, and how it is laid out for Triton's Python backend."""
