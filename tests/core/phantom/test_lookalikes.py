import numpy as np
import pytest

from napari_deepheme.core.phantom import LOOKALIKES, Stain, render_lookalike
from napari_deepheme.core.taxonomy import MITOTIC_CODE


def lookalikes(kind, n=3):
    return [
        render_lookalike(kind, np.random.default_rng(i), mpp=0.25, stain=Stain())
        for i in range(n)
    ]


@pytest.mark.parametrize("kind", LOOKALIKES)
def test_a_lookalike_is_stained_and_is_no_mitosis(kind):
    for cell in lookalikes(kind):
        assert cell.class_code != MITOTIC_CODE
        assert cell.mitotic_phase == ""
        assert cell.density.shape == (*cell.mask.shape, 3)
        assert cell.density[..., 1].max() > 0.8
        height, width = cell.mask.shape
        assert cell.box.right <= width
        assert cell.box.bottom <= height
        assert cell.box.width * 0.25 > 4


def test_the_nucleus_of_a_dying_cell_is_smaller_the_more_it_is_broken_up():
    def largest_piece(kind):
        from scipy import ndimage

        sizes = []
        for cell in lookalikes(kind, 8):
            dark = cell.density[..., 1] > 1.2
            labels, n = ndimage.label(dark)
            sizes.append(ndimage.sum(dark, labels, range(1, n + 1)).max() if n else 0)
        return np.mean(sizes)

    assert largest_piece("pyknotic") > largest_piece("karyorrhexis")


def test_overlapping_lymphocytes_are_darker_where_they_meet():
    from napari_deepheme.core.phantom import render_cell

    alone = render_cell("L2", np.random.default_rng(5), mpp=0.25, stain=Stain())
    both = render_lookalike(
        "overlapping lymphocytes", np.random.default_rng(5), mpp=0.25, stain=Stain()
    )
    assert both.density[..., 1].max() > 1.3 * alone.density[..., 1].max()
    assert max(both.box.size) > max(alone.box.size)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="take one of"):
        render_lookalike("twins", np.random.default_rng(1), mpp=0.25)
