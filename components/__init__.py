"""The steps of the pipeline, one a file, the ground that everything stands on, and the rooms.

Imports nothing of ours; every other storey may import it.
"""
