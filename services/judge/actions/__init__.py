"""The consequences of a verdict or a rollout's end: Events, the champion alias, the revert in Git.

This package imports the judge; only the judge's server may import it.
"""
