"""The tokenizer of Lattice-LSTM: characters and their glyph images, and the words of a lexicon that stand in a text."""

from .lexicon_inputs import LEXICON_FILE, LexiconInputs
from .tokenization_glyce import GlyceTokenizer


class LatticeLstmTokenizer(LexiconInputs, GlyceTokenizer):
    """Turns texts into the inputs of `GlyceTokenizer`, and `lexicon_ids` [M], `lexicon_spans` [M, 2].

    These are the words of a lexicon that stand in a text: see `LexiconInputs`. `GlyceTokenizer` has all other
    arguments, inputs and errors.

    Args:
        vocab: path of vocab.txt, or token -> id; ids must be 0..V-1.
        lexicon_file: path of lexicon.txt, one word a line, or the words; None: there are none.
        kwargs: as for `GlyceTokenizer`.

    Example:
        >>> tokenizer = LatticeLstmTokenizer("vocab.txt", lexicon_file=["南京", "南京市", "市长", "长江"])
        >>> tokenizer("南京市长")["lexicon_spans"]  # token 0 is [CLS]
        [[1, 2], [1, 3], [3, 4]]
        >>> tokenizer("南京市长")["lexicon_ids"]
        [1, 2, 3]
    """

    vocab_files_names = {**GlyceTokenizer.vocab_files_names, "lexicon_file": LEXICON_FILE}
    model_input_names = [*GlyceTokenizer.model_input_names, "lexicon_ids", "lexicon_spans"]


LatticeLstmTokenizer.register_for_auto_class("AutoTokenizer")

__all__ = ["LatticeLstmTokenizer"]
