"""Signs packages and lists the contents of their images.

Imports image and the model server's build; k8s may import it.
"""
