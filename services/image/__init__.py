"""Container images of a model (from its bento) and of the platform's programs.

Imports the model server's build; signing and k8s may import it.
"""
