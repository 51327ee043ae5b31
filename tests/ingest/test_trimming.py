"""Silence at the ends is cut at the frame, by a threshold below the loudest sound that is no click."""

import numpy as np
import pytest

from mmcli.ingest.trimming import trim

LENGTH, HOP = 256, 128


def square(amplitude: float, samples: int) -> np.ndarray:
    """A square wave of period 2, whose power in any frame is amplitude^2."""
    return amplitude * (1 - 2 * (np.arange(samples) % 2))


def recording(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate(parts)


def test_silence_at_both_ends_is_cut_at_frames():
    sound = recording(np.zeros(1280), square(0.5, 2560), np.zeros(1280))

    kept = trim(sound, 30, LENGTH, HOP)

    # A frame with half of the sound is 3 dB below: the first is the one that starts half a frame early.
    np.testing.assert_array_equal(kept, sound[1280 - HOP : 3840 + HOP])


@pytest.mark.parametrize(("decibels", "start"), [(19.9, 1280 - HOP), (20.1, 0)])
def test_the_threshold_is_below_the_loudest_frame(decibels, start):
    sound = recording(square(0.05, 1280), square(0.5, 2560))

    np.testing.assert_array_equal(trim(sound, decibels, LENGTH, HOP), sound[start:])


def test_silence_within_a_recording_is_kept():
    sound = recording(square(0.5, 1280), np.zeros(5120), square(0.5, 1280 + 77))  # 77 beyond the last whole frame

    np.testing.assert_array_equal(trim(sound, 30, LENGTH, HOP), sound)


def test_scale_and_offset_do_not_matter():
    sound = recording(np.zeros(1280), square(0.5, 2560), np.zeros(1280))

    np.testing.assert_array_equal(
        trim(0.001 * sound + 0.25, 30, LENGTH, HOP), 0.001 * sound[1280 - HOP : 3840 + HOP] + 0.25
    )


def test_a_click_is_not_the_loudest_sound():
    click = np.zeros(2560)
    click[1280 + 64 : 1280 + 68] = [1, -1, 1, -1]  # in two frames; their power is 36 dB above that of the speech
    sound = recording(click, square(0.002, 2560), np.zeros(1280))

    kept = trim(sound, 30, LENGTH, HOP)

    # From the first frame with the click, which may be speech, to the last with half of the wave.
    np.testing.assert_array_equal(kept, sound[1280 - HOP : 5120 + HOP])


@pytest.mark.parametrize("samples", [LENGTH, LENGTH + 1, LENGTH + 2 * HOP])
def test_a_few_frames_are_kept(samples):
    sound = square(0.5, samples)

    np.testing.assert_array_equal(trim(sound, 30, LENGTH, HOP), sound)
