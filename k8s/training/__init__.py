"""The train step as a Job on a cluster: on the pool that the spec names, by one worker or by several.

Imports cluster, and jobs of components; nothing imports it.
"""
