"""text[start:end] of every entity is exactly the characters it names, whatever the text, with our pipeline class.

And where the stock pipeline of transformers differs. The pipeline, the tokenizer and the model are the real ones; only
the model's answer is fixed: logits by token id.
"""

import re
import unicodedata

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import TokenClassificationPipeline, pipeline
from transformers.modeling_outputs import BaseModelOutputWithPooling

from hanziformers import ChineseBertConfig, ChineseBertForTokenClassification, ChineseBertTokenizer
from hanziformers.training.tag_schemes import decode_tags

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
HAN = "北京上海银行长很忙的地得了重庆我在是不中国人一块石头〇，。！、《》"
LATIN = "abcdefghijklmnopqrstuvwxyz0123456789.,!?-"
PIECES = [
    "ex",
    "hello",
    "ab",
    "##x",
    "##ab",
    "##s",
    "int",
    "##ern",
    "##ation",
    "##al",
    "か",
    "##か",
    "カ",
    "ａ",
    "##ａ",
]
JAMO = "한국"
TOKENS = [*SPECIAL, *dict.fromkeys(HAN), *LATIN, *(f"##{c}" for c in LATIN), *PIECES, *JAMO, *(f"##{c}" for c in JAMO)]
VOCABULARY = {token: index for index, token in enumerate(dict.fromkeys(TOKENS))}
LABELS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
CITIES = {"北": "B-LOC", "京": "I-LOC", "上": "B-LOC", "海": "I-LOC"}
STRATEGIES = ["none", "simple", "first", "average", "max"]
GROUPING = STRATEGIES[1:]
BY_WORD = STRATEGIES[2:]
CITY = re.compile("北京|上海")


def build(label_of, stock=False, crf=False, **options):
    """A pipeline whose model answers label_of(token) at every token; with our class, or transformers' own.

    With a CRF the answer is what its Linear reads; the path and the logits are the CRF's own.
    """
    tokenizer = ChineseBertTokenizer(VOCABULARY, **options)
    head = {"classifier": "crf", "special_token_ids": [VOCABULARY[token] for token in ("[PAD]", "[CLS]", "[SEP]")]}
    config = ChineseBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        glyph_styles=["kai"],
        glyph_size=2,
        pinyin_embedding_size=4,
        max_position_embeddings=2048,
        id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
        **(head if crf else {}),
    )
    table = torch.zeros(len(tokenizer), len(LABELS))
    for token, index in tokenizer.get_vocab().items():
        table[index, LABELS.index(label_of(token))] = 5 + index / 100  # no two scores alike, for "max"

    def answer(model, args, kwargs, output):
        assert kwargs["pinyin_ids"].shape == (*kwargs["input_ids"].shape, 8)
        assert output.logits.shape == (*kwargs["input_ids"].shape, len(LABELS))
        output.logits = table[kwargs["input_ids"]]
        return output

    model = ChineseBertForTokenClassification(config).eval()
    if crf:
        fix_emissions(model, table)
    else:
        model.register_forward_hook(answer, with_kwargs=True)
    chosen = {} if stock else {"pipeline_class": tokenizer.token_classification_pipeline}
    made = pipeline("token-classification", model=model, tokenizer=tokenizer, device="cpu", **chosen)
    if not crf:
        made(CITY.pattern)  # the whole model once; as its answer is fixed, its layers need not run for every text
        model.bert = Blank()
    return made


class Blank(torch.nn.Module):
    """In place of the layers below the head."""

    def forward(self, input_ids, **kwargs):
        return BaseModelOutputWithPooling(last_hidden_state=torch.zeros(*input_ids.shape, 8))


def fix_emissions(model, table):
    """Hidden states [B, L, 8] that begin with the row of the token [V, K], and a Linear that hands them on."""

    def answer(base, args, kwargs, output):
        output.last_hidden_state = torch.nn.functional.pad(table[kwargs["input_ids"]], (0, 8 - table.shape[1]))
        return output

    model.base_model.register_forward_hook(answer, with_kwargs=True)
    with torch.no_grad():
        model.classifier.dense.weight.copy_(torch.eye(8)[model.classifier.crf.outer])
        model.classifier.dense.bias.zero_()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Models this small are slower on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


CACHE = {}


