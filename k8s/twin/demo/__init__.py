"""`make demo`: three versions of a model on the twin, the last of them bad.

Imports the twin and its report; nothing imports it.
"""
