"""Text, atomic files, progress and worker threads, used by all packages."""
