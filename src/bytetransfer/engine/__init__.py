"""Where runs execute: the worker, the engine that feeds workers, the order things are done in."""
