"""The quality of a model: metrics with intervals, calibration, fairness, behaviour, comparison with the champion.

Imports models, table, package and spec.
"""
