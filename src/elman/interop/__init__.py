"""Guests: other libraries at home in elman, and elman in theirs. Each is imported when asked for."""
