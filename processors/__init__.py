"""Characters to pictures, syllables to spectrograms, examples to batches. Imports its own siblings only."""
