"""Where a model repository lies: one narrow seam, and a module for each kind of place."""
