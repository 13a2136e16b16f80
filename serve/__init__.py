"""Serve a model repository with the tritonserver that pip installs. Knows Triton, not models."""

if __name__ == "serve":  # In a checkout this folder answers to `python -m serve` too, and no module has two names.
    __path__ = [f"{__path__[0]}/../cli/checkout"]
