"""Where a classifier comes from: a module for each kind of source, its library imported there and nowhere else."""
