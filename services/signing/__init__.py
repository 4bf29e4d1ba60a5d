"""Signs packages and lists the contents of their images."""
