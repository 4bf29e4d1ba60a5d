"""A local cluster for those who have none."""
