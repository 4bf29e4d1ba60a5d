"""The single feature pipeline of training and serving: turns values into the numbers that the graph reads.

Imports the spec; everything above may import it.
"""