def cities(**options):
    """Han characters of two cities are entities, everything else is O."""
    key = ("cities", *sorted(options.items()))
    if key not in CACHE:
        CACHE[key] = build(lambda token: CITIES.get(token, "O"), **options)
    return CACHE[key]


def mixed(stock=False):
    """Every token has some label, so entities begin and end everywhere."""
    if ("mixed", stock) not in CACHE:
        CACHE["mixed", stock] = build(lambda token: LABELS[VOCABULARY[token] * 7 % 5], stock)
    return CACHE["mixed", stock]


def spans(entities) -> list[tuple[int, int]]:
    return [(entity["start"], entity["end"]) for entity in entities]


def expected_spans(text: str, strategy: str) -> list[tuple[int, int]]:
    found = [match.span() for match in CITY.finditer(text)]
    return [(i, i + 1) for span in found for i in range(*span)] if strategy == "none" else found


def check_cities(pipe, text: str, strategies=STRATEGIES, **kwargs) -> None:
    for strategy in strategies:
        entities = pipe(text, aggregation_strategy=strategy, **kwargs)
        assert spans(entities) == expected_spans(text, strategy), (strategy, text)
        for entity in entities:
            assert entity["word"].replace(" ", "") == text[entity["start"] : entity["end"]]
            assert entity["entity" if strategy == "none" else "entity_group"].endswith("LOC")


def keeps(pipe, character: str) -> bool:
    """False where BERT's normalisation removes the character: accents, formats, controls, spaces."""
    return bool(pipe.tokenizer.backend_tokenizer.normalizer.normalize_str(character).strip())


# --- texts

NASTY = {
    "nothing": "",
    "space": " ",
    "full-width space": "\u3000",
    "line breaks": "\r\n\n",
    "tab": "\t",
    "zero-width space": "\u200b",
    "joiner": "\u200d",
    "soft hyphen": "\xad",
    "byte order mark": "\ufeff",
    "null": "\x00",
    "replacement character": "\ufffd",
    "variation selector": "\ufe0f",
    "ideographic variation selector": "\U000e0100",
    "two variation selectors": "\ufe00\U000e0101",
    "combining accent": "\u0301",
    "accents": "\u0301\u0302\u0344",
    "composed letter": "é",
    "decomposed letter": "e\u0301",
    "decomposed letters": "e\u0301e\u0302",
    "letter with accents of Vietnamese": "ệ",
    "İ": "İ",
    "sharp s": "ß",
    "ligature": "ﬁ",
    "square word": "㍿",
    "emoji": "😀",
    "family": "👨\u200d👩\u200d👧",
    "heart": "❤\ufe0f",
    "flag": "🇨🇳",
    "keycap": "1\ufe0f\u20e3",
    "skin": "👍🏽",
    "full-width": "ＡＢ１，",
    "half-width kana": "ｶﾞ",
    "Hangul": "한국",
    "Hangul in letters": "\u1112\u1161\u11ab",
    "kana": "かカ",
    "composed kana": "が",
    "decomposed kana": "か\u3099",
    "word": "hello",
    "word in pieces": "internationals",
    "capitals": "HELLO",
    "digits": "2018",
    "letters and digits": "b1",
    "punctuation": "-.!",
    "Chinese": "我在",
    "rare Chinese": "龘",
    "extension B": "𠮷",
    "extension G": "𰀀𰀀",
    "zero": "〇〇",
    "compatibility ideograph": "\uf9b8\U0002f80a",
    "iteration mark": "人々",
    "Arabic": "\u0627\u0644\u0639\u064e",
    "Thai": "\u0e01\u0e33\u0e48",
    "Devanagari": "\u0915\u093f\u09cb",
    "right to left": "\u202eabc\u202c",
    "private use": "\ue815\U0010ffff",
    "special token": "[MASK][SEP][UNK]",
    "nearly a special token": "[MASK",
    "hashes": "##x",
    "long word": "a" * 120,
}
UNICODE = st.lists(
    st.one_of(
        st.sampled_from(sorted(NASTY.values())),
        st.sampled_from(sorted(set(HAN) - set("北京上海"))),
        st.sampled_from(["e\u0301x", "a\xadb", "か\u3099カ", "in\u200bternation", "a\u0301b\u0301"]),
        st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF),
        st.text(st.characters(exclude_categories=("Cs",)), max_size=3),
    ),
    max_size=6,
).map("".join)
NOISE = UNICODE.filter(lambda text: not set("北京上海") & set(unicodedata.normalize("NFD", text)))  # 北 has a double


