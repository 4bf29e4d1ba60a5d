"""Makes a registered version again from what its receipt names, without a network, and compares the two."""
