"""Sends copies of requests to a candidate in the shadow and compares its answers.

Imports decoding and errors; the application may import it.
"""
