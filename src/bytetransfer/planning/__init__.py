"""A study and its corpora become runs. Pure: nothing is read, timed or drawn here."""
