"""The network: its shapes and pieces, values of its own, and the reference's outputs."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from audiolog_cli.model import htsat
from audiolog_cli.model.features import FrontEnd
from audiolog_cli.model.htsat import HTSAT, PRESETS, preset
from tests.layout_files import MINI
from tests.parity import GOLDEN, clips, digest, farthest, filled, golden


def mini(**heads: int) -> HTSAT:
    torch.manual_seed(0)
    return HTSAT(replace(MINI, **heads)).eval()


def log_mels(batch: int = 2, frames: int = 1001) -> Tensor:
    return torch.rand(batch, frames, 64, generator=torch.Generator().manual_seed(1)) * 60 - 80


# What comes out


def test_a_network_with_both_branches() -> None:
    output = mini(n_scenes=3, n_events=5)(torch.rand(2, 320_000) - 0.5)
    assert output.scene_logits is not None and output.scene_logits.shape == (2, 3)
    assert output.event_logits is not None and output.event_logits.shape == (2, 32, 5)
    assert output.scene_embedding is not None and output.event_embedding is not None
    for embedding in (output.scene_embedding, output.event_embedding):
        torch.testing.assert_close(embedding.norm(dim=-1), torch.ones(2))
    assert output.latent.shape == (2, 64)
    assert output.tag_logits is None


def test_without_an_event_branch_the_tagged_classes_are_the_events() -> None:
    output = mini(n_classes=7).forward_features(log_mels())
    assert output.event_logits is output.tag_logits
    assert output.event_logits is not None and output.event_logits.shape == (2, 32, 7)
    assert output.scene_logits is None and output.scene_embedding is None


def test_both_kinds_of_heads_on_one_backbone() -> None:
    output = mini(n_classes=7, n_scenes=3, n_events=5).forward_features(log_mels())
    assert output.event_logits is not None and output.event_logits.shape == (2, 32, 5)
    assert output.tag_logits is not None and output.tag_logits.shape == (2, 32, 7)


def test_a_backbone_alone() -> None:
    output = mini().forward_features(log_mels())
    assert output.event_logits is None and output.scene_logits is None and output.latent.shape == (2, 64)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("base", 31_567_818), ("small", 4_033_765), ("tiny", 1_544_373)],
)
def test_the_presets_and_their_sizes(name: str, parameters: int) -> None:
    heads = {"n_scenes": 5, "n_events": 11} if name == "base" else {"n_scenes": 12, "n_events": 49}
    network = HTSAT(preset(name, **heads))
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_the_temperature_starts_at_the_papers() -> None:
    assert mini(n_scenes=1, n_events=1).logit_scale.item() == pytest.approx(2.6592, abs=1e-4)
    assert math.exp(htsat.INITIAL_LOGIT_SCALE) == pytest.approx(14.29, abs=0.01)


def test_a_clip_scores_the_same_alone_and_in_a_batch() -> None:
    network, clips = mini(n_scenes=3, n_events=5), log_mels(3)
    together, alone = network.forward_features(clips), network.forward_features(clips[1:2])
    torch.testing.assert_close(together.event_logits[1:2], alone.event_logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(together.scene_logits[1:2], alone.scene_logits, atol=1e-5, rtol=0)


def test_more_frames_than_the_picture_holds_are_refused() -> None:
    with pytest.raises(AssertionError, match="at most 1024 frames fit the picture, got 1025: window the audio"):
        mini().forward_features(log_mels(1, frames=1025))


# The pieces


def test_folding_puts_four_chunks_of_time_below_each_other() -> None:
    spectrogram = torch.arange(1024 * 64).view(1, 1024, 64).float()  # entry = 64 * frame + mel
    picture = mini()._fold(spectrogram)
    assert picture.shape == (1, 1, 256, 256)
    assert picture[0, 0, 0, 5] == 64 * 5  # row 0: mel 0 of the first chunk
    assert picture[0, 0, 2 * 64 + 7, 3] == 64 * (2 * 256 + 3) + 7  # row chunk * 64 + mel, column frame within the chunk


def test_unfolding_puts_them_side_by_side_again() -> None:
    features = torch.arange(64).view(1, 8, 8, 1)  # entry = 8 * row + column; two rows to a chunk
    assert mini()._unfold(features)[0, 0].tolist() == [
        [8 * (2 * chunk) + column for chunk in range(4) for column in range(8)],
        [8 * (2 * chunk + 1) + column for chunk in range(4) for column in range(8)],
    ]


def test_windows_are_8_by_8_in_raster_order_and_can_be_undone() -> None:
    tokens = torch.arange(256).view(1, 16, 16, 1)
    windows = htsat.to_windows(tokens)
    assert windows.shape == (1, 4, 64, 1)
    assert windows[0, 1, :9, 0].tolist() == [8, 9, 10, 11, 12, 13, 14, 15, 24]  # the second window starts at column 8
    assert torch.equal(htsat.from_windows(windows, side=16), tokens)


def test_shifted_windows_keep_strangers_apart() -> None:
    mask = htsat.shift_mask(side=16, shift=4)
    assert mask.shape == (4, 64, 64)
    assert torch.equal(mask[0], torch.zeros(64, 64))  # nothing wraps around in the first window
    # In the last one the four quarters come from the four corners: a token sees the 16 of its own quarter.
    assert (mask[3] == 0).sum(dim=1).tolist() == [16] * 64
    assert set(mask.unique().tolist()) == {-100.0, 0.0}
    right = (mask[1][0] == 0).view(8, 8)  # the top right window: the left half does not see the right half
    assert right[:, :4].all() and not right[:, 4:].any()


def test_relative_positions_are_numbered_by_row_and_column_offset() -> None:
    index = htsat.relative_position_index()
    assert index[0, 0] == 7 * 15 + 7  # no offset: the middle of the 15 x 15 table
    assert index[0, 63] == 0  # from the last token's view the first is 7 up and 7 left
    assert index[63, 0] == 224
    assert index[1, 0] == index[0, 0] + 1 and index[8, 0] == index[0, 0] + 15


def test_merging_takes_neighbours_column_by_column() -> None:
    merging = htsat.PatchMerging(1)
    merging.norm, merging.reduction = torch.nn.Identity(), torch.nn.Identity()  # type: ignore[assignment]
    tokens = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 2, 2, 1)
    assert merging(tokens).flatten().tolist() == [1.0, 3.0, 2.0, 4.0]  # (0,0), (1,0), (0,1), (1,1)


# Training


def test_spec_augment_blanks_two_stripes_of_each_kind() -> None:
    torch.manual_seed(0)
    x = htsat.spec_augment(torch.ones(50, 1000, 64), time_stripe=64, mel_stripe=8)
    frames, bands = (x == 0).all(dim=2), (x == 0).all(dim=1)
    assert frames.sum(dim=1).max() <= 2 * 63 and bands.sum(dim=1).max() <= 2 * 7
    assert frames.sum(dim=1).float().mean() == pytest.approx(63, abs=10)  # two stripes of 31.5 frames on average
    starts = (frames[:, 1:] & ~frames[:, :-1]).sum(dim=1) + frames[:, 0]
    assert starts.max() == 2
    assert torch.equal(x.bool(), ~(frames.unsqueeze(2) | bands.unsqueeze(1)))  # nothing else is touched


def test_spec_augment_can_be_switched_off() -> None:
    x = torch.ones(3, 1000, 64)
    assert torch.equal(htsat.spec_augment(x, time_stripe=0, mel_stripe=0), x)


def test_stochastic_depth_drops_whole_residuals_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    block = htsat.Block(dim=8, side=8, n_heads=1, shift=0, drop_path=0.25).train()
    kept = block._dropped(torch.ones(4000, 1, 1, 1))
    assert kept.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert kept.mean() == pytest.approx(1, abs=0.05)
    assert torch.equal(block.eval()._dropped(torch.ones(4, 1, 1, 1)), torch.ones(4, 1, 1, 1))


def test_stochastic_depth_grows_from_0_to_a_tenth() -> None:
    rates = [block.drop_path for stage in HTSAT(PRESETS["small"]).layers for block in stage.blocks]
    assert rates[0] == 0 and rates[-1] == pytest.approx(0.1) and rates == sorted(rates)


def test_every_parameter_of_both_branches_is_trained() -> None:
    network = mini(n_scenes=3, n_events=5).train()
    output = network.forward_features(log_mels())
    assert output.scene_logits is not None and output.event_logits is not None
    assert output.scene_embedding is not None and output.event_embedding is not None
    agreement = (network.logit_scale.exp() * output.scene_embedding * output.event_embedding).sum()
    (output.scene_logits.square().sum() + output.event_logits.square().sum() + agreement).backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


# Numbers


def test_the_values_of_a_network_filled_by_formula() -> None:
    """Regression values that hold everywhere: sine-filled weights, a chirp, and what this implementation made of them
    on the day when it equalled the reference."""
    network = mini(n_scenes=3, n_events=5)
    tensors = network.state_dict()
    for number, (name, tensor) in enumerate(sorted(tensors.items())):
        if tensor.is_floating_point() and "melW" not in name and "running" not in name:
            wave = torch.sin(torch.arange(tensor.numel(), dtype=torch.float64) * 0.7 + number).view(tensor.shape)
            tensors[name] = ((1.0 if tensor.dim() == 1 else 0.0) + 0.2 * wave).float()
    network.load_state_dict(tensors)
    t = torch.arange(320_000, dtype=torch.float64) / 32_000
    chirp = (0.5 * torch.sin(2 * math.pi * (100 * t + 395 * t**2))).float().unsqueeze(0)
    with torch.inference_mode():
        output = network(chirp)
    assert output.scene_logits is not None and output.event_logits is not None
    found = [*output.scene_logits[0].tolist(), *output.event_logits[0, ::16, ::2].flatten().tolist(), output.latent.sum().item()]
    assert found == pytest.approx(FORMULA_VALUES, abs=2e-4)


FORMULA_VALUES = [1.020277, 1.288343, 1.241571, 6.191572, -3.027541, 3.142785, 7.642704, -4.248291, 3.931920, 63.731813]


@pytest.mark.parametrize(
    ("layout", "heads"),
    [
        ("a_htsat_audioset_lightning", {"n_classes": 527}),
        ("b_audiolog_2023T4", {"n_scenes": 5, "n_events": 11}),
        ("b_audiolog_2016-17TUT", {"n_scenes": 4, "n_events": 25}),
    ],
)
def test_parameters_are_those_of_the_published_checkpoints(layout: str, heads: dict[str, int]) -> None:
    """But for what can be computed (Fourier kernels, masks, the index of positions) and `head`, which is never used."""
    tensors = HTSAT(preset("base", **heads)).state_dict()
    found = {name.replace("tscam_conv_sed", "tscam_conv"): tuple(tensor.shape) for name, tensor in tensors.items()}
    assert digest(found) == GOLDEN["parameters"][layout]["kept"]


def test_the_audioset_network_equals_the_reference() -> None:
    network = filled(HTSAT(preset("base", n_classes=527)))
    with torch.inference_mode():
        output = network(clips())
    assert output.tag_logits is not None
    assert farthest(output.tag_logits.mean(dim=1).sigmoid(), golden("htsat527", "clipwise")) < 1e-5
    assert farthest(output.tag_logits.sigmoid(), golden("htsat527", "framewise32")) < 1e-5
    assert farthest(output.latent, golden("htsat527", "latent")) < 3e-5


def test_three_seconds_repeated_equal_the_reference() -> None:
    """The reference hears a clip of 3 s three times over."""
    network = filled(HTSAT(preset("base", n_classes=527)))
    with torch.inference_mode():
        log_mel = network.logmel_extractor(clips()[:, :96_000])
        output = network.forward_features(log_mel.repeat(1, 3, 1))
    assert farthest(output.tag_logits.mean(dim=1).sigmoid(), golden("htsat527", "infer3s_clipwise")) < 1e-5
    assert farthest(output.latent, golden("htsat527", "infer3s_latent")) < 3e-5


def test_the_two_branches_equal_the_reference() -> None:
    """AudioLog's released configuration for task 4B hears up to 16 kHz."""
    network = filled(HTSAT(preset("base", n_scenes=5, n_events=11), FrontEnd(fmax=16000.0)))
    with torch.inference_mode():
        output = network(clips())
    assert output.scene_logits is not None and output.event_logits is not None
    assert output.scene_embedding is not None and output.event_embedding is not None
    assert farthest(output.scene_logits, golden("audiolog_2023T4", "scene_logits")) < 1e-5
    assert farthest(output.event_logits.sigmoid(), golden("audiolog_2023T4", "framewise32")) < 1e-5
    assert farthest(output.scene_embedding, golden("audiolog_2023T4", "e_asc")) < 1e-5
    assert farthest(output.event_embedding, golden("audiolog_2023T4", "e_sed")) < 1e-5
    assert network.logit_scale.exp().item() == pytest.approx(float(golden("audiolog_2023T4", "scale").values[0]), rel=1e-6)
