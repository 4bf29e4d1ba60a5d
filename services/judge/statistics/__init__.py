"""The mathematics of a verdict: e-values, signals, their results and sentences.

Imports the types of evidence and does no input or output.
"""
