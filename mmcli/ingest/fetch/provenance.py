"""README of a folder of MNIST and Spoken Arabic Digit."""


def describe(recipe: str, seed: int) -> str:
    """README of the folder, in Markdown."""
    return _TEXT.format(recipe=recipe, seed=seed)


_TEXT = """\
# MNIST and Spoken Arabic Digit, paired

Made by `mmcli data fetch mnist-arabic --recipe {recipe} --seed {seed}`. `train.npz` and `test.npz` hold pairs of a
handwritten digit and the same digit spoken in Arabic by a person; row i is the digit i mod 10. They share no speaker
and no image.

| array | shape | content |
| --- | --- | --- |
| `images` | (N, 784) float32 | 28 x 28 pixels, row by row, 0 to 1 |
| `speech` | (N, 2400) uint8 | HAC counts of MFCCs as they are: pairs of codes 5 and 2 frames apart, 6 T - 21 |
| `labels` | (N,) int64 | the digit |
| `speakers` | (N,) int64 | 0 to 65 in training, the first 33 men; 66 to 87 in test, the first 11 men |
| `utterance_indices` | (N,) int64 | from 0, in Train_Arabic_Digit.txt or Test_Arabic_Digit.txt |
| `image_indices` | (N,) int64 | from 0, in MNIST's training or test images |

`codebooks.npz` holds `mfcc`, `delta`, `delta_delta` (20, 13): the codes behind `speech`, fitted to the training
utterances alone. `provenance.json` has recipe, seed, SHA-256 of the sources' numbers and of UCI's zip, and versions.
`sha256sum -c SHA256SUMS` checks all files.

## Licences

- Images: MNIST, by Yann LeCun and Corinna Cortes (LeCun, Bottou, Bengio and Haffner 1998, Gradient-based learning
  applied to document recognition). CC BY-SA 3.0, https://creativecommons.org/licenses/by-sa/3.0/. Changed: a selection,
  reordered, scaled.
- Speech: Bedda, M. and Hammami, N. (2008), Spoken Arabic Digit, UCI Machine Learning Repository,
  https://doi.org/10.24432/C52C9Q. CC BY 4.0, https://creativecommons.org/licenses/by/4.0/. Changed: a selection,
  reordered, MFCCs made into counts.
"""
