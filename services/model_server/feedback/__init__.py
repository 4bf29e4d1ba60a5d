"""Labels that come back: which answer they belong to, on this replica or a peer's.

Imports decoding, counters and the prediction log; the application may import it.
"""
