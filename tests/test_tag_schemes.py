"""Tags to entities and back: rules of every scheme, repairs, errors, and seqeval as an independent reader."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from hanziformers.training.tag_schemes import (
    SCHEMES,
    Entity,
    TagSchemeError,
    decode_tags,
    detect_scheme,
    encode_tags,
    split_overlaps,
)

LABELS = st.sampled_from(["PER", "PER.NOM", "a-b"])


@st.composite
def flat_entities(draw):
    """Non-overlapping entities, often touching, and the length of their sequence."""
    entities, position = [], 0
    for gap, size, label in draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), LABELS), max_size=8)):
        entities.append(Entity(position + gap, position + gap + size, label))
        position += gap + size
    return entities, position + draw(st.integers(0, 3))


def soup(prefixes):
    return st.lists(st.one_of(st.just("O"), st.builds("{}-{}".format, st.sampled_from(prefixes), LABELS)), max_size=12)


def from_seqeval(tags):
    return [Entity(start, last + 1, label) for label, start, last in get_entities(tags)]


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "BIO", "BIOES", "BMES", "BMESO", "BILOU"])
@given(case=flat_entities())
def test_round_trip(scheme, case):
    entities, length = case
    tags = encode_tags(reversed(entities), length, scheme)
    assert len(tags) == length
    assert decode_tags(tags, scheme) == (entities, 0)


@pytest.mark.parametrize(("scheme", "prefixes"), [("IOB1", "BI"), ("IOB2", "BI"), ("BIOES", "BIES"), ("IO", "I")])
def test_any_tags_read_as_seqeval_reads_them(scheme, prefixes):
    @given(soup(prefixes))
    def check(tags):
        assert decode_tags(tags, scheme)[0] == from_seqeval(tags)

    check()


@given(case=flat_entities())
def test_encoded_tags_read_by_seqeval(case):
    entities, length = case
    assert from_seqeval(encode_tags(entities, length)) == entities


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("IOB1", "I-x I-x B-x O I-y"),
        ("IOB2", "B-x I-x B-x O B-y"),
        ("BIOES", "B-x E-x S-x O S-y"),
        ("BMES", "B-x E-x S-x O S-y"),
        ("BILOU", "B-x L-x U-x O U-y"),
    ],
)
def test_encode_writes_each_scheme(scheme, tags):
    entities = [Entity(0, 2, "x"), Entity(2, 3, "x"), Entity(4, 5, "y")]
    assert encode_tags(entities, 5, scheme) == tags.split()


def test_inner_prefix_is_renamed():
    assert encode_tags([Entity(0, 3, "x")], 3, "BMES") == ["B-x", "M-x", "E-x"]
    assert encode_tags([Entity(0, 3, "x")], 3, "BILOU") == ["B-x", "I-x", "L-x"]
    assert encode_tags([Entity(1, 3, "x")], 4, "IO") == ["O", "I-x", "I-x", "O"]


@pytest.mark.parametrize(
    ("scheme", "tags", "repairs"),
    [
        ("IOB2", "O I-x I-x O", 1),
        ("IOB2", "B-x I-y I-y", 1),
        ("IOB1", "B-x I-x", 1),
        ("IOB1", "I-x B-x", 0),
        ("IO", "I-x I-y", 0),
        ("BIOES", "B-x O", 1),
        ("BIOES", "B-x I-x B-x E-x", 1),
        ("BIOES", "O E-x", 1),
        ("BIOES", "O I-x O", 1),
        ("BMES", "B-x E-y", 2),
        ("BILOU", "B-x U-x", 1),
    ],
)
def test_repairs_are_counted(scheme, tags, repairs):
    assert decode_tags(tags.split(), scheme)[1] == repairs


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        (["O I-x I-x", "O"], "IO"),
        (["O O"], "IO"),
        ([], "IO"),
        (["PER O LOC"], "IO"),
        (["person-actor O"], "IO"),
        (["B-x I-x O", "I-x"], "IOB2"),
        (["B-x O"], "IOB2"),
        (["I-x B-x", "I-y O"], "IOB1"),
        (["I-x B-y"], "IOB2"),
        (["I-x B-x", "B-x"], "IOB2"),
        (["B-x E-x", "S-y O"], "BIOES"),
        (["B-x I-x E-x"], "BIOES"),
        (["B-x M-x E-x", "S-y O"], "BMES"),
        (["B-x I-x L-x"], "BILOU"),
        (["U-x O"], "BILOU"),
    ],
)
def test_detect_scheme(sentences, scheme):
    assert detect_scheme(sentence.split() for sentence in sentences) == scheme
    assert scheme in SCHEMES


@pytest.mark.parametrize(
    "tags",
    ["M-x L-x", "B-x X-y", "B-x PER", "B-x M-x I-x", "I-x E-x", "X-PER", "b-x", "B I O", "B-", "B_x", "x-B", "B-x 0"],
)
def test_detect_scheme_refuses_what_is_ambiguous(tags):
    with pytest.raises(ValueError, match=r"(?s)no known scheme.*allowed are IO \(I O\).*rename") as caught:
        detect_scheme([tags.split()])
    assert repr(tags.split()[-1]) in str(caught.value) or repr(tags.split()[0]) in str(caught.value)


def test_labels_keep_everything_after_the_first_hyphen():
    assert decode_tags(["B-PER.NOM", "B-a-b", "O"], "IOB2")[0] == [Entity(0, 1, "PER.NOM"), Entity(1, 2, "a-b")]
    assert decode_tags(["art-film", "art-film", "PER"], "IO")[0] == [Entity(0, 2, "art-film"), Entity(2, 3, "PER")]


@pytest.mark.parametrize(
    ("tag", "scheme"), [("E-x", "IOB2"), ("M-x", "BIOES"), ("I-x", "BMES"), ("x", "IOB2"), ("B-x", "IO")]
)
def test_decode_refuses_a_foreign_tag(tag, scheme):
    with pytest.raises(ValueError, match=f"tag '{tag}' is not of the scheme {scheme}; allowed"):
        decode_tags(["O", tag], scheme)


def test_unknown_scheme():
    with pytest.raises(ValueError, match="unknown tag scheme 'IOE2'; use one of IO, IOB1"):
        decode_tags(["O"], "IOE2")
    with pytest.raises(ValueError, match="unknown tag scheme 'bio'"):
        encode_tags([], 1, "bio")


@pytest.mark.parametrize(
    "entity", [Entity(-1, 1, "x"), Entity(2, 4, "x"), Entity(1, 1, "x"), Entity(2, 1, "x"), Entity(0, 1, "")]
)
def test_encode_refuses_an_entity_outside(entity):
    with pytest.raises(ValueError, match=rf"Entity\(start={entity.start}, end={entity.end}.*end <= 3"):
        encode_tags([entity], 3)


def test_encode_refuses_overlaps_and_what_io_would_merge():
    with pytest.raises(ValueError, match=r"Entity\(start=0, end=2.*Entity\(start=1, end=3.*overlap.*split_overlaps"):
        encode_tags([Entity(1, 3, "y"), Entity(0, 2, "x")], 3)
    with pytest.raises(ValueError, match="touch.*use IOB2"):
        encode_tags([Entity(0, 1, "x"), Entity(1, 2, "x")], 2, "IO")
    assert encode_tags([Entity(0, 1, "x"), Entity(1, 2, "y")], 2, "IO") == ["I-x", "I-y"]


def test_split_overlaps_keeps_the_longest_then_the_first():
    long, inner, crossing, apart = Entity(2, 6, "x"), Entity(3, 4, "y"), Entity(5, 8, "x"), Entity(8, 9, "x")
    assert split_overlaps([inner, crossing, apart, long]) == ([long, apart], [inner, crossing])
    first, second = Entity(0, 2, "x"), Entity(1, 3, "x")
    assert split_overlaps([second, first]) == ([first], [second])
    assert split_overlaps([first._replace(label="z"), first]) == ([first], [first._replace(label="z")])


@given(
    st.lists(
        st.builds(
            lambda start, size, label: Entity(start, start + size, label), st.integers(0, 9), st.integers(1, 5), LABELS
        ),
        max_size=8,
    )
)
def test_split_overlaps_is_maximal_and_loses_nothing(entities):
    kept, left_over = split_overlaps(entities)
    assert sorted(kept + left_over) == sorted(entities)
    encode_tags(kept, 20)  # raises where two overlap
    for entity in left_over:
        with pytest.raises(ValueError, match="overlap"):
            encode_tags([*kept, entity], 20)


@pytest.mark.parametrize(
    ("tags", "odd"),
    [
        ("0 0 5 6", {"0", "5", "6"}),  # ids
        ("O O 5 6", {"5", "6"}),
        ("o o PER", {"o"}),
        ("O o PER", {"o"}),
        ("_ _ PER", {"_"}),
        ("O _ PER", {"_"}),
        *(
            (f"O {word} PER", {word})
            for word in ("none", "None", "NULL", "OUT", "nan", "N/A", "-", "*", "[PAD]", "无", "1.0")
        ),
        ("OUT PER", {"OUT"}),
        ("label O PER", {"label"}),  # a line of names
        ("NN VV PU", {"NN", "VV", "PU"}),  # parts of speech: no O
        ("PER LOC", {"PER", "LOC"}),
        ("Ｏ PER", {"Ｏ", "PER"}),
        ("B-PER I-PER 0", {"0"}),
        ("B-PER I-PER o", {"o"}),
        ("B-x I-x M-x", {"M-x"}),
        ("I-x E-x", {"E-x"}),
        *((f"O B{mark}PER", {f"B{mark}PER"}) for mark in ":/.|+=#~–－_"),  # not the hyphen
        ("O PER:B PER:I", {"PER:B", "PER:I"}),
        ("O PER(B) LOC", {"PER(B)"}),
        ("O begin_PER Inside-PER", {"begin_PER", "Inside-PER"}),
        ("O BPER IPER LOC", {"BPER", "IPER"}),
        ("O 标签 PER", {"标签"}),
        ("B-PER|B-ORG I-PER", {"B-PER|B-ORG"}),  # two tags in one
        ("B-PER I-PER,O", {"I-PER,O"}),
    ],
)
def test_what_is_no_tag_is_named(tags, odd):
    with pytest.raises(TagSchemeError, match="no known scheme") as caught:
        detect_scheme([tags.split()])
    assert caught.value.tags == odd


@pytest.mark.parametrize(
    "tags", ["O nr ns nt", "O 人名", "O other", "O MISC", "O person-actor", "O O", "O PER.NOM 5G", "O BOOK MAN"]
)
def test_plain_names_are_labels(tags):
    assert detect_scheme([tags.split()]) == "IO"


def test_many_overlaps_take_no_quadratic_time():
    entities = [Entity(3 * number, 3 * number + 2, "x") for number in range(100_000)]
    start = time.process_time()
    assert split_overlaps(entities) == (entities, [])
    assert time.process_time() - start < 10  # an hour if each is compared with all that are kept
