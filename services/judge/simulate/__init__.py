"""Whole rollouts, simulated by the thousand and judged by the judge's own code: `make simulate`."""
