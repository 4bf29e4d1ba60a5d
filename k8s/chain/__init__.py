"""The chain from a served answer back to the data: each link names the digest of the one before."""
