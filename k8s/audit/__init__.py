"""Writes the dossier of a version: what is known of it, each sentence linked to a record with its digest."""
