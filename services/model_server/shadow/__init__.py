"""Sends copies of requests to a candidate in the shadow and compares its answers.

This package imports decoding and errors; the application may import it.
"""
