"""The command that signs a package and lists the contents of its image.

Imports image and the model server's build; k8s may import it.
"""
