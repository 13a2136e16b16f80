"""Takes a PyTorch image classifier to production on NVIDIA Triton: export, serve, call, compare."""

__version__ = "0.2.0"
