"""What learns from bytes: a surface learner (n-grams) and a transformer, behind one protocol."""
