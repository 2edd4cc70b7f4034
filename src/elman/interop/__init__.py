"""Guests: other libraries at home in elman, elman in theirs. Each is imported when asked for."""
