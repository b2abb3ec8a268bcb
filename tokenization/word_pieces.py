"""BERT's WordPiece on the Rust backend, with a vocabulary that was checked and texts decoded as Chinese is written."""

from typing import Any

from tokenizers import Regex, decoders
from transformers import BertTokenizer

from .characters import UNSPACED
from .vocabulary import read_vocabulary


class ChineseWordPieces(BertTokenizer):
    """BERT's tokenizer: the same ids on every text. Decoding writes Chinese without spaces between the characters.

    Args:
        vocab: path of vocab.txt, or token -> id.
        do_lower_case: lower-case, and strip accents unless `strip_accents` says otherwise.
        unk_token: unknown words.
        sep_token: ends a text.
        pad_token: fills up.
        cls_token: starts a text.
        mask_token: replaces what a masked language model predicts.
        vocab_file: path of vocab.txt, where `vocab` is None.
        kwargs: as for `transformers.BertTokenizer`.

    Raises:
        FileNotFoundError, ValueError: a vocabulary that cannot be used (see `read_vocabulary`).
    """

    padding_side = "right"

    def __init__(
        self,
        vocab: str | dict[str, int] | None = None,
        do_lower_case: bool = True,
        unk_token: str = "[UNK]",
        sep_token: str = "[SEP]",
        pad_token: str = "[PAD]",
        cls_token: str = "[CLS]",
        mask_token: str = "[MASK]",
        tokenize_chinese_chars: bool = True,
        strip_accents: bool | None = None,
        vocab_file: str | None = None,
        **kwargs: Any,
    ) -> None:
        vocab = vocab_file if vocab is None else vocab
        if vocab is not None:
            vocab = read_vocabulary(vocab, [str(t) for t in (unk_token, sep_token, pad_token, cls_token, mask_token)])
        super().__init__(
            vocab=vocab,
            do_lower_case=do_lower_case,
            unk_token=unk_token,
            sep_token=sep_token,
            pad_token=pad_token,
            cls_token=cls_token,
            mask_token=mask_token,
            tokenize_chinese_chars=tokenize_chinese_chars,
            strip_accents=strip_accents,
            vocab_file=vocab_file,
            **kwargs,
        )
        # BERT's decoder, without its spaces where the script has none
        self._tokenizer.decoder = chinese_decoder("##")


def chinese_decoder(prefix: str | None = None) -> decoders.Decoder:
    """Joins tokens by spaces, but where the script has none.

    Args:
        prefix: of a token that continues the one before; None: there are no such tokens.
    """
    unspaced = decoders.Replace(Regex(f"(?<={UNSPACED}) | (?={UNSPACED})"), "")
    pieces = decoders.WordPiece(prefix="\0" if prefix is None else prefix, cleanup=prefix is not None)
    return decoders.Sequence([pieces, decoders.Fuse(), unspaced])


__all__ = ["ChineseWordPieces", "chinese_decoder"]
