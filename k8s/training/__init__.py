"""The rights of a run whose train step starts workers: a Role for each namespace in which runs take place.

Imports nothing but YAML; nothing imports it.
"""
