"""Simulates thousands of whole rollouts and judges them with the judge's own code: `make simulate`.

Imports statistics, evidence and the verdict; nothing imports it.
"""
