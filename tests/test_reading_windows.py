"""Windows of long contexts, for every tokenizer: what they cover, and where in the text."""

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertTokenizer, PreTrainedTokenizerFast

from hanziformers import ChineseBertTokenizer, GlyceTokenizer, GlyphCrmTokenizer
from hanziformers.training.reading_windows import make_windows

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"我在北京上海银行长江大桥看书，。谁？", "2018", "cafe", "##s"]
VOCABULARY = {token: index for index, token in enumerate(TOKENS)}
TOKENIZERS = [BertTokenizer, ChineseBertTokenizer, GlyceTokenizer, GlyphCrmTokenizer]
CONTEXT = "我在北\u200b京 Cafés，上海2018\U0002070e銀行。長江大橋看書"


@pytest.fixture(params=TOKENIZERS)
def tokenizer(request):
    return request.param(VOCABULARY)


def test_windows_cover_the_context_and_overlap(tokenizer):
    context = CONTEXT * 110
    assert len(context) > 3000
    windows = make_windows(tokenizer, ["谁在北京？"], [context], 64, 16)
    assert {len(ids) for ids in windows["input_ids"][:-1]} == {64}
    spans = [[tuple(pair) for pair in offsets] for offsets in windows["offsets"]]
    for one, other in zip(spans, spans[1:], strict=False):
        assert one[-16:] == other[:16]
    joined = spans[0] + [pair for own in spans[1:] for pair in own[16:]]
    whole = tokenizer(context, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    assert joined == [tuple(pair) for pair in whole]
    # every visible character lies in a token
    covered = {place for begin, end in joined for place in range(begin, end)}
    assert {place for place, character in enumerate(context) if character not in "\u200b "} <= covered


def test_special_tokens_stand_for_the_other_answers(tokenizer):
    windows = make_windows(tokenizer, ["谁？", ""], [CONTEXT * 3, ""], 32)
    for ids, first, offsets, (none, yes, no) in zip(
        *(windows[name] for name in ("input_ids", "first", "offsets", "marks")), strict=True
    ):
        assert [ids[none], ids[yes], ids[no]] == [2, 3, 3]
        assert (none, no) == (0, len(ids) - 1)
        assert yes < no
        assert not offsets or (first, first + len(offsets)) == (yes + 1, no)


def test_offsets_are_characters_of_the_context(tokenizer):
    windows = make_windows(tokenizer, ["谁？"], [CONTEXT], 64)
    texts = [CONTEXT[begin:end] for begin, end in windows["offsets"][0]]
    assert {"北", "京", "\U0002070e", "銀", "書"} <= set(texts)
    assert "".join(texts) == CONTEXT.replace("\u200b", "").replace(" ", "")


def test_a_long_question_is_cut(tokenizer):
    windows = make_windows(tokenizer, ["我在北京看书" * 20, "谁？"], ["长江大桥" * 20] * 2, 32)
    cut = {row: value for row, value in zip(windows["row"], windows["cut"], strict=True)}
    assert cut == {0: True, 1: False}
    assert {windows["marks"][number][1] for number, row in enumerate(windows["row"]) if row == 0} == {15}


@pytest.mark.parametrize("stride", [-1, 15, 40])
def test_a_stride_without_room_is_refused(stride):
    with pytest.raises(ValueError, match=rf"doc_stride={stride} is not allowed with windows of 32 .* give 0 to 14"):
        make_windows(BertTokenizer(VOCABULARY), ["谁？"], ["北京"], 32, stride)
    make_windows(BertTokenizer(VOCABULARY), ["谁" * 90], ["北京" * 90], 32, 14)


def test_a_tokenizer_without_three_special_tokens_is_refused():
    class Bare(BertTokenizer):
        pass

    from tokenizers.processors import TemplateProcessing

    tokenizer = Bare(VOCABULARY)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A [SEP]", pair="$A [SEP] $B:1 [SEP]:1", special_tokens=[("[SEP]", 3)]
    )
    with pytest.raises(ValueError, match="a Bare puts 2 special tokens around two texts"):
        make_windows(tokenizer, ["谁？"], ["北京"], 32)


def test_a_question_whose_characters_have_many_tokens_is_cut():
    """A tokenizer of bytes, as RoBERTa's, has four for one rare character."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: row for row, token in enumerate(["<s>", "</s>", "<pad>", "<unk>", *letters])}
    backend = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
    )
    # 36 tokens are left for both texts: the question may have 18, and six characters have 24
    windows = make_windows(tokenizer, ["\U0002070e" * 6], ["a" * 50], 40, 17)
    assert windows["cut"] == [True] * len(windows["row"])
    assert max(windows["first"]) == 1 + 16 + 2
