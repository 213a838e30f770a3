"""What a person declares: the study file, read, checked, or written from a few names."""
