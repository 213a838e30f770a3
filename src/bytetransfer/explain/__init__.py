"""What explains the transfer: the analyses of a study or a table, as sections."""
