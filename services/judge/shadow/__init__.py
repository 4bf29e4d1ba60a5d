"""Reports, by slice, how a shadow version's answers differ from the champion's.

Imports evidence and the verdict; nothing imports it.
"""