@pytest.mark.parametrize("name", NASTY)
def test_a_city_beside(name):
    pipe, noise = cities(), NASTY[name]
    for text in (
        f"北京{noise}",
        f"{noise}北京",
        f"{noise}北京{noise}",
        f"我{noise}北京{noise}的上海{noise}人",
        f"北京{noise}上海",
        f"北京 {noise} 上海",
        f"hello{noise} 北京 {noise}hello",
    ):
        check_cities(pipe, text)


@pytest.mark.parametrize("noise", [NASTY[name] for name in ("soft hyphen", "zero-width space", "variation selector")])
@pytest.mark.parametrize("strategy", GROUPING)
def test_removed_characters_inside_a_city(noise, strategy):
    """They belong to the stretch of text from its first to its last character."""
    text = f"在{noise}北{noise}京{noise}的"
    entity = cities()(text, aggregation_strategy=strategy)[0]
    assert text[entity["start"] : entity["end"]] == f"北{noise}京"
    assert entity["word"] == "北京"


WIDENED = {
    "accent of a decomposed letter": "e\u0301x",
    "soft hyphen": "a\xadb",
    "zero-width space": "a\u200bb",
    "joiner": "a\u200db",
    "variation selector": "a\ufe0fb",
}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", WIDENED)
def test_a_city_beside_a_word_with_removed_characters(name, strategy):
    """The stock pipeline takes such a word for the rest of the city when it groups by words."""
    for text in (f"北京{WIDENED[name]}", f"{WIDENED[name]}北京", f"在北京{WIDENED[name]}的上海"):
        check_cities(cities(), text, [strategy])


@settings(max_examples=100)
@given(st.lists(NOISE, min_size=1, max_size=4), st.lists(st.sampled_from(["北京", "上海"]), min_size=4, max_size=4))
def test_cities_between_any_characters(noises, names):
    text = "".join(noise + name for noise, name in zip(noises, names, strict=False)) + noises[0]
    pipe = cities()
    check_cities(pipe, text)


# --- labels at every token


def check_entities(pipe, text: str, strategy: str, entities: list[dict]) -> None:
    """Within the text, not empty, sorted, apart, and from a visible character to a visible character."""
    before = 0
    for entity in entities:
        start, end = entity["start"], entity["end"]
        assert type(start) is type(end) is int
        assert 0 <= start < end <= len(text)
        # one Hangul syllable is several tokens
        assert start >= before or "가" <= text[start] <= "힣" or not unicodedata.is_normalized("NFD", text[start])
        before = end
        assert keeps(pipe, text[start])
        assert keeps(pipe, text[end - 1])
    assert spans(entities) == sorted(spans(entities))
    if strategy == "none":
        for entity in entities:
            check_token(pipe, text, entity["word"], entity["start"], entity["end"])


def check_token(pipe, text: str, token: str, start: int, end: int) -> None:
    """The token is what normalisation makes of its piece of the text, or a part of that (of a Hangul syllable)."""
    piece = text[start:end]
    if token == piece or token == pipe.tokenizer.unk_token:
        return
    normal = pipe.tokenizer.backend_tokenizer.normalizer.normalize_str(piece).replace(" ", "")
    bare = token.removeprefix("##")
    assert bare == normal or (len(piece) == 1 and bare in normal), (token, piece)


def grouped(pipe, text: str) -> list[tuple[str, int, int]]:
    """What "simple" must give, from the tokenizer's offsets alone."""
    output = pipe.tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
    groups, last = [], None
    rows = zip(output["input_ids"], output["offset_mapping"], output["special_tokens_mask"], strict=True)
    for index, (start, end), special in rows:
        if special:
            continue
        kind, _, name = LABELS[index * 7 % 5].rpartition("-")
        if last == name and kind != "B":
            groups[-1][2] = end
        else:
            groups.append([name, start, end])
        last = name
    return [tuple(group) for group in groups if group[0] != "O"]


