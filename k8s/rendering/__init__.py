"""Makes the chart's values and schema, and the objects for Flux, from a spec, a release and an environment.

Imports cluster.
"""
