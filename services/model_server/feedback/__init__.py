"""Matches labels that come back with the answers of this replica or a peer.

Imports decoding, counters and the prediction log; the application may import it.
"""