@settings(max_examples=120)
@given(UNICODE)
def test_entities_anywhere(text):
    pipe = mixed()
    for strategy in STRATEGIES:
        entities = pipe(text, aggregation_strategy=strategy)
        check_entities(pipe, text, strategy, entities)
        if strategy == "simple":
            assert [
                (entity["entity_group"], *span) for entity, span in zip(entities, spans(entities), strict=True)
            ] == (grouped(pipe, text))


@pytest.mark.parametrize("name", NASTY)
def test_entities_at(name):
    pipe = mixed()
    for text in (NASTY[name], f"我{NASTY[name]}的{NASTY[name]}x", f"hello{NASTY[name]}s 2{NASTY[name]}"):
        for strategy in STRATEGIES:
            check_entities(pipe, text, strategy, pipe(text, aggregation_strategy=strategy))


# --- transformers' own class


def keeps_every_length(pipe, text: str) -> bool:
    """Whether every token is [UNK], or as long as its stretch of text (without ##): nothing was removed in a word."""
    encoded = pipe.tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
    rows = zip(encoded.tokens(), encoded["offset_mapping"], encoded["special_tokens_mask"], strict=True)
    unknown = pipe.tokenizer.unk_token
    return all(
        special or token == unknown or (len(token) == end - start) is not token.startswith("##")
        for token, (start, end), special in rows
    )


@settings(max_examples=150)
@given(UNICODE)
def test_the_stock_pipeline_differs_only_in_words_with_removed_characters(text):
    """And there only where it groups by words (first, average, max)."""
    pipe, stock = mixed(), mixed(stock=True)
    assert type(stock) is TokenClassificationPipeline
    for strategy in STRATEGIES if keeps_every_length(pipe, text) else STRATEGIES[:2]:
        found = pipe(text, aggregation_strategy=strategy)
        assert found == stock(text, aggregation_strategy=strategy), strategy


@pytest.mark.parametrize("strategy", BY_WORD)
@pytest.mark.parametrize("name", WIDENED)
def test_where_the_stock_pipeline_differs(name, strategy):
    """It takes a word in which the tokenizer removed a character for the rest of the token before.

    The entity that ends there then swallows the word (first), or loses its last character to it (average, max).
    """
    text = f"在北京{WIDENED[name]}"
    pipe, stock = cities(), cities(stock=True)
    assert not keeps_every_length(pipe, text)
    assert spans(pipe(text, aggregation_strategy=strategy)) == [(1, 3)]
    assert spans(stock(text, aggregation_strategy=strategy)) == [(1, len(text) if strategy == "first" else 2)]


# --- long texts


def check_long(text: str, strategies=GROUPING) -> None:
    check_cities(cities(model_max_length=16), text, strategies, stride=4)


@pytest.mark.parametrize("strategy", GROUPING)
@pytest.mark.parametrize("shift", range(14))
def test_cities_across_the_border_of_windows(shift, strategy):
    """14 characters a window, 4 of them shared: with every shift, another border lies within a city."""
    text = "我" * shift + "".join("北京" + "的" * gap + "上海" + "很" * (5 - gap) for gap in range(6)) * 2
    assert len(text) > 100
    check_long(text, [strategy])


def test_long_texts_are_not_truncated():
    text = "的" * 700 + "北京" + "\u200b😀 \n" * 30 + "上海"
    check_long(text)
    assert cities(model_max_length=16)(text, aggregation_strategy="simple") == []  # without a stride: only the start


@settings(max_examples=50)
@given(
    st.lists(NOISE, min_size=10, max_size=20),
    st.lists(st.sampled_from(["北京", "上海"]), min_size=20, max_size=20),
)
def test_long_texts_of_any_characters(noises, names):
    text = "".join(f"{noise}的我人{name}" for noise, name in zip(noises, names, strict=False)) + "很忙" * 30
    assert len(text) >= 100
    check_long(text)


# --- with a CRF


