"""Charts as data, and as SVG."""
