"""Images: what is in them, the record of a built one, and a model's image as one layer on the server's, signed.

Imports package, signing and the ground; services and k8s may import it.
"""
