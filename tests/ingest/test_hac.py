"""HAC against an example counted by hand, and what holds for every utterance."""

import numpy as np
import pytest

from mmcli.errors import DataError
from mmcli.ingest.hac import NUM_CODES, Streams, compute_deltas, compute_streams, fit_codebooks, hac_features

LENGTHS = (0, 1, 2, 3, 5, 6, 40)  # frames; the lags are 5 and 2


def draw_mfccs(lengths: tuple[int, ...], num_coefficients: int = 13) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(length, num_coefficients)) for length in lengths]


@pytest.fixture
def codebooks() -> Streams:
    return fit_codebooks(draw_mfccs((50, 50)))


def test_counts_are_those_counted_by_hand() -> None:
    # One coefficient, two codes a stream: 0 for low, 1 for high.
    mfcc = np.array([[0.0], [0.0], [10.0], [10.0], [0.0], [10.0], [10.0]])
    # Slopes (2 x[t+2] + x[t+1] - x[t-1] - 2 x[t-2]) / 10, the ends repeated:
    delta = np.array(
        [
            [(20 + 0 - 0 - 0) / 10],
            [(20 + 10 - 0 - 0) / 10],
            [(0 + 10 - 0 - 0) / 10],
            [(20 + 0 - 10 - 0) / 10],
            [(20 + 10 - 10 - 20) / 10],
            [(20 + 10 - 0 - 20) / 10],
            [(20 + 10 - 10 - 0) / 10],
        ]
    )  # 2 3 1 1 0 1 2
    delta_delta = np.array(
        [
            [(2 + 3 - 2 - 4) / 10],
            [(2 + 1 - 2 - 4) / 10],
            [(0 + 1 - 3 - 4) / 10],
            [(2 + 0 - 1 - 6) / 10],
            [(4 + 1 - 1 - 2) / 10],
            [(4 + 2 - 0 - 2) / 10],
            [(4 + 2 - 1 - 0) / 10],
        ]
    )  # -0.1 -0.3 -0.6 -0.5 0.2 0.4 0.5
    streams = compute_streams(mfcc)
    np.testing.assert_allclose(streams.delta, delta, atol=1e-12)
    np.testing.assert_allclose(streams.delta_delta, delta_delta, atol=1e-12)

    # Codes: mfcc 0 0 1 1 0 1 1; delta (split at 1.5) 1 1 0 0 0 0 1; delta-delta (split at 0) 0 0 0 0 1 1 1.
    codebooks = Streams(np.array([[0.0], [10.0]]), np.array([[0.5], [2.5]]), np.array([[-1.0], [1.0]]))
    counts = hac_features([mfcc], codebooks)

    expected = [  # pairs   00 01 10 11
        *(0, 2, 0, 0),  # mfcc, lag 5: 0-1 0-1
        *(0, 3, 1, 1),  # mfcc, lag 2: 0-1 0-1 1-0 1-1 0-1
        *(0, 0, 1, 1),  # delta, lag 5: 1-0 1-1
        *(2, 1, 2, 0),  # delta, lag 2: 1-0 1-0 0-0 0-0 0-1
        *(0, 2, 0, 0),  # delta-delta, lag 5: 0-1 0-1
        *(2, 2, 0, 1),  # delta-delta, lag 2: 0-0 0-0 0-1 0-1 1-1
    ]
    np.testing.assert_array_equal(counts, [expected])


def test_a_straight_line_has_its_slope_as_delta() -> None:
    line = 3.0 * np.arange(10.0)[:, None]
    np.testing.assert_allclose(compute_deltas(line)[2:-2], 3.0)


def test_rows_count_every_pair(codebooks: Streams) -> None:
    counts = hac_features(draw_mfccs(LENGTHS), codebooks)
    assert counts.shape == (len(LENGTHS), 2400)
    per_block = counts.reshape(len(LENGTHS), 3, 2, NUM_CODES**2).sum(axis=3)  # (N, stream, lag)
    pairs = [[max(length - 5, 0), max(length - 2, 0)] for length in LENGTHS]
    np.testing.assert_array_equal(per_block, np.repeat(np.array(pairs)[:, None], 3, axis=1))
    assert counts[LENGTHS.index(40)].sum() == 6 * 40 - 21


def test_a_row_does_not_depend_on_the_others(codebooks: Streams) -> None:
    mfccs = draw_mfccs(LENGTHS)
    counts = hac_features(mfccs, codebooks)
    np.testing.assert_array_equal(hac_features(mfccs[::-1], codebooks), counts[::-1])


def test_the_seed_decides_the_codebooks() -> None:
    mfccs = draw_mfccs((60, 60))
    first, again, other = (fit_codebooks(mfccs, num_codes=8, seed=seed) for seed in (1, 1, 2))
    for codebook, repeated, different in zip(first, again, other, strict=True):
        assert codebook.shape == (8, 13)
        assert codebook.tobytes() == repeated.tobytes()
        assert not np.array_equal(codebook, different)


def test_codes_are_the_means_of_their_frames() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]])
    frames = centres[np.arange(300) % 3] + rng.normal(size=(300, 2))
    codes = fit_codebooks([frames], num_codes=3).mfcc
    means = [frames[kind::3].mean(axis=0) for kind in range(3)]
    np.testing.assert_allclose(codes[np.lexsort(codes.round(-1).T)], np.array(means)[np.lexsort(centres.T)])


@pytest.mark.parametrize(
    ("mfccs", "message"),
    [
        ([], "HAC: no utterances; give at least one array of MFCCs"),
        ([np.zeros((4, 13)), np.zeros(13)], "HAC: utterance 1 has shape (13,); give (frames, coefficients)"),
        (
            [np.zeros((4, 13)), np.zeros((4, 12))],
            "HAC: utterance 1 has 12 coefficients a frame where 13 are expected; compute all MFCCs alike",
        ),
        (
            [np.full((4, 13), np.nan)],
            "HAC: utterance 0 holds NaN or infinity; check the recording for silence or damage",
        ),
    ],
)
def test_unfit_utterances_are_refused(mfccs: list[np.ndarray], message: str, codebooks: Streams) -> None:
    for refuse in (fit_codebooks, lambda unfit: hac_features(unfit, codebooks)):
        with pytest.raises(DataError) as refused:
            refuse(mfccs)
        assert str(refused.value) == message


def test_utterances_must_fit_the_codebooks(codebooks: Streams) -> None:
    message = "HAC: utterance 0 has 12 coefficients a frame where 13 are expected; compute all MFCCs alike"
    with pytest.raises(DataError) as refused:
        hac_features([np.zeros((4, 12))], codebooks)
    assert str(refused.value) == message


def test_too_few_frames_for_the_codes_are_refused() -> None:
    with pytest.raises(DataError) as refused:
        fit_codebooks([np.zeros((30, 13))])
    assert str(refused.value) == (
        "HAC codebook of stream mfcc: 1 distinct frames for 20 codes; give more utterances or fewer codes"
    )
