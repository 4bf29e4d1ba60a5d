"""The judge decides from counters whether a canary becomes the champion.

Imports spec, git and releases of components; k8s may import it.
"""
