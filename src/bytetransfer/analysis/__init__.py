"""What explains the transfer: pure functions over estimates, losses and text (docs/method.md)."""
