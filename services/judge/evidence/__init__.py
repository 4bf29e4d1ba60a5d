"""What the judge weighs: counters by version, read from pages or from Prometheus.

Imports the webhook's types; nothing here decides.
"""
