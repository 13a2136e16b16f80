"""Whole data sets on Ray: images into parquet files, each written whole, so that a run that was killed goes on."""
