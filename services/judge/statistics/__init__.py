"""The mathematics of a verdict: e-values, signals, findings and their sentences.

Imports evidence; reads nothing.
"""
