"""The generic program that serves a model package.

Imports spec, features and package of components; image, signing and k8s may import it.
"""
