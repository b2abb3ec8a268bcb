"""Characters to glyph images, and texts to batches. Imports its own siblings only."""
