"""From what people have on disk to arrays that a graph can observe: sounds, pictures, pairs, and what a file holds."""
