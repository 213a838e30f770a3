"""What the commands call: a study on disk, a table of losses, a folder of results."""
