"""The one feature pipeline, for training and serving alike: values to the numbers that the graph reads.

Imports the spec; everything above may import it.
"""
