"""processor_config.json, to which parts are added one by one."""

import json

from hanziformers.processors.processor_config import add_part


def test_a_part_is_moved_beside_the_others(tmp_path):
    for part in ("image_processor", "feature_extractor"):
        (tmp_path / "preprocessor_config.json").write_text(json.dumps({"kind": part}))
        gone, whole = add_part(tmp_path, part)
        assert not gone.exists()
    assert json.loads(whole.read_text()) == {
        "image_processor": {"kind": "image_processor"},
        "feature_extractor": {"kind": "feature_extractor"},
    }
