"""Results: of a study on disk, of a table, of a frame, of the published figures."""
