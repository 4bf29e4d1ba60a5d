"""Container images: of a model from its bento, of the judge, and of the pipeline's steps."""
