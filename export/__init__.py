"""Export a PyTorch image classifier into a verified Triton model repository."""
