"""The chart's values and schema, and what Flux applies, from a spec, a release and an environment.

Imports cluster.
"""
