"""What screening looks for, as tables a person can read and correct: one topic a module."""
