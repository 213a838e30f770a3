"""Sections of the report that say what the analyses found."""
