"""The mathematics of a verdict: e-values, signals, their results and sentences.

This package imports the types of evidence and does no input or output.
"""
