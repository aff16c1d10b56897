"""Converted networks that are kept between runs."""

import pytest
from torch import nn

from napari_deepheme.core.models.openvino.cache import converted


class OpenVino:
    """Stands in for OpenVINO: a model is a text, kept in its file."""

    __version__ = "1"

    class Core:
        def read_model(self, path):
            return path.read_text()

    @staticmethod
    def save_model(model, path, *, compress_to_fp16):
        path.write_text(model)
        path.with_suffix(".bin").write_bytes(b"")


@pytest.mark.parametrize("spoilt", [b"\xff\xfe\x80\x81", b"0" * 64, b""])
def test_a_kept_network_with_a_spoilt_hash_is_converted_anew(
    tmp_path, monkeypatch, spoilt
):
    monkeypatch.setenv("NAPARI_DEEPHEME_CACHE", str(tmp_path))
    made = []

    def convert(network):
        made.append(network)
        return f"made {len(made)}"

    def run():
        return converted(OpenVino, nn.Identity(), convert)

    assert [run(), run()] == ["made 1", "made 1"]
    (kept,) = tmp_path.glob("openvino/*/sha256")
    kept.write_bytes(spoilt)
    assert [run(), run()] == ["made 2", "made 2"]
