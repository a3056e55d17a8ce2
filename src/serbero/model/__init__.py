"""The vocabulary: states, transitions, notification types, channels. Pure values and tables."""
