"""The consequences of a verdict or a rollout's end: Events, the champion alias, the revert in Git.

Imports the judge; only the judge's server may import it.
"""
