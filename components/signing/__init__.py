"""Signatures of packages, and bills of materials of their images.

Imports git, package and the ground; image, services and k8s may import it.
"""
