"""Counts that copies start again, and when to warn."""

import copy
import pickle

from hanziformers.tokenization.tally import Tally


def test_it_says_when_the_number_of_different_ones_has_doubled():
    tally = Tally()
    said = [tally.add({key: 2}) for key in ("a", "a", "b", "c", "d", "d", "e", "f", "g", "h", "i")]
    assert said == [True, False, True, False, True, False, False, False, False, True, False]
    assert tally == {key: 4 if key in "ad" else 2 for key in "abcdefghi"}
    assert tally.total() == 22


def test_copies_hold_nothing():
    tally = Tally()
    before = pickle.dumps(tally)
    tally.add({"a": 1})
    assert pickle.dumps(tally) == before
    for again in (copy.deepcopy(tally), pickle.loads(pickle.dumps(tally))):
        assert type(again) is Tally
        assert not again
        assert again.add({"b": 1})
