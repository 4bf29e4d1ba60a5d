"""Tells before a rollout what it will need: requests and time, exposure, and what to change: `make plan`.

Imports simulate's world, statistics, evidence and the verdict; `make deploy` imports it.
"""
