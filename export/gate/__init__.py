"""The gate: what an artifact must compute to be published, and how it is held against the PyTorch module.

pictures    what is shown to both
reference   what the module gives for them, if it agrees with itself
scores      what its values are: logits, probabilities, ...
tolerance   how far an artifact may be off, and why that far
half        what becomes of the module in FP16
fresh       a process that knows nothing of the user's code, in which artifacts run
verify      an artifact against the reference
"""
