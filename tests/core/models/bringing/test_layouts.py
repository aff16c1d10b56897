import re

import pytest
import torch

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.models.bringing.layouts import (
    NORMALISATIONS,
    ORIGINAL,
    RETRAINED,
    recognise,
)
from napari_deepheme.core.models.networks.resnext import ResNeXt50


def names_and_shapes(layout):
    with torch.device("meta"):
        network = ResNeXt50(23, n_features=layout.n_features)
    return {name: value.shape for name, value in network.state_dict().items()}


@pytest.mark.parametrize(
    ("layout", "head", "wrap", "told"),
    [
        ("original", "my_new_layers", "", ORIGINAL),
        ("original", "classifier", "", ORIGINAL),
        ("original", "my_new_layers", "module.", ORIGINAL),
        ("original", "classifier", "model.module.", ORIGINAL),
        ("retrained", "", "model.", RETRAINED),
        ("retrained", "", "model._orig_mod.", RETRAINED),
        ("retrained", "", "", RETRAINED),
    ],
)
def test_each_layout_is_told_and_its_names_become_the_networks(
    make_state, layout, head, wrap, told
):
    found, tensors = recognise("f", make_state(layout, head=head, wrap=wrap))
    assert found == told
    assert {k: v.shape for k, v in tensors.items()} == names_and_shapes(told)
    assert list(tensors) == list(names_and_shapes(told))
    last = tensors[list(tensors)[-1]]
    assert last.tolist() == torch.arange(23).half().div(10).tolist()
    assert last.dtype is torch.half
    assert all(value.is_contiguous() for value in tensors.values())


def test_the_layouts_state_what_deephemes_code_does():
    assert ORIGINAL.activation == "sigmoid"
    assert RETRAINED.activation == "softmax"
    assert NORMALISATIONS[ORIGINAL.normalisation][0] == (0.5594, 0.4984, 0.6937)
    assert NORMALISATIONS[RETRAINED.normalisation] == ((0, 0, 0), (1, 1, 1))


@pytest.mark.parametrize("counter", [None, 7, torch.inf, torch.nan])
def test_counters_of_batches_are_zero_whatever_the_file_has(make_state, counter):
    state = make_state()
    for name in [name for name in state if name.endswith("num_batches_tracked")]:
        del state[name]
        if counter is not None:
            state[name] = torch.tensor(counter, dtype=torch.half)
    _, tensors = recognise("f", state)
    assert tensors["layer4.2.bn3.num_batches_tracked"] == 0
    assert tensors["bn1.num_batches_tracked"].dtype is torch.int64
    assert set(tensors) == set(names_and_shapes(ORIGINAL))


def test_the_loss_beside_a_lightning_model_is_left_out(make_state):
    state = {**make_state("retrained", wrap="model."), "loss.weight": torch.ones(23)}
    assert recognise("f", state)[0] == RETRAINED


@pytest.mark.parametrize("other", ["ema_model.", "model_ema.module.", "teacher.", ""])
def test_a_second_network_beside_a_lightning_model_is_not_passed_over(
    make_state, other
):
    state = make_state("retrained", wrap="model.")
    state |= make_state("retrained", wrap=other)
    told = f"found model.* and {other}*" if other else "and conv1.weight: save"
    with pytest.raises(InvalidModelError, match=re.escape(told)):
        recognise("f", state)


def test_what_does_not_belong_to_a_layout_is_named(make_state):
    state = {**make_state(wrap="module."), "extra": torch.ones(1)}
    with pytest.raises(InvalidModelError, match="325 tensors, such as 'extra'"):
        recognise("f", state)


def test_double_precision_becomes_single(make_state):
    state = make_state()
    state["my_new_layers.0.bias"] = torch.zeros(100, dtype=torch.float64)
    assert recognise("f", state)[1]["head.0.bias"].dtype is torch.float32


def put(name, value):
    return lambda state: state.update({name: value})


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (lambda s: s.pop("pretrained.conv1.weight"), "no conv1.weight"),
        (put("pretrained.more", torch.zeros(1)), "an unknown more"),
        (put("classifier.1.weight", torch.zeros(1)), "an unknown classifier.1.weight"),
        (put("pretrained.fc.bias", torch.zeros(10)), "fc.bias of shape 10 instead of"),
        (put("my_new_layers.2.bias", torch.zeros(24)), "shape 24 instead of 23"),
        (put("my_new_layers.2.bias", torch.full((23,), torch.nan)), "NaN"),
        (put("pretrained.bn1.bias", torch.full((64,), torch.inf)), "infinity"),
        (put("pretrained.bn1.bias", torch.zeros(64, dtype=torch.int8)), "int8"),
        (put("pretrained.bn1.bias", torch.zeros(64).to(torch.float8_e4m3fn)), "float8"),
        (put("pretrained.bn1.bias", torch.zeros(64, device="meta")), "no numbers"),
        (put("pretrained.bn1.bias", torch.zeros(64).to_sparse()), "a sparse tensor"),
        (
            put("pretrained.bn1.running_var", torch.linspace(-0.5, 1, 64)),
            "expected variances of 0 or more; bn1.running_var holds -0.5",
        ),
        (
            put("classifier.2.bias", torch.zeros(23)),
            "one head; found classifier and my_new_layers",
        ),
    ],
)
def test_every_name_and_shape_is_checked(make_state, change, hint):
    state = make_state()
    change(state)
    with pytest.raises(InvalidModelError) as caught:
        recognise("weights.pth", state)
    message = str(caught.value)
    assert message.startswith("weights.pth is not a usable model: expected")
    assert hint in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("layout", ["original", "retrained"])
def test_another_number_of_classes_is_told_with_both_numbers(make_state, layout):
    with pytest.raises(InvalidModelError, match="23 classes") as caught:
        recognise("f", make_state(layout, n_classes=19))
    assert "of shape 19 instead of 23 and 1 more" in str(caught.value)


def test_the_network_of_imagenet_is_no_deepheme(make_state):
    with pytest.raises(InvalidModelError, match="shape 1000 instead of 23"):
        recognise("f", make_state("retrained", n_classes=1000))


@pytest.mark.parametrize(
    "state", [{}, {"features.0.weight": torch.zeros(3)}, {"model.a": torch.zeros(1)}]
)
def test_another_network_is_refused_with_what_was_expected(state):
    with pytest.raises(InvalidModelError, match=r"expected a DeepHeme state dict"):
        recognise("f", state)


def test_a_giant_tensor_that_takes_no_memory_is_refused_by_its_shape(make_state):
    state = make_state()
    state["pretrained.conv1.weight"] = torch.zeros(1).expand(10**12)
    with pytest.raises(InvalidModelError, match="1000000000000"):
        recognise("f", state)
