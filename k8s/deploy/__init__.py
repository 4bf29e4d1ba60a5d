"""Brings one service to the cluster that KUBECONFIG names: `python -m k8s.deploy --spec S --env E`.

Imports release, rendering and cluster; nothing imports it.
"""
