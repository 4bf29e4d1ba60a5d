"""Judges a version by copies of requests: how its answers differ by slice, and in pairs its scores and labels.

Imports evidence, statistics and the verdict; the judge may import it.
"""
