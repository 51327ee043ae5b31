"""What mmcli knows of probabilistic PCA before it is built. No jax here."""

from collections.abc import Iterator, Sequence

from pydantic import Field

from mmcli.modules.spec import (
    InputSpec,
    Kind,
    Load,
    ModuleSpec,
    Objective,
    Options,
    Port,
    PositiveInt,
    Problem,
    Role,
    Trace,
)


class PcaOptions(Options):
    latent_dim: PositiveInt = Field(description="dimensions of the latent space, fewer than columns")


def output(options: PcaOptions, _ports: Sequence[Port]) -> Port:
    return Port(Kind.POINTS, options.latent_dim)


def check(options: PcaOptions, ports: Sequence[Port]) -> Iterator[Problem]:
    width = ports[0].width
    # The variance of the noise is the mean of the eigenvalues that are left, so one has to be.
    if width is not None and options.latent_dim >= width:
        yield "latent_dim", f"must be less than the columns of the input, {width} (got {options.latent_dim})"


def memory(options: PcaOptions, load: Load) -> int:
    (width,), num_items, latent_dim = load.widths, load.num_items, options.latent_dim
    decomposition = 6 * width**2  # covariance, eigenvectors and the workspace of eigh
    points = 4 * num_items * width  # centred, weighted, predicted, reconstructed
    return 4 * (decomposition + points + 4 * num_items * latent_dim)


SPEC = ModuleSpec(
    name="pca",
    summary="probabilistic principal component analysis, in closed form",
    options=PcaOptions,
    inputs=InputSpec((Kind.POINTS,), maximum=1),
    sends=(Kind.POINTS,),
    output=output,
    build="mmcli_pca.model:build",
    check=check,
    reports={
        "z": Role.LATENT,
        "x_hat": Role.RECONSTRUCTION,
        "mean": Role.OTHER,
        "loadings": Role.OTHER,
        "noise": Role.OTHER,
    },
    memory=memory,
    trace=Trace("loglik", "nats", "up", title="log likelihood"),
    objective=Objective("log likelihood", "nats"),
    remedy="scale the columns of its input alike",
    memory_remedy="give it fewer items or columns",
)
