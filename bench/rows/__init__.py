"""The rows of the table that bench/run prints, a module for each kind."""
