"""Copies a release that has proven itself from one environment to another, by a commit on a branch."""
