"""Characters to glyph images, syllables to spectrograms, examples to batches. Imports its own siblings only."""
