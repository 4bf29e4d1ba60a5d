"""The error that a promotion raises on purpose."""


class PromotionError(Exception):
    """A promotion is refused; the message is meant to be shown."""