@pytest.mark.parametrize("stock", [True, False])
def test_cities_of_a_crf(stock):
    """Texts of every kind, alone and in padded batches, and windows of long texts."""
    pipe = build(lambda token: CITIES.get(token, "O"), stock, crf=True)
    texts = [f"我{noise}北京{noise}的上海{noise}人" for noise in NASTY.values()]
    for text in texts:
        check_cities(pipe, text, STRATEGIES[:2])
    many = pipe(["", *texts], aggregation_strategy="simple", batch_size=7)
    assert [spans(entities) for entities in many] == [expected_spans(text, "simple") for text in ["", *texts]]
    left = build(lambda token: CITIES.get(token, "O"), stock, crf=True, padding_side="left", model_max_length=16)
    found = left(texts[:9], aggregation_strategy="simple", batch_size=3, stride=4)
    assert [spans(entities) for entities in found] == [expected_spans(text, "simple") for text in texts[:9]]


def test_a_crf_makes_entities_whole():
    """京 and 海 alone are I-LOC: the argmax of single tokens would begin entities with I, or leave pieces."""
    pipe = build(lambda token: "I-LOC" if token in "北京上海" else "O", crf=True)
    for text in ("在北京的", "北", "上海北京在京"):
        entities = pipe(text, aggregation_strategy="none")
        assert [entity["start"] for entity in entities] == [i for i, c in enumerate(text) if c in "北京上海"]
        tags = ["O"] * len(text)
        for entity in entities:
            tags[entity["start"]] = entity["entity"]
        assert decode_tags(tags, "IOB2")[1] == 0


# --- words and batches


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("delimiter", [None, "", "、"])
def test_words(strategy, delimiter):
    words = [
        "我在",
        "北京",
        "",
        "e\u0301",
        "\u200b北京\u200b",
        "hello",
        "internationals",
        "上",
        "海",
        "银行行长",
        "北京的上海",
        "😀",
    ]
    between = " " if delimiter is None else delimiter
    text = between.join(words)
    options = {} if delimiter is None else {"delimiter": delimiter}
    entities = cities()(words, aggregation_strategy=strategy, is_split_into_words=True, **options)[0]
    starts = [sum(len(word) + len(between) for word in words[:index]) for index in range(len(words))]
    expected = [(starts[w] + start, starts[w] + start + 2) for w, start in ((1, 0), (4, 1))]
    expected += [(starts[7], starts[8] + 1), (starts[10], starts[10] + 2), (starts[10] + 3, starts[10] + 5)]
    assert [text[start:end].replace(between, "") for start, end in expected] == ["北京", "北京", "上海", "北京", "上海"]
    if strategy == "none":
        expected = [(i, i + 1) for start, end in expected for i in (start, end - 1)]
    assert spans(entities) == expected


@pytest.mark.parametrize("strategy", GROUPING)
def test_long_lists_of_words(strategy):
    words = ["我在", "北京", "\u200b很忙", "的上海", "e\u0301", "2018", "internationals"] * 12
    text = "".join(words)
    pipe = cities(model_max_length=16)
    entities = pipe(words, aggregation_strategy=strategy, is_split_into_words=True, delimiter="", stride=4)[0]
    assert spans(entities) == expected_spans(text, strategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("side", ["right", "left"])
def test_batches(strategy, side):
    pipe = cities(padding_side=side)
    texts = ["我在北京", *(f"{noise}北京{noise}上海" for noise in NASTY.values()), "", "上海" * 9]
    one = [pipe(text, aggregation_strategy=strategy) for text in texts]
    for size in (2, 7):
        many = pipe(texts, aggregation_strategy=strategy, batch_size=size)
        assert [spans(entities) for entities in many] == [spans(entities) for entities in one]
    assert spans(one[0]) == expected_spans(texts[0], strategy)


@pytest.mark.parametrize("strategy", GROUPING)
def test_batches_of_long_texts(strategy):
    pipe = cities(model_max_length=16)
    texts = ["我" * shift + "北京的很忙的上海，" * 9 for shift in range(5)] + ["北京"]
    many = pipe(texts, aggregation_strategy=strategy, stride=4, batch_size=2)
    assert [spans(entities) for entities in many] == [expected_spans(text, strategy) for text in texts]


def test_words_in_a_batch():
    words = [["我在", "北京"], ["上海", "\u200b", "的", "hello"], ["京"]]
    many = cities()(words, aggregation_strategy="simple", is_split_into_words=True, batch_size=2)
    assert [spans(entities) for entities in many] == [[(3, 5)], [(0, 2)], [(0, 1)]]
