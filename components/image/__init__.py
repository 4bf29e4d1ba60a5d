"""Images: the project's own sources in an image, the record of a built image, and a reader of image layouts.

Imports the ground only; services and k8s may import it.
"""
