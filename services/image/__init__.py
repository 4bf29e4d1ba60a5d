"""Container images of a model (from its bento) and of the platform's programs."""
