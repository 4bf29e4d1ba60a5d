"""What follows from a verdict or a rollout's end: Events, the champion alias, the revert in Git.

Imports the judge; only its server may import it.
"""
