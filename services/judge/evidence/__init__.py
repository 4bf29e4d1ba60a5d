"""The judge's evidence: counters by version, read from metrics pages or from Prometheus.

Imports the webhook's types; it decides nothing.
"""
