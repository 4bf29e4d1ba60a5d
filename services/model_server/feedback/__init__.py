"""Matches labels that come back with the answers of this replica or a peer, and counts them by when those were given.

Imports decoding, counters and the prediction log; the application may import it.
"""
