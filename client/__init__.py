"""Client for image classifiers served by Triton. Needs no torch and never imports `export` or `serve`."""
