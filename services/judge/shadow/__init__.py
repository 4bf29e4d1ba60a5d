"""What a candidate in the shadow answers differently, by slice, and what that shows."""
