"""The shadow version: copies of requests are sent to it, and its answers compared.

Imports decoding and errors; the application may import it.
"""
