"""Text in, bytes out: documents, their preparation, transforms and artificial languages."""
