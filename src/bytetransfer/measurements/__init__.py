"""The waist: one row per run, and tables of such rows."""
