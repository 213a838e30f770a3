"""Where runs lie, and who does them."""
