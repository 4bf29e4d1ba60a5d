"""Signs packages, and lists what their images hold."""
