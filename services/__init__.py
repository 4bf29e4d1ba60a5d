"""Long-running programs, the images they run in, and a folder of data for each model.

Imports components; k8s may import it.
"""
