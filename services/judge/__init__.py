"""The judge decides from counters whether a canary becomes the champion."""
