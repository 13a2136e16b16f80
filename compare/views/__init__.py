"""What a report and its judgement look like: on a terminal, as a page, as plots, as CSV, in a README.

Every view is a function of `(report, judgement)` and computes nothing.
"""
