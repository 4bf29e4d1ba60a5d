"""Container images of the platform's programs and of the server, and the commands that make and publish images.

Imports the model server's build; signing and k8s may import it.
"""
