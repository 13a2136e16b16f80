"""Export a PyTorch image classifier into a verified Triton model repository."""

if __name__ == "export":  # In a checkout this folder answers to `python -m export` too, and no module has two names.
    __path__ = [f"{__path__[0]}/../cli/checkout"]
