"""Serve a model repository with the tritonserver that pip installs. Knows Triton, not models."""
