"""Kinds of model: how each is searched, fitted on a device, exported as a graph and asked again.

Imports table, package and spec.
"""
