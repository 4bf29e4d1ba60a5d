"""The rights of a run whose train step starts workers, and of who starts runs from outside: a Role a namespace.

Imports nothing but YAML; nothing imports it.
"""
