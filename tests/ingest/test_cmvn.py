"""Normalised MFCCs have mean 0 and variance 1 over a recording or a speaker, whatever the channel was."""

import numpy as np

from mmcli.ingest.cmvn import normalize

# Two recordings of two coefficients; the second coefficient of the first is constant.
SHORT = np.array([[1.0, 7.0], [3.0, 7.0]])
LONG = np.array([[0.0, 2.0], [0.0, 4.0], [3.0, 6.0]])


def test_each_recording_is_centred_and_scaled_and_a_constant_is_zero():
    short, long = normalize([SHORT, LONG], range(2))

    np.testing.assert_array_equal(short, [[-1, 0], [1, 0]])
    root = np.sqrt(1.5)
    np.testing.assert_allclose(long, [[-1 / np.sqrt(2), -root], [-1 / np.sqrt(2), 0], [np.sqrt(2), root]], rtol=1e-15)


def test_a_speaker_has_statistics_of_all_own_recordings():
    other = np.array([[5.0, 5.0]])

    short, alone, long = normalize([SHORT, other, LONG], ["anna", "ben", "anna"])

    pooled = np.concatenate([SHORT, LONG])
    expected = (pooled - pooled.mean(axis=0)) / pooled.std(axis=0)
    np.testing.assert_allclose(np.concatenate([short, long]), expected, rtol=1e-15)
    assert abs(short[:, 1].mean()) > 0.5  # what all frames of a recording share is kept
    np.testing.assert_array_equal(alone, [[0, 0]])


def test_a_channel_and_a_scale_vanish():
    frames = np.random.default_rng(0).normal(size=(40, 13))
    channel, scale = np.linspace(-30, 20, 13), np.linspace(0.2, 3, 13)

    plain, filtered = normalize([frames, frames * scale + channel], range(2))

    np.testing.assert_allclose(filtered, plain, atol=1e-12)


def test_rounding_is_no_variance():
    rounded = np.full((50, 1), 0.1) + 1e-17 * np.arange(50)[:, None]

    [frames] = normalize([rounded * 300], range(1))

    np.testing.assert_array_equal(frames, 0)
