"""Public data sets from the web or from disk."""
